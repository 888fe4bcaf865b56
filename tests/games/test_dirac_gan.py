"""Test the rules of games on the Dirac GAN, on which alternating gradient steps do not converge."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.game import Game
from advlearn.games import Extragradient, Lookahead, Optimistic

STEPS = 600
REAL = torch.zeros(1, 1)
RULES: dict[str, Callable[..., Game]] = {
    "extragradient": Extragradient,
    "optimistic": Optimistic,
    "lookahead": Lookahead,
}
# The learning rate of all rules; the gradient of nsgan at the equilibrium is half that of wgan.
LR = {"wasserstein": 0.2, "nsgan": 0.4}


class Dirac:
    """A critic psi * x and a generator theta of one point, both at 1; the data are one point at 0.

    Args:
        objective: The objective, without a regularizer.
        lr: Learning rate of both.
    """

    def __init__(self, objective: str, lr: float) -> None:
        self.psi = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.psi.weight)
        self.adversary = Adversary(
            self.psi, objective, optimizer=lambda p: torch.optim.SGD(p, lr=lr)
        )
        self.theta = nn.Parameter(torch.ones(1, 1))
        self.optimizer = torch.optim.SGD([self.theta], lr=lr)

    @property
    def weights(self) -> Tensor:
        return torch.cat([self.theta.detach(), self.psi.weight.detach()]).flatten()

    def alternate(self) -> None:
        self.adversary.update(REAL, self.theta)
        self.adversary.player_loss(REAL, self.theta).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def gradients(self) -> None:
        self.adversary.critic_loss(REAL, self.theta).backward()
        self.adversary.player_loss(REAL, self.theta).backward()


def alternating(objective: str) -> list[float]:
    """Return the last 100 distances of alternating gradient steps from the equilibrium."""
    dirac = Dirac(objective, LR[objective])
    far = list[float]()
    for _ in range(STEPS):
        dirac.alternate()
        far.append(float(dirac.weights.norm()))
    return far[-100:]


def test_alternating_steps_of_wgan_stay_on_their_orbit() -> None:
    """The orbit is the ellipse theta^2 + psi^2 - lr theta psi = const through (1, 1)."""
    far = alternating("wasserstein")
    assert max(far) == pytest.approx(2**0.5, rel=1e-3)
    # Its short half axis: (2 - lr) / (1 + lr / 2), square root.
    assert min(far) == pytest.approx(((2 - 0.2) / (1 + 0.2 / 2)) ** 0.5, rel=1e-3)


def test_alternating_steps_of_nsgan_remain_far_from_the_equilibrium() -> None:
    """Its linear part turns without shrinking; higher orders shrink it as one over root t."""
    assert min(alternating("nsgan")) > 0.1


@pytest.mark.parametrize("objective", LR)
@pytest.mark.parametrize("rule", RULES)
def test_each_rule_reaches_the_equilibrium(rule: str, objective: str) -> None:
    dirac = Dirac(objective, LR[objective])
    game = RULES[rule](dirac.adversary, dirac.optimizer)
    assert float(dirac.weights.norm()) == pytest.approx(2**0.5)
    for _ in range(STEPS):
        dirac.gradients()
        game.step()
    assert float(dirac.weights.norm()) < 5e-3


@pytest.mark.parametrize("rule", RULES)
def test_gradient_reversal_gives_the_same_path(rule: str) -> None:
    """The Wasserstein game is zero-sum, so one backward pass has the gradients of two."""
    pair = [Dirac("wasserstein", 0.2) for _ in range(2)]
    games = [RULES[rule](dirac.adversary, dirac.optimizer) for dirac in pair]
    for _ in range(12):
        pair[0].gradients()
        pair[1].adversary.reversed_loss(REAL, pair[1].theta).backward()
        for game in games:
            game.step()
        torch.testing.assert_close(pair[0].weights, pair[1].weights)
