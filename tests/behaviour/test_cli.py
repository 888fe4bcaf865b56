"""The commands as someone types them, mistypes included."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from advlearn.cli import app
from advlearn.data.files import find


def typed(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("task", "data", "shown"),
    [
        ("generate(latent=2)", "digits", "frechet distance"),
        ("domain_adaptation", "digits->digits", "accuracy on digits"),
        ("semi_supervised(latent=4)", "digits:20", "accuracy on digits"),
        (
            "representation(latent=2, compare=(), stochastic=True, reconstruction=10.0, kl=1.0)",
            "digits",
            "frechet distance",
        ),
        ("paired_translation(base_channels=4)", "edges:digits", "mean absolute difference"),
        ("unpaired_translation(base_channels=4)", "digits <-> digits", "there and back, digits"),
        ("retrieval(samples_per_query=2)", "digits", "accuracy on digits"),
    ],
)
def test_a_task_is_fitted_measured_and_left_in_a_folder(
    task: str, data: str, shown: str, tmp_path: Path
) -> None:
    code, said = typed(
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
    assert code == 0, said
    assert shown in said
    assert (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_table_is_measured_on_its_test_part(tmp_path: Path) -> None:
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
    code, said = typed(*words, "--device", "cpu", "--out", str(tmp_path / "run"))
    assert code == 0, said
    assert "sex: demographic parity difference" in said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("adopt",), "advlearn: task: unknown name 'adopt'"),
        (
            ("domain_adaptation(conditioning='labelz')", "--data", "digits->digits"),
            "advlearn: conditioning: expected one of nothing",
        ),
        (
            ("domain_adaptation(besides=1)", "--data", "digits->digits"),
            "advlearn: task: domain_adaptation",
        ),
        (("domain_adaptation", "--data", "digits"), "advlearn: data: expected 'source->target'"),
        (("fairness", "--data", "adults"), "advlearn: data: expected a table among adult"),
        (
            ("semi_supervised", "--data", "digits:20", "--objective", "mmd"),
            "advlearn: objective: semi_supervised cannot use MMD",
        ),
    ],
)
def test_a_mistype_is_one_line(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    code, said = typed(
        "fit", *words, "--steps", "3", "--device", "cpu", "--out", str(tmp_path / "run")
    )
    assert code == 1
    assert said.startswith(line), said
    assert said.count("\n") == 1
