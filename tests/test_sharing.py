"""Test pushing a run to a folder or the Hub, and loading it again."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import advlearn
from advlearn.cli import app
from advlearn.model_card import Facts, model_card
from tests.script_server import ScriptServer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return advlearn.fit(
        "wgan-gp",
        data="digits",
        steps=4,
        batch_size=8,
        evaluate=2,
        picture_every=2,
        out=tmp_path_factory.mktemp("digits") / "run",
        callbacks=(),
    )


def header_of(card: str) -> dict[str, Any]:
    """Return the values of a header whose lines are names with JSON, as the card writes them."""
    head = card.split("---\n")[1]
    pairs = [line.partition(": ") for line in head.splitlines() if ": " in line]
    tags = [json.loads(line[2:]) for line in head.splitlines() if line.startswith("- ")]
    return {name: json.loads(value) for name, _, value in pairs} | {"tags": tags}


def test_a_pushed_folder_loads_with_the_same_samples(run: Any, tmp_path: Path) -> None:
    folder = run.push(tmp_path / "shared", licence="mit")
    names = {path.name for path in folder.iterdir()}
    assert names == {"checkpoint.pt", "README.md", "run.html", "samples.png"}
    loaded = advlearn.load(folder)
    assert torch.equal(loaded.sample(5, seed=3), run.sample(5, seed=3))


def test_the_card_states_what_the_run_is(run: Any, tmp_path: Path) -> None:
    card = (run.push(tmp_path / "shared", licence="mit") / "README.md").read_text()
    header = header_of(card)
    assert header["library_name"] == "advlearn" and header["license"] == "mit"
    assert header["pipeline_tag"] == "unconditional-image-generation"
    assert header["tags"] == ["advlearn", "adversarial-learning", "generate"]
    for title in ("Task, data and objective", "Metrics", "Health", "Limits", "Load it", "Citation"):
        assert f"\n## {title}\n" in card
    name, value = next(iter(run.evaluations[-1][1].items()))
    assert f"| {name} | {value:.6g} |" in card
    assert run.health()["data"].verdict.split(":")[0] in card
    assert "| data | digits |" in card and "| steps | 4 |" in card
    assert "@misc{gulrajani2017improved" in card
    assert "samples = run.sample(16)" in card


def test_the_header_is_what_the_client_reads(run: Any, tmp_path: Path) -> None:
    client = pytest.importorskip("huggingface_hub", reason="needs the extra hub")
    folder = run.push(tmp_path / "shared", licence="mit")
    data = client.ModelCard.load(folder / "README.md").data
    assert (data.library_name, data.license) == ("advlearn", "mit")
    assert data.tags == ["advlearn", "adversarial-learning", "generate"]


def test_a_loaded_copy_can_be_pushed_on(run: Any, tmp_path: Path) -> None:
    first = run.push(tmp_path / "first")
    again = advlearn.load(first).push(tmp_path / "second")
    assert {path.name for path in again.iterdir()} == {"checkpoint.pt", "README.md"}
    assert torch.equal(advlearn.load(again).sample(3, seed=1), run.sample(3, seed=1))
    # A folder that push wrote is written again; the folder of a training is kept.
    run.push(again)
    with pytest.raises(ValueError, match="target: expected another folder than the run's own"):
        run.push(run.out)
    with pytest.raises(ValueError, match="target: expected a new folder"):
        advlearn.load(first).push(run.out)


def test_a_run_without_a_folder_is_pushed_with_its_health(tmp_path: Path) -> None:
    run = advlearn.fit("dann", steps=2, batch_size=8, callbacks=())
    card = (run.push(tmp_path / "shared") / "README.md").read_text()
    assert "| steps | 2 |" in card and "outputs = run.predict(x)" in card
    assert "was not measured" in card and run.health()["domain"].verdict.split(":")[0] in card


def test_hostile_names_stay_text_in_the_card() -> None:
    name = 'x"\n---\n</script><img src=x> | y'
    config = {"task": name, "objective": name, "parts": {}, "settings": {"data": name, "a": name}}
    card = model_card(Facts(config, 1, {name: 1.0}, {name: name}), name, name)
    head, _, body = card.partition("\n---\n")
    outside_of_code = body.partition("```python")[0]
    assert "<img" not in outside_of_code and "\n---\n" not in body and "\n---" not in head
    assert header_of(card)["license"] == name
    rows = [line for line in card.splitlines() if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") == 3 for line in rows)


@pytest.mark.parametrize("text", ["hub:name", "hub:a/b/c", "hub:a/b@", "hub:a b/c"])
def test_another_address_is_refused_in_one_line(text: str, run: Any) -> None:
    for call in (advlearn.load, run.push):
        with pytest.raises(ValueError, match="expected 'hub:owner/name'"):
            call(text)


OFFLINE = """
import advlearn
for call in (lambda: advlearn.load("hub:owner/name@v1"), lambda: run.push("hub:owner/name")):
    run = advlearn.fit("gan", data="ring", steps=1, batch_size=8, callbacks=())
    try:
        call()
    except OSError as error:
        assert "\\n" not in str(error), error
        print(error)
"""


def test_the_real_client_is_called_and_its_offline_error_is_one_line(
    tmp_path: Path, scripts: ScriptServer
) -> None:
    pytest.importorskip("huggingface_hub", reason="needs the extra hub")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = scripts.python("-c", OFFLINE, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    load, push = done.stdout.splitlines()
    assert load.startswith("load: cannot download checkpoint.pt of hub:owner/name@v1: ")
    assert push.startswith("push: cannot upload to hub:owner/name: ")
    assert "offline" in push.lower()


def test_a_cached_download_loads_without_a_network(
    run: Any, tmp_path: Path, scripts: ScriptServer
) -> None:
    """The file lies where the client keeps downloads, so that the real client finds it."""
    pytest.importorskip("huggingface_hub", reason="needs the extra hub")
    commit = "0" * 40
    kept = tmp_path / "hub" / "models--owner--name"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit)
    run.save(kept / "snapshots" / commit / "checkpoint.pt")
    code = (
        "import os, sys; os.environ.update(HF_HUB_OFFLINE='1', HF_HOME=sys.argv[1]); "
        "import advlearn; print(advlearn.load('hub:owner/name').sample(2, seed=1).sum().item())"
    )
    done = scripts.python("-c", code, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(float(run.sample(2, seed=1).sum()), rel=1e-5)


def test_a_pickle_in_a_shared_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(pickle.dumps({"format": 1}))
    with pytest.raises(ValueError, match="checkpoint: expected a checkpoint"):
        advlearn.load(tmp_path)


def test_the_command_pushes_a_folder(run: Any, tmp_path: Path) -> None:
    words = ["push", str(run.out), str(tmp_path / "shared"), "--licence", "mit"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "shared" / "README.md").is_file()
    done = CliRunner().invoke(app, ["push", str(run.out), str(run.out)])
    assert done.exit_code == 1 and "another folder" in done.output
