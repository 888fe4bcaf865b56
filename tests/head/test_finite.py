"""Test that the first loss that is not finite is named, at any step of a long record."""

import pytest
import torch

from advlearn.core.finite import FiniteMonitor, JointLooks

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


@pytest.mark.parametrize("failing", [0, 3, 7])
def test_one_look_at_several_monitors_names_the_same_failures(failing: int) -> None:
    """Note twice a step in one monitor, with other terms at odd steps, and once in another."""
    first, second, joint = FiniteMonitor(), FiniteMonitor(), JointLooks()
    for step in range(12):
        bad = float("inf") if step == failing else 1.0
        with joint.at_once():
            for part in (0, 1):
                terms = {"loss": torch.tensor(1.0), "penalty": torch.tensor(bad if part else 2.0)}
                names = ("loss", "penalty") if step % 2 else ("penalty",)
                first.note(10 * step + part, {name: terms[name] for name in names})
            second.note(step, {"norm": torch.tensor(float("nan") if step == 9 else 1.0)})
    assert first.first_failure() == (10 * failing + 1, "penalty")
    assert second.first_failure() == (9, "norm")


def test_a_block_that_fails_is_not_recorded() -> None:
    monitor, joint = FiniteMonitor(), JointLooks()
    with pytest.raises(KeyError), joint.at_once():
        monitor.note(0, {"loss": torch.tensor(float("nan"))})
        raise KeyError
    with joint.at_once():
        monitor.note(1, {"loss": torch.tensor(float("nan"))})
    assert monitor.first_failure() == (1, "loss")
