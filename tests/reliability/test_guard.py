"""Test that a state that is not finite is neither saved nor returned."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import advlearn
from advlearn.core.finite import NonFiniteError
from advlearn.core.finite_state import FiniteState, named_tensors
from advlearn.core.trainer import Callback, Trainer
from advlearn.tasks.generate import Generate
from advlearn.training import rng
from advlearn.training.checkpoint import Checkpoint, load
from tests.training.tiny import build

NAN, INF = float("nan"), float("inf")
POINTS = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))


def run(trainer: Trainer) -> None:
    with rng.isolated(0):
        trainer.run()


def saved_is_finite(path: Path) -> bool:
    state = load(path)["trainer"]
    return all(value.isfinite().all() for value in named_tensors(state).values())


class At(Callback):
    """Call a function with the trainer after one step."""

    def __init__(self, step: int, act: Any) -> None:
        self.step = step
        self.act = act

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            self.act(trainer)


class NaNGradient(nn.Module):
    """A generator with finite samples whose gradient is NaN: the square root at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.w = nn.Parameter(torch.ones(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.linear(z) + torch.sqrt(self.w * 0 * z.sum(1, keepdim=True) ** 2)


# --- the look at a state


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64],
)
def test_each_value_that_is_not_finite_is_found(value: float, dtype: torch.dtype) -> None:
    tensors = {"a": torch.ones(3), "b": torch.ones(2, 3, dtype=dtype), "c": torch.full((2,), NAN)}
    tensors["b"][1, 2] = value
    assert FiniteState().first_failure(tensors) == "b"


def test_large_values_integers_and_empty_tensors_are_finite() -> None:
    largest = torch.finfo(torch.float32).max
    tensors = {
        "large": torch.full((1000,), largest),  # the sum of the squares overflows
        "small": torch.full((3,), -largest),
        "double": torch.full((2,), 1e300, dtype=torch.float64),
        "counts": torch.tensor([2**62]),
        "flags": torch.tensor([True]),
        "empty": torch.empty(0),
    }
    assert FiniteState().first_failure(tensors) is None


def test_a_mask_may_keep_its_infinities_but_not_nan() -> None:
    state, mask = FiniteState(), torch.tensor([0.0, -INF])
    state.allow_infinities({"mask": mask, "weight": torch.ones(2)})
    assert state.first_failure({"mask": mask}) is None
    assert state.first_failure({"mask": torch.tensor([0.0, NAN])}) == "mask"
    assert state.first_failure({"mask": mask, "weight": mask}) == "weight"


def test_nan_at_the_start_is_not_allowed_later() -> None:
    state, broken = FiniteState(), {"weight": torch.tensor([NAN, INF])}
    state.allow_infinities(broken)
    assert state.first_failure(broken) == "weight"


# --- fit


def test_nan_gradients_of_the_last_step_are_an_error(tmp_path: Path) -> None:
    task = Generate(NaNGradient(), shape=(2,), latent=2)
    kept = tmp_path / "checkpoint.pt"
    with pytest.raises(NonFiniteError) as failed:
        advlearn.fit(task, "nsgan", POINTS, steps=1, callbacks=(), device="cpu", out=tmp_path)
    expected = f"step 1: generator.w is not finite; last good checkpoint: {kept} (step 0)"
    assert str(failed.value) == expected
    assert load(kept)["trainer"]["step"] == 0 and saved_is_finite(kept)


def test_nan_gradients_are_an_error_without_a_folder() -> None:
    task = Generate(NaNGradient(), shape=(2,), latent=2)
    with pytest.raises(NonFiniteError, match=r"generator\.w is not .* none was saved$"):
        advlearn.fit(task, "nsgan", POINTS, steps=1, callbacks=(), device="cpu")


def test_a_weight_poisoned_at_a_save_leaves_the_earlier_checkpoint(tmp_path: Path) -> None:
    def poison(trainer: Trainer) -> None:
        with torch.no_grad():
            next(trainer.task.parameters()).view(-1)[0] = NAN

    def call(*callbacks: Callback) -> Any:
        return advlearn.fit(
            "generate", "nsgan", POINTS, steps=12, batch_size=8, device="cpu", out=tmp_path,
            save_every=5, callbacks=callbacks,
        )  # fmt: skip

    kept = tmp_path / "checkpoint.pt"
    with pytest.raises(NonFiniteError, match=r"^step 10: generator\..* \(step 5\)$"):
        call(At(10, poison))
    assert load(kept)["trainer"]["step"] == 5 and saved_is_finite(kept)
    # The same call, without the fault, resumes from the good checkpoint.
    run = call()
    assert run.trainer.step == 12
    straight = advlearn.fit(
        "generate", "nsgan", POINTS, steps=12, batch_size=8, device="cpu", callbacks=()
    )
    pairs = zip(run.task.parameters(), straight.task.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("part", ["critic", "optimizer", "buffer", "average"])
def test_each_part_of_the_state_is_looked_at(tmp_path: Path, part: str) -> None:
    from advlearn.training.ema import EMA

    average = EMA(0.9)

    def poison(trainer: Trainer) -> None:
        tensor = {
            "critic": lambda: next(trainer.adversaries["data"].critic.parameters()),
            "optimizer": lambda: next(iter(trainer.optimizer.state.values()))["exp_avg"],
            "buffer": lambda: trainer.task.generator[1].running_var,  # type: ignore[index]
            "average": lambda: next(average.module.parameters()),
        }[part]()
        tensor.detach().view(-1)[-1] = INF

    named = {
        "critic": r"data/critic\.0\.weight",
        "optimizer": r"optimizer\.state\.0\.exp_avg",
        "buffer": r"generator\.1\.running_var",
        "average": r"EMA\.module\.generator\.0\.weight",
    }[part]
    trainer = build(20, [average, At(10, poison), Checkpoint(tmp_path, every=5)])
    with pytest.raises(NonFiniteError, match=rf"^step 10: {named} is not finite; .* \(step 5\)$"):
        run(trainer)
    assert load(tmp_path)["trainer"]["step"] == 5 and saved_is_finite(tmp_path)


def test_a_loss_that_fails_after_a_save_makes_that_save_suspect(tmp_path: Path) -> None:
    trainer = build(20, [Checkpoint(tmp_path, every=5)], poisoned=11)
    with pytest.raises(NonFiniteError, match=r"^step 11: data/.*checkpoint\.pt \(step 5\)$"):
        run(trainer)
    assert load(tmp_path)["trainer"]["step"] == 5
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


def test_a_suspect_save_of_a_resumed_run_is_replaced_too(tmp_path: Path) -> None:
    from advlearn.training.checkpoint import resume

    class Killed(BaseException):
        """An end without a last save."""

    def kill(trainer: Trainer) -> None:
        raise Killed

    with pytest.raises(Killed):
        run(build(20, [At(10, lambda trainer: None), At(12, kill), Checkpoint(tmp_path, every=5)]))
    trainer = build(20, [Checkpoint(tmp_path, every=5)], poisoned=1)
    with rng.isolated(0):
        resume(tmp_path, trainer)
        assert trainer.step == 10
        with pytest.raises(NonFiniteError, match=r"^step 11: data/.*checkpoint\.pt \(step 5\)$"):
            trainer.run()
    assert load(tmp_path)["trainer"]["step"] == 5


def test_two_checkpoints_are_kept_until_the_end(tmp_path: Path) -> None:
    seen: list[Any] = []

    def look(trainer: Trainer) -> None:
        names = ("checkpoint.pt", "checkpoint-previous.pt")
        seen.extend(load(tmp_path / name)["trainer"]["step"] for name in names)

    run(build(20, [At(14, look), Checkpoint(tmp_path, every=5)]))
    assert seen == [10, 5] and os.listdir(tmp_path) == ["checkpoint.pt"]
