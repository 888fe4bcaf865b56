"""Test how the learner's loss scores the two sides, and which of them it moves."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary

WEIGHT = torch.tensor([0.5, -1.0, 2.0])


class Recorded(nn.Module):
    """A linear critic that notes how many samples it scores, and whether with a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(WEIGHT.clone())
        self.calls: list[tuple[int, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append((len(x), torch.is_grad_enabled()))
        return x @ self.weight


def sides(real_moves: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(4, 3, generator=generator) for _ in range(2))
    return real.requires_grad_(real_moves), fake.requires_grad_()


@pytest.mark.parametrize("objective", ["rpgan", "ragan", "rpgan + r1 + r2"])
def test_real_samples_that_do_not_move_are_scored_without_a_gradient(objective: str) -> None:
    critic = Recorded()
    adversary = Adversary(critic, objective)
    adversary.player_loss(*sides(False)).backward()
    critic.calls.clear()
    real, fake = sides(False)
    adversary.player_loss(real, fake).backward()
    assert critic.calls == [(4, False), (4, True)]
    scores = (real @ WEIGHT, fake.detach() @ WEIGHT)
    if objective.startswith("rpgan"):
        slope = torch.sigmoid(scores[0] - scores[1])[:, None] / 4
        torch.testing.assert_close(fake.grad, -slope * WEIGHT)


def test_a_loss_that_compares_pairs_moves_both_sides_by_the_same_slopes() -> None:
    real, fake = sides(True)
    Adversary(Recorded(), "rpgan").player_loss(real, fake).backward()
    slope = torch.sigmoid(real.detach() @ WEIGHT - fake.detach() @ WEIGHT)[:, None] / 4
    torch.testing.assert_close(real.grad, slope * WEIGHT)
    torch.testing.assert_close(fake.grad, -slope * WEIGHT)


def test_a_distance_of_sets_moves_both_sides_as_the_distance_does() -> None:
    real, fake = sides(True)
    loss = Adversary(nn.Flatten(), "energy_distance").player_loss(real, fake)
    loss.backward()
    grads: list[Any] = [real.grad, fake.grad]
    real, fake = sides(True)

    def distances(a: Tensor, b: Tensor) -> Tensor:
        return torch.cdist(a, b)

    n = 4
    own = sum(distances(z, z).sum() / (n * (n - 1)) for z in (real, fake))
    expected = 2 * distances(real, fake).mean() - own
    for grad, other in zip(grads, torch.autograd.grad(expected, (real, fake)), strict=True):
        ratio = grad / other
        torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-3, atol=1e-4)
