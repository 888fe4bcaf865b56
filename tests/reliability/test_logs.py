"""Test that logs never end a run, and that checkpoints outlive a full disk and errors."""

import json
import math
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import advlearn
from advlearn.core.trainer import Callback, Trainer
from advlearn.training import rng
from advlearn.training.checkpoint import Checkpoint, load, resume
from advlearn.training.early_stopping import EarlyStopping
from advlearn.training.ema import EMA
from advlearn.training.samples import SampleGrid
from advlearn.training.tensorboard import TensorBoard
from tests.reliability.test_guard import POINTS, At, run, saved_is_finite
from tests.script_server import ScriptServer
from tests.training.test_watchers import curves
from tests.training.tiny import build, same

ROOT = Path(__file__).resolve().parents[2]


def caught_in(trainer: Trainer) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(trainer)
    return [str(warning.message) for warning in caught]


def become_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def test_a_log_folder_that_cannot_be_written_is_one_warning_each(tmp_path: Path) -> None:
    log, images = tmp_path / "log", tmp_path / "images"
    trainer = build(
        12,
        [
            TensorBoard(log, every=1),
            SampleGrid(images, 1, samples=lambda: torch.rand(4, 1, 8, 8)),
            At(4, lambda trainer: [become_a_file(folder) for folder in (log, images)]),
        ],
    )
    messages = sorted(caught_in(trainer))
    assert trainer.step == 12
    assert len(messages) == 2, messages
    for message, start in zip(messages, (log, f"pictures in {images}"), strict=True):
        assert message.startswith(f"cannot write {start}")
        assert message.endswith("; training continues")


def test_a_deleted_log_folder_is_made_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    delete = At(4, lambda trainer: shutil.rmtree(log))
    assert caught_in(build(8, [TensorBoard(log, every=1), delete])) == []
    assert [step for step, _ in curves(log)["data/critic_loss"]] == [5, 6, 7, 8]


def test_foreign_files_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "events.out.tfevents.copy").write_bytes(b"")

    def plant(trainer: Trainer) -> None:
        (tmp_path / "note.png").write_text("no picture")
        (tmp_path / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")

    messages = caught_in(
        build(
            6,
            [
                At(2, plant),
                SampleGrid(tmp_path, 3, samples=lambda: torch.rand(4, 1, 8, 8)),
                TensorBoard(tmp_path / "log", every=1, pictures=tmp_path),
            ],
        )
    )
    assert len(messages) == 1 and messages[0].startswith(f"cannot show {tmp_path / 'half.png'}: ")
    assert [step for step, _ in curves(tmp_path / "log")["data/critic_loss"]] == [1, 2, 3, 4, 5, 6]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "log"))
    events.Reload()
    assert [event.step for event in events.Images("pictures/step")] == [3, 6]


def disk(scripts: ScriptServer, folder: Path, end: str) -> dict[str, Any]:
    command = ("-m", "tests.reliability.full_disk", str(folder), end)
    result = scripts.python(*command, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return json.loads(result.stdout)


def test_a_full_disk_that_is_freed_costs_no_step(tmp_path: Path, scripts: ScriptServer) -> None:
    result = disk(scripts, tmp_path, "freed")
    assert result["error"] == ""
    log, pictures, saves = [], [], []
    for message in result["warnings"]:
        kind = saves if message.startswith("checkpoint: ") else log
        (pictures if "tensorboard" not in message and kind is log else kind).append(message)
    assert len(log) == 1 and "events.out.tfevents" in log[0] and "File too large" in log[0]
    assert len(pictures) == 3 and all(str(tmp_path) in message for message in pictures)
    assert ["curves" in message for message in pictures] == [False, True, False]
    assert "recording" in pictures[2]
    assert len(saves) == 2 and all("the earlier checkpoint is kept" in line for line in saves)
    assert load(tmp_path)["trainer"]["step"] == 400 and saved_is_finite(tmp_path)
    steps = [step for step, _ in curves(tmp_path / "tensorboard")["data/critic_loss"]]
    assert steps == [100, 400]


def test_a_disk_that_stays_full_is_an_error_at_the_end(
    tmp_path: Path, scripts: ScriptServer
) -> None:
    result = disk(scripts, tmp_path, "full")
    kept = tmp_path / "checkpoint.pt"
    expected = f"checkpoint: cannot write {kept}: File too large; the earlier checkpoint is kept"
    assert result["error"] == expected
    assert load(tmp_path)["trainer"]["step"] == 100 and saved_is_finite(tmp_path)


# --- errors


class Breaks(Callback):
    """Raise an error after a step; count the steps, as a callback with a state."""

    def __init__(self, step: int = -1) -> None:
        self.step = step
        self.steps = 0

    def on_step(self, trainer: Trainer) -> None:
        self.steps += 1
        if trainer.step == self.step:
            raise LookupError("a fault of the user's code")

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]


def test_an_error_of_a_callback_leaves_the_last_complete_step(tmp_path: Path) -> None:
    def stop(trainer: Trainer) -> float:
        return -float(trainer.step)

    straight = build(30, [EMA(0.9), Breaks(), EarlyStopping(stop, 2)])
    run(straight)
    broken = build(
        30, [EMA(0.9), Breaks(15), EarlyStopping(stop, 1), Checkpoint(tmp_path, every=10)]
    )
    with pytest.raises(LookupError, match="a fault of"):
        run(broken)
    saved = load(tmp_path)["trainer"]
    assert saved["step"] == 15
    assert [state for name, state in saved["callbacks"] if name == "EarlyStopping"] == [
        {"best": -15.0, "best_step": 15, "evaluations_since": 0}
    ]
    again = build(30, [EMA(0.9), Breaks(), EarlyStopping(stop, 2), Checkpoint(tmp_path, every=10)])
    with rng.isolated(7):
        resume(tmp_path, again)
        again.run()
    assert same(again.state_dict(), straight.state_dict())


def test_an_error_at_the_end_of_a_run_leaves_its_last_step(tmp_path: Path) -> None:
    class BreaksAtEnd(Callback):
        def on_end(self, trainer: Trainer) -> None:
            raise LookupError("a fault of the user's code")

    with pytest.raises(LookupError, match="a fault of"):
        run(build(17, [BreaksAtEnd(), Checkpoint(tmp_path, every=10)]))
    assert load(tmp_path)["trainer"]["step"] == 17


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_callback_that_ends_the_program_leaves_the_last_complete_step(
    tmp_path: Path, error: BaseException
) -> None:
    class Leave(Callback):
        def on_step(self, trainer: Trainer) -> None:
            if trainer.step == 7:
                raise error

    trainer = build(20, [EMA(0.9), Leave(), Checkpoint(tmp_path, every=5)])
    with pytest.raises(type(error)):
        run(trainer)
    assert load(tmp_path)["trainer"]["step"] == 7
    again = build(20, [EMA(0.9), Checkpoint(tmp_path, every=5)])
    resume(tmp_path, again)
    again.run()
    whole = build(20, [EMA(0.9)])
    run(whole)
    assert same(again.task.state_dict(), whole.task.state_dict())


@pytest.mark.parametrize("lost", [True, False])
def test_a_complete_run_is_returned_again_also_without_its_recording(
    tmp_path: Path, lost: bool
) -> None:
    def call() -> torch.Tensor:
        return weights(
            advlearn.fit(
                "generate", "nsgan", POINTS, steps=401, batch_size=8, lr=1e-3, device="cpu",
                callbacks=(), out=tmp_path,
            )
        )  # fmt: skip

    first, path = call(), tmp_path / "recording.jsonl"
    rows = path.read_text()
    if lost:
        path.unlink()
    assert torch.equal(call(), first)
    # Nothing is recorded twice; without the file, only the samples of the end can be.
    assert lost or path.read_text() == rows
    last = json.loads(path.read_text().splitlines()[-1])
    assert last["step"] == 401 and ("fake" in last or not lost)


def test_an_error_in_the_middle_of_a_step_leaves_the_earlier_checkpoint(tmp_path: Path) -> None:
    trainer = build(30, [Checkpoint(tmp_path, every=10)])
    forward = trainer.task.generator.forward  # type: ignore[union-attr]

    def break_later(trainer: Trainer) -> None:
        def fail(z: torch.Tensor) -> torch.Tensor:
            forward(z)
            raise LookupError("a fault of the generator")

        trainer.task.generator.forward = fail  # type: ignore[union-attr]

    trainer.callbacks.insert(0, At(15, break_later))
    with pytest.raises(LookupError, match="a fault of"):
        run(trainer)
    assert load(tmp_path)["trainer"]["step"] == 10


def test_an_error_of_the_data_leaves_the_last_complete_step(tmp_path: Path) -> None:
    class Faulty(torch.utils.data.Dataset[torch.Tensor]):
        broken = False

        def __len__(self) -> int:
            return 64

        def __getitem__(self, index: int) -> torch.Tensor:
            if self.broken:
                raise LookupError("a damaged file")
            return torch.full((2,), float(index))

    def call(*callbacks: Callback, **settings: Any) -> Any:
        return advlearn.fit(
            "generate", "nsgan", loader, steps=8, device="cpu", callbacks=callbacks,
            **settings,
        )  # fmt: skip

    data = Faulty()
    loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
    with pytest.raises(LookupError, match="a damaged file"):
        call(At(5, lambda trainer: setattr(data, "broken", True)), out=tmp_path)
    assert load(tmp_path)["trainer"]["step"] == 5
    data.broken = False
    resumed, straight = call(out=tmp_path), call()
    pairs = zip(resumed.task.parameters(), straight.task.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_poisoned_state_is_not_saved_after_an_error(tmp_path: Path) -> None:
    def poison(trainer: Trainer) -> None:
        next(trainer.task.parameters()).detach().view(-1)[0] = float("nan")
        raise LookupError("a fault of the user's code")

    with pytest.raises(LookupError) as failed:
        run(build(30, [At(15, poison), Checkpoint(tmp_path, every=10)]))
    assert load(tmp_path)["trainer"]["step"] == 10 and saved_is_finite(tmp_path)
    (note,) = failed.value.__notes__
    assert note.startswith("Checkpoint: step 15: generator.0.weight is not finite")


# --- early stopping and intervals


def test_a_run_that_stopped_early_stays_stopped(tmp_path: Path) -> None:
    def call(patience: int) -> Any:
        return advlearn.fit(
            "generate", "nsgan", POINTS, steps=50, batch_size=8, device="cpu", out=tmp_path,
            callbacks=[EarlyStopping(lambda trainer: 1.0, every=2, patience=patience)],
        )  # fmt: skip

    first, second = call(3), call(3)
    assert first.trainer.step == second.trainer.step == 8
    assert first.trainer.stop_reason == second.trainer.stop_reason
    assert call(5).trainer.step == 12


def test_the_intervals_of_checkpoints_and_pictures_are_arguments(tmp_path: Path) -> None:
    saved: list[int] = []

    class Look(Callback):
        def on_step(self, trainer: Trainer) -> None:
            saved.append(load(tmp_path)["trainer"]["step"])

    advlearn.fit(
        "generate", "nsgan", POINTS, steps=9, batch_size=8, device="cpu", out=tmp_path,
        save_every=3, picture_every=4, callbacks=[Look()],
    )  # fmt: skip
    # This callback runs before the save of its step.
    assert saved == [0, 0, 0, 3, 3, 3, 6, 6, 6]
    pictures = sorted(path.name for path in tmp_path.glob("step-*.png"))
    assert pictures == [f"step-{step:08d}.png" for step in (4, 8, 9)]


@pytest.mark.parametrize("name", ["save_every", "picture_every"])
@pytest.mark.parametrize(
    ("value", "words"),
    [(0, " of at least 1"), (-5, " of at least 1"), *((v, "") for v in (1.5, math.nan, True, "3"))],
)
def test_an_interval_that_is_no_count_is_refused(name: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected a whole number{words}, got "):
        advlearn.fit("generate", data=POINTS, **{name: value})


# --- modes of torch


def weights(run: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.task.parameters()])


@pytest.mark.parametrize("mode", [torch.no_grad(), torch.autocast("cpu", torch.bfloat16)])
def test_an_outer_mode_does_not_change_the_run(mode: Any) -> None:
    def call() -> Any:
        return advlearn.fit(
            "generate", "nsgan", POINTS, steps=3, batch_size=8, device="cpu", callbacks=()
        )

    plain = call()
    with mode:
        assert torch.equal(weights(call()), weights(plain))


def test_modes_that_cannot_train_are_one_line() -> None:
    with (
        torch.inference_mode(),
        pytest.raises(ValueError, match=r"^inference_mode: expected a call outside of "),
    ):
        advlearn.fit("generate", data=POINTS)
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(ValueError, match=r"^default dtype: expected float32, .*float64; call "):
            advlearn.fit("generate", data=POINTS)
    finally:
        torch.set_default_dtype(torch.float32)
