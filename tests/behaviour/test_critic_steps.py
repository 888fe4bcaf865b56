"""Test the number of critic steps per learner step: the objective's default or the given one."""

from typing import Any

import pytest
import torch
from torch import nn

from advlearn import Adversary
from advlearn.core.trainer import Trainer
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.batches import Batches
from tests.training.tiny import Tiny


def trained(spec: str, critic_steps: int | None, critic: nn.Module) -> tuple[Trainer, Adversary]:
    """Train for two learner steps."""
    task = Tiny()
    adversary = Adversary(critic, spec, critic_steps=critic_steps)
    trainer = Trainer(
        task, {"data": adversary}, Batches(ArrayDataset(torch.randn(40, 2)), 8), steps=2
    )
    trainer.run()
    return trainer, adversary


@pytest.mark.parametrize(("critic_steps", "steps"), [(None, 5), (1, 1), (3, 3)])
def test_the_critic_takes_the_requested_number_of_steps(
    critic_steps: int | None, steps: int
) -> None:
    trainer, adversary = trained(
        "wgan-gp", critic_steps, nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    )
    adam: Any = adversary.optimizer
    assert {int(state["step"]) for state in adam.state.values()} == {2 * steps}
    assert f"2 learner steps, {steps} critic steps each" in trainer.describe()


def test_without_a_trainable_critic_no_critic_steps_are_taken() -> None:
    trainer, _ = trained("mmd", 3, nn.Identity())
    assert trainer.critic_steps == 1 and trainer.task.rounds == 2


@pytest.mark.parametrize("steps", [0, -1])
def test_fewer_than_one_critic_step_is_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"^critic_steps: expected .*at least 1, got {steps}; "):
        Adversary(nn.Linear(2, 1), critic_steps=steps)
