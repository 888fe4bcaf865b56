import math

import pytest
import torch

from advlearn.objectives.boundary_equilibrium import BoundaryEquilibrium
from tests.closed_form.objective_cases import critic_batch

REAL, FAKE = -torch.tensor([2.0, 4.0]), -torch.tensor([0.5, 1.5, 1.0])  # mean energies 3 and 1


def test_k_by_hand() -> None:
    objective = BoundaryEquilibrium(gamma=0.5, k_lr=0.1)
    batch = critic_batch(REAL, FAKE)
    for step in (1, 2, 3):
        before = objective.k.clone()
        torch.testing.assert_close(objective.critic_loss(batch), 3 - before * 1)
        objective.update_state()
        torch.testing.assert_close(objective.k, torch.tensor(step * 0.1 * (0.5 * 3 - 1)))


def test_k_stays_between_zero_and_one() -> None:
    for batch, end in ((critic_batch(REAL, FAKE), 1.0), (critic_batch(FAKE, REAL), 0.0)):
        objective = BoundaryEquilibrium(k_lr=10.0)
        objective.critic_loss(batch)
        objective.update_state()
        assert objective.k == end


def test_k_does_not_change_at_the_balance_of_gamma() -> None:
    objective = BoundaryEquilibrium(gamma=1 / 3, k_lr=1.0)
    objective.k.fill_(0.25)
    objective.critic_loss(critic_batch(REAL, FAKE))
    objective.update_state()
    torch.testing.assert_close(objective.k, torch.tensor(0.25))


def test_generator_loss_and_convergence_measure_by_hand() -> None:
    objective, batch = BoundaryEquilibrium(gamma=0.5), critic_batch(REAL, FAKE)
    torch.testing.assert_close(objective.player_loss(critic_batch(None, FAKE)), torch.tensor(1.0))
    torch.testing.assert_close(objective.player_loss(batch), torch.tensor(1.0 - 3.0))
    torch.testing.assert_close(objective.convergence_measure(batch), torch.tensor(3 + 0.5))
    assert math.isnan(objective.loss_at_chance)


def test_a_checkpoint_has_only_k() -> None:
    objective = BoundaryEquilibrium()
    objective.critic_loss(critic_batch(REAL, FAKE))
    objective.update_state()
    state = objective.state_dict()
    assert list(state) == ["k"]
    other = BoundaryEquilibrium()
    other.load_state_dict(state)
    assert other.k == objective.k == pytest.approx(1e-3 * 0.5)
