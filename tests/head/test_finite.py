"""Test that the first loss that is not finite is named, at any step of a long record."""

import pytest
import torch

from advlearn.core.finite import FiniteMonitor

LENGTH = 64


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("failing", [0, 1, LENGTH - 1, LENGTH, LENGTH + 1, 3 * LENGTH - 1])
def test_the_first_failure_is_named_at_any_step(failing: int, bad: float) -> None:
    monitor = FiniteMonitor()
    for step in range(3 * LENGTH):
        # Later values are finite again, and another loss fails later.
        loss = bad if step == failing else 1.0
        penalty = bad if step > failing else 2.0
        monitor.note(step, {"loss": torch.tensor(loss), "penalty": torch.tensor(penalty)})
    assert monitor.first_failure() == (failing, "loss")


def test_a_record_can_be_read_at_any_time() -> None:
    monitor = FiniteMonitor()
    assert monitor.first_failure() is None
    for step in range(LENGTH + 5):
        monitor.note(step, {"loss": torch.tensor(1.0)})
        assert monitor.first_failure() is None
    monitor.note(99, {"norm": torch.tensor(float("inf"))})
    monitor.note(100, {"loss": torch.tensor(float("nan"))})
    assert monitor.first_failure() == (99, "norm")
