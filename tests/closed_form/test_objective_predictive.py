"""Test the predictive objective: normalised densities, and mutual information in closed form."""

import math

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.adversary import Adversary
from advlearn.nets import CategoricalCritic, MixtureDensityCritic
from advlearn.objectives.predictive import Predictive


def trained(critic: nn.Module, pairs: tuple[Tensor, ...], steps: int = 600) -> float:
    """Train on one large set of pairs and return the estimate."""
    head = Adversary(critic, "predictive", lr=0.02)
    for _ in range(steps):
        head.update(pairs, pairs)
    return float(head.objective.divergence_estimate(head.critic_batch(pairs, pairs)).detach())


def channel(flip: float, n: int = 1000) -> tuple[Tensor, Tensor]:
    """Make pairs of a bit and its copy, flipped in an exact proportion of the cases."""
    a = torch.arange(n) % 2
    flipped = (torch.arange(n) // 2) < flip * n / 2
    return torch.where(flipped, 1 - a, a)[:, None].float(), a


@pytest.mark.parametrize("flip", [0.0, 0.1, 0.5])
def test_the_estimate_is_the_information_of_a_binary_channel(flip: float) -> None:
    entropy = 0.0 if flip in (0, 1) else -(flip * math.log(flip) + (1 - flip) * math.log(1 - flip))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = trained(CategoricalCritic(1, 2, hidden=(8,)), channel(flip))
    assert abs(found - (math.log(2) - entropy)) < 0.01


def test_the_estimate_is_the_information_of_two_correlated_normals() -> None:
    n, rho = 4000, 0.8
    draws = torch.randn(2, n, generator=torch.Generator().manual_seed(0))
    h, a = draws[0], rho * draws[0] + math.sqrt(1 - rho**2) * draws[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = trained(MixtureDensityCritic(1, hidden=(16,)), (h[:, None], a[:, None]))
    sampled = float(torch.corrcoef(torch.stack([h, a]))[0, 1])
    assert abs(found + math.log(1 - sampled**2) / 2) < 0.03


def test_both_densities_of_a_mixture_are_normalised() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        critic = MixtureDensityCritic(2, hidden=(8,)).double()
    grid = torch.linspace(-200, 200, 400_001, dtype=torch.float64)
    h = torch.tensor([[0.3, -2.0]], dtype=torch.float64).expand(len(grid), 2)
    with torch.no_grad():
        from advlearn.nets.density_critics import _log_mixture

        for rows in (critic.body(h), critic.marginal.expand(len(grid), -1)):
            mass = torch.trapezoid(_log_mixture(rows, grid).exp(), grid)
            torch.testing.assert_close(mass, torch.ones((), dtype=torch.float64), rtol=1e-6, atol=0)


def test_groups_are_compared_within_a_given_class() -> None:
    # Attribute and class are the same bit: given the class, the features hold no information.
    a = torch.arange(400) % 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = trained(CategoricalCritic(1, 2, classes=2, hidden=(8,)), (a[:, None].float(), a, a))
    assert abs(found) < 0.01


def test_only_the_requested_class_is_scored() -> None:
    critic = CategoricalCritic(1, 2, classes=2, only=1)
    y = torch.tensor([0, 1, 0, 1])
    scores = critic(torch.randn(4, 1), torch.tensor([0, 0, 1, 1]), y)
    assert (scores[y == 0] == 0).all()
    assert (scores[y == 1] != 0).all()


def test_generator_loss_is_the_negated_critic_loss() -> None:
    s = torch.tensor([0.5, -1.0])
    assert torch.equal(Predictive().generator_loss(s), -Predictive().fake_loss(s))
