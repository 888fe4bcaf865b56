import json
import os
import pickle
import re
import signal
from collections import OrderedDict
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advlearn.core.files import atomic_write
from advlearn.core.finite import NonFiniteError
from advlearn.core.trainer import Callback, Trainer
from advlearn.training import rng
from advlearn.training.checkpoint import Checkpoint, load, resume, save
from advlearn.training.early_stopping import EarlyStopping
from advlearn.training.ema import EMA
from tests.script_server import ScriptServer
from tests.training.tiny import build, same

ROOT = Path(__file__).resolve().parents[2]
PAYLOAD = {
    "config": {"task": "tiny"},
    "trainer": {"weights": torch.arange(4.0), "rates": [1, 2.5, None, (True, "x")]},
}


def final(trainer: Trainer) -> Any:
    return [trainer.state_dict(), rng.get_state()]


def test_saved_values_are_loaded(tmp_path: Path) -> None:
    path = save(tmp_path / "new" / "folder" / "run.pt", PAYLOAD)
    loaded = load(path)
    assert loaded.pop("format") == 1 and isinstance(loaded.pop("advlearn"), str)
    assert same(loaded, PAYLOAD)
    assert os.listdir(path.parent) == ["run.pt"]


def test_a_folder_names_the_checkpoint_in_it(tmp_path: Path) -> None:
    save(tmp_path / "checkpoint.pt", PAYLOAD)
    assert same(load(tmp_path)["trainer"], PAYLOAD["trainer"])


@pytest.fixture(scope="module")
def ended(
    tmp_path_factory: pytest.TempPathFactory, scripts: ScriptServer
) -> tuple[Path, dict[str, int]]:
    """Return the folders of failed runs and their exit statuses."""
    folder = tmp_path_factory.mktemp("scenarios")
    result = scripts.python("-m", "tests.training.scenarios", str(folder), cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return folder, json.loads(result.stdout)


def test_a_full_disk_is_one_line_and_keeps_the_earlier_file(
    ended: tuple[Path, dict[str, int]],
) -> None:
    folder, status = ended[0] / "full", ended[1]["full"]
    assert status == 0
    results = json.loads((folder / "results.json").read_text())
    assert len(results) == 5
    for line, step, files in results:
        path = folder / "checkpoint.pt"
        assert (
            line
            == f"checkpoint: cannot write {path}: File too large; the earlier checkpoint is kept"
        )
        assert step == 0 and files == ["checkpoint.pt"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OSError, match=r"^checkpoint: cannot write .*file/run\.pt: (File exists|Not a directory)$"
    ):
        save(tmp_path / "file" / "run.pt", PAYLOAD)


def test_an_interruption_while_writing_keeps_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"half of the la")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"earlier" and os.listdir(tmp_path) == ["note"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_one_line(tmp_path: Path, share: float) -> None:
    path = save(tmp_path / "run.pt", PAYLOAD)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        ValueError,
        match=r"^checkpoint: .* damaged .*run\.pt \(.+\); restore a copy of it",
    ) as caught:
        load(path)
    assert "\n" not in str(caught.value)


class Trap:
    """An object whose pickle runs code when it is loaded without `weights_only`."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.flag),)


@pytest.mark.parametrize("write", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_foreign_pickle_is_refused_and_not_run(tmp_path: Path, write: Any) -> None:
    path, flag = tmp_path / "run.pt", tmp_path / "flag"
    with path.open("wb") as file:
        write({"format": 1, "trainer": Trap(flag)}, file)
    with pytest.raises(
        ValueError, match=r"^checkpoint: expected a checkpoint, got a damaged .*run\.pt"
    ) as caught:
        load(path)
    assert "\n" not in str(caught.value) and not flag.exists()


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], OrderedDict(bias=torch.zeros(1))])
def test_a_file_of_another_program_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "run.pt")
    with pytest.raises(
        ValueError, match=r"expected a checkpoint of advlearn, got another file .*run\.pt$"
    ):
        load(tmp_path / "run.pt")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "run.pt", {**PAYLOAD, "format": 2})
    with pytest.raises(
        ValueError, match=r"expected format 1, got format 2 in .*run\.pt; load it with"
    ):
        load(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "run.pt", tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"^checkpoint: expected a file or a run's folder, got .*\.pt$"
        ):
            load(path)


@pytest.mark.parametrize("value", [np.float64(1.0), np.zeros(2), {1: Path("x")}, [object()]])
def test_values_that_cannot_be_loaded_are_refused_on_saving(tmp_path: Path, value: object) -> None:
    with pytest.raises(
        TypeError, match=r"^checkpoint: payload\.trainer.*: expected plain values, .*, got "
    ):
        save(tmp_path / "run.pt", {"trainer": value})
    assert not os.listdir(tmp_path)


@pytest.fixture(scope="module")
def uninterrupted() -> Any:
    trainer = build(20, [EMA(0.9)])
    with rng.isolated(5):
        trainer.run()
        return final(trainer)


@pytest.mark.parametrize(
    ("moment", "by"),
    [("training", signal.SIGKILL), ("writing", signal.SIGXFSZ), ("rename", signal.SIGKILL)],
)
def test_a_killed_run_resumes_bit_for_bit(
    ended: tuple[Path, dict[str, int]], uninterrupted: Any, moment: str, by: int
) -> None:
    folder, status = ended[0] / moment, ended[1][moment]
    assert status == -by
    # A kill while saving leaves partial temporary files, which the next save removes.
    temporary = {name for name in os.listdir(folder) if name.endswith(".tmp")}
    assert bool(temporary) == (moment != "training")
    names = r"\.checkpoint\.pt\.[0-9a-f]{16}\.tmp|\.checkpoint-previous\.pt\.tmp"
    assert all(re.fullmatch(names, name) for name in temporary)
    assert {*os.listdir(folder)} - temporary == {"checkpoint-previous.pt", "checkpoint.pt"}
    assert load(folder / "checkpoint-previous.pt")["trainer"]["step"] == 5
    assert load(folder)["trainer"]["step"] == 10
    trainer = build(20, [EMA(0.9), Checkpoint(folder, every=5)])
    with rng.isolated(77):
        resume(folder, trainer)
        assert trainer.step == 10
        trainer.run()
        assert same(final(trainer), uninterrupted)
    assert os.listdir(folder) == ["checkpoint.pt"]


class End(Callback):
    """End the run at a step, by an error or by Ctrl-C."""

    def __init__(self, step: int, interrupt: bool) -> None:
        self.step = step
        self.interrupt = interrupt

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step and self.interrupt:
            signal.raise_signal(signal.SIGINT)
        elif trainer.step == self.step:
            trainer.stop_reason = "enough"


@pytest.mark.parametrize("interrupt", [False, True])
def test_the_end_of_a_run_is_saved_also_after_ctrl_c(tmp_path: Path, interrupt: bool) -> None:
    trainer = build(20, [End(7, interrupt), Checkpoint(tmp_path, every=5, config={"task": "tiny"})])
    with rng.isolated(0), pytest.raises(KeyboardInterrupt) if interrupt else nullcontext():
        trainer.run()
    payload = load(tmp_path)
    assert payload["trainer"]["step"] == 7 and payload["config"] == {"task": "tiny"}
    assert trainer.last_checkpoint == str(tmp_path / "checkpoint.pt")


def test_a_diverged_state_is_never_saved(tmp_path: Path) -> None:
    trainer = build(20, [Checkpoint(tmp_path, every=5)], poisoned=8)
    with (
        rng.isolated(0),
        pytest.raises(NonFiniteError, match=rf"^step 8: .*{tmp_path}.checkpoint\.pt \(step 5\)$"),
    ):
        trainer.run()
    payload = load(tmp_path)
    assert payload["trainer"]["step"] == 5
    assert all(v.isfinite().all() for v in payload["trainer"]["task"].values())


def test_a_callback_whose_state_would_be_saved_too_early_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"^callbacks: expected Checkpoint after EMA, EarlyStopping, whose state",
    ):
        build(2, [Checkpoint(tmp_path), EMA(), EarlyStopping(lambda trainer: 0.0, 1)]).run()
    assert not os.listdir(tmp_path)


def test_a_checkpoint_of_another_run_is_one_line(tmp_path: Path) -> None:
    trainer = build(3, [Checkpoint(tmp_path)])
    with rng.isolated(0):
        trainer.run()
    other = build(3)
    other.task.generator[0] = torch.nn.Linear(5, 8)  # type: ignore[index]
    with pytest.raises(
        ValueError,
        match=r"^checkpoint: expected .* of this run, got one of another run in .*: size mismatch "
        "for generator",
    ) as caught:
        resume(tmp_path, other)
    assert "\n" not in str(caught.value)
    other = build(3)
    other.adversaries = {"features": other.adversaries["data"]}
    with pytest.raises(
        ValueError,
        match=r"^checkpoint: expected .*, got one of another run in .*: it has no 'features'$",
    ):
        resume(tmp_path, other)


def test_a_new_run_does_not_overwrite_a_checkpoint(tmp_path: Path) -> None:
    with rng.isolated(0):
        build(3, [Checkpoint(tmp_path)]).run()
    with pytest.raises(
        ValueError,
        match=rf"^folder: expected one without a checkpoint, got {tmp_path}; resume from it or "
        "choose",
    ):
        build(3, [Checkpoint(tmp_path)]).run()
    assert load(tmp_path)["trainer"]["step"] == 3


def test_a_run_resumed_at_its_start_may_write(tmp_path: Path) -> None:
    trainer = build(3, [Checkpoint(tmp_path)])
    with rng.isolated(0):
        trainer.callbacks[0].on_start(trainer)
    again = build(3, [Checkpoint(tmp_path)])
    with rng.isolated(0):
        resume(tmp_path, again)
        assert again.step == 0
        again.run()
    assert load(tmp_path)["trainer"]["step"] == 3


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^every: expected a whole number of at least 1, got 0; "):
        Checkpoint("runs", every=0)
