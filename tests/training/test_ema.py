from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn.core.trainer import Callback, Trainer
from advlearn.training import rng
from advlearn.training.ema import EMA
from tests.training.tiny import build, same


class Record(Callback):
    """Record the trained parameters after each step, in double precision."""

    def __init__(self) -> None:
        self.recorded: list[list[np.ndarray[Any, Any]]] = []

    def on_start(self, trainer: Trainer) -> None:
        self.on_step(trainer)

    def on_step(self, trainer: Trainer) -> None:
        self.recorded.append(
            [p.detach().double().numpy().copy() for p in trainer.task.parameters()]
        )


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_the_average_agrees_with_numpy_on_recorded_steps(decay: float) -> None:
    record, average = Record(), EMA(decay)
    trainer = build(12, [record, average])
    with rng.isolated(0):
        trainer.run()
    assert len(record.recorded) == 13
    expected = record.recorded[0]
    for t, parameters in enumerate(record.recorded[1:]):
        d = min(decay, (1 + t) / (10 + t))
        expected = [
            d * mean + (1 - d) * new for mean, new in zip(expected, parameters, strict=True)
        ]
    for actual, reference in zip(average.module.parameters(), expected, strict=True):
        np.testing.assert_allclose(actual.numpy(), reference, rtol=1e-5, atol=1e-6)
    assert average.updates == 12


def test_buffers_are_copied_and_the_module_is_a_frozen_copy() -> None:
    average = EMA(0.9)
    trainer = build(5, [average])
    with rng.isolated(0):
        trainer.run()
    assert [n for n, _ in average.module.named_buffers()] == [
        n for n, _ in trainer.task.named_buffers()
    ]
    for actual, reference in zip(average.module.buffers(), trainer.task.buffers(), strict=True):
        assert torch.equal(actual, reference) and actual is not reference
    assert not average.module.training and trainer.task.training
    assert not any(p.requires_grad for p in average.module.parameters())
    assert all(p.requires_grad for p in trainer.task.parameters())


def test_a_loaded_average_continues_exactly() -> None:
    whole, first, second = EMA(0.9), EMA(0.9), EMA(0.9)
    with rng.isolated(0):
        build(10, [whole]).run()
    with rng.isolated(0):
        start = build(10, [first])
        start.steps = 4
        start.run()
        rest = build(10, [second])
        rest.load_state_dict(start.state_dict())
        rest.run()
    assert same(second.state_dict(), whole.state_dict())


class NoSync(TorchDispatchMode):
    """Raise an error when a tensor's value is read on the host."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func is not torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_an_update_does_not_synchronise_with_the_device() -> None:
    average = EMA(0.9)
    trainer = build(5, [average])
    average.on_start(trainer)
    with NoSync():
        average.on_step(trainer)
    with NoSync(), pytest.raises(AssertionError):  # the mode detects it
        torch.ones(()).item()


def test_wrong_use_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^decay: expected a number in \[0, 1\), got 1.0$"):
        EMA(1.0)
    with pytest.raises(
        RuntimeError,
        match=r"^ema: expected a run that has started, got none; run the trainer first$",
    ):
        _ = EMA().module
