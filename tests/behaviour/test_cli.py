"""Test the command line, including typing errors."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from advlearn.cli import app
from advlearn.data.files import find
from advlearn.training import checkpoint


def run_cli(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("task", "data", "expected"),
    [
        ("generate(latent=2)", "digits", "frechet distance"),
        ("domain_adaptation", "digits->digits", "accuracy on digits"),
        ("semi_supervised(latent=4)", "digits:20", "accuracy on digits"),
        ("vae(latent=2)", "digits", "frechet distance"),
        ("paired_translation(base_channels=4)", "edges:digits", "mean absolute difference"),
        ("unpaired_translation(base_channels=4)", "digits <-> digits", "there and back, digits"),
        ("retrieval(samples_per_query=2)", "digits", "accuracy on digits"),
        ("zhang-2018", "biased-groups", "group: demographic parity difference"),
    ],
)
def test_fit_trains_measures_and_saves_a_task(
    task: str, data: str, expected: str, tmp_path: Path
) -> None:
    code, output = run_cli(
        "fit",
        task,
        "--data",
        data,
        "--steps",
        "3",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "run"),
    )
    assert code == 0, output
    assert expected in output
    assert (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_table_is_evaluated_on_its_test_part(tmp_path: Path) -> None:
    if find("german-credit", "german.data") is None:
        pytest.skip("needs german-credit in a data folder, and tests download nothing")
    words = (
        "fit",
        "fairness(sensitive='sex')",
        "--objective",
        "predictive",
        "--data",
        "german-credit",
        "--steps",
        "3",
    )
    code, output = run_cli(*words, "--device", "cpu", "--out", str(tmp_path / "run"))
    assert code == 0, output
    assert "sex: demographic parity difference" in output


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("adopt",), "advlearn: task: unknown name 'adopt'"),
        (("dannn",), "advlearn: task: unknown name 'dannn'; did you mean 'dann'"),
        (("dann", "--set", "entropi=1"), "advlearn: entropi: domain_adaptation has no such option"),
        (("dann", "--set", "entropy"), "advlearn: set: expected key=value"),
        (("dann", "--env", "X-v0"), "advlearn: env: only for methods of imitation, got 'dann'"),
        (
            ("domain_adaptation(conditioning='labelz')", "--data", "digits->digits"),
            "advlearn: conditioning: expected one of nothing",
        ),
        (
            ("domain_adaptation(besides=1)", "--data", "digits->digits"),
            "advlearn: besides: domain_adaptation has no such option",
        ),
        (("domain_adaptation", "--data", "digits"), "advlearn: data: expected 'SOURCE->TARGET'"),
        (("fairness", "--data", "adults"), "advlearn: data: expected a table among adult"),
        (
            ("semi_supervised", "--data", "digits:20", "--objective", "mmd"),
            "advlearn: objective: semi_supervised cannot use MMD",
        ),
    ],
)
def test_a_typing_error_is_one_line(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    code, output = run_cli(
        "fit", *words, "--steps", "3", "--device", "cpu", "--out", str(tmp_path / "run")
    )
    assert code == 1
    assert output.startswith(line), output
    assert output.count("\n") == 1


def test_fit_takes_a_method_and_its_options(tmp_path: Path) -> None:
    words = ("cdan", "--set", "conditioning=nothing", "--steps", "3", "--critic-steps", "2")
    code, output = run_cli("fit", *words, "--device", "cpu", "--out", str(tmp_path / "run"))
    assert code == 0, output
    config = checkpoint.load(tmp_path / "run")["config"]
    assert (config["method"], config["parts"]["conditioning"]) == ("cdan", "nothing")
    assert config["settings"]["critic_steps"] == 2


def test_describe_cite_and_list_print_a_name() -> None:
    assert run_cli("describe", "cdan+e")[1].startswith("cdan+e: a method of adaptation\n")
    assert "arxiv.org/abs/1505.07818" in run_cli("cite", "dann")[1]
    code, output = run_cli("list", "--for", "adaptation", "--kind", "method")
    assert code == 0 and "  deepjdot " in output and "wgan-gp" not in output
    for words in (("describe", "dannn"), ("cite", "dannn"), ("list", "--for", "dann")):
        code, output = run_cli(*words)
        assert code == 1 and output.count("\n") == 1, output


def test_the_command_of_a_complete_run_measures_it_again(tmp_path: Path) -> None:
    words = ("fit", "generate", "--data", "ring", "--steps", "2", "--out", str(tmp_path / "run"))
    first, again = run_cli(*words), run_cli(*words)
    assert first[0] == again[0] == 0, again[1]
    assert "data: " in first[1] and "real ones" in again[1]


@pytest.mark.parametrize("name", ["out", "seed", "task"])
def test_an_option_of_the_command_is_not_set_as_one_of_the_task(name: str, tmp_path: Path) -> None:
    words = ("fit", "generate", "--out", str(tmp_path / "run"), "--set", f"{name}=1")
    code, output = run_cli(*words)
    assert code == 1 and output == (
        f"advlearn: set: expected an option of the task, got {name}; "
        "pass it to the command without --set\n"
    )


def test_a_picture_in_place_of_a_folder_is_one_line(tmp_path: Path) -> None:
    run_cli("fit", "generate", "--data", "ring", "--steps", "1", "--out", str(tmp_path / "run"))
    code, output = run_cli("sample", str(tmp_path / "run"), "--picture", str(tmp_path))
    assert code == 1 and output.startswith("advlearn: path: expected a file to write, got the ")
    assert not list(tmp_path.glob(".*"))
