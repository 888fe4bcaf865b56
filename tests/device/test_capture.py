"""Test on a CPU that training steps can be captured as CUDA graphs."""

from typing import Any

import pytest
import torch

from advlearn import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.trainer import Trainer
from advlearn.critics.build import build
from advlearn.data import batches
from advlearn.testing import check_capturable
from advlearn.train_task import playable
from tests.conformance.test_games import built
from tests.device.test_games import CROSSED

# Steps that a graph cannot hold, with the reason that the check must give.
REFUSED = {"assignment": "Tensor.cpu copies to the host"}


def trainer(objective: str, form: str, **settings: Any) -> Trainer:
    """Return a trainer of a task on its test data, as `fit` builds it."""
    task, data = built(form)
    chain = playable(task, resolve(objective))
    critics = build(task, chain, None)
    adversaries = {name: Adversary(critic, chain, lr=1e-3) for name, critic in critics.items()}
    return Trainer(task, adversaries, batches(data, 8), steps=100, **settings)


@pytest.mark.parametrize(("objective", "form"), CROSSED)
def test_steps_of_every_game_can_be_captured(objective: str, form: str) -> None:
    torch.manual_seed(0)
    reason = REFUSED.get(objective)
    if reason is None:
        check_capturable(trainer(objective, form))
        return
    with pytest.raises(AssertionError, match=reason):
        check_capturable(trainer(objective, form))
