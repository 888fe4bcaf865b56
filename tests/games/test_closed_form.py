"""Test the rules of games on a bilinear game and with Adam, against recursions written by hand."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.game import Game
from advlearn.games import Extragradient, Lookahead, Optimistic

A = torch.tensor([[1.0, 0.5], [-0.3, 2.0]], dtype=torch.float64)
START = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
LR, STEPS = 0.1, 12


def field(z: Tensor) -> Tensor:
    """Return the gradients of min over x and max over y of x' A y, at z = (x, y)."""
    x, y = z.split(2)
    return torch.cat([A @ y, -A.T @ x])


class Bilinear:
    """Two parameters, with one optimizer each, in a bilinear game.

    Args:
        make: Builds an optimizer of one parameter.
        rule: Builds the game from the optimizers.
    """

    def __init__(
        self, make: Callable[[list[nn.Parameter]], torch.optim.Optimizer], rule: Callable[..., Game]
    ) -> None:
        self.sides = [nn.Parameter(part.clone()) for part in START.split(2)]
        self.optimizers = [make([side]) for side in self.sides]
        self.game = rule(*self.optimizers)

    @property
    def z(self) -> Tensor:
        return torch.cat([side.detach() for side in self.sides])

    def gradients(self) -> None:
        for side, gradient in zip(self.sides, field(self.z).split(2), strict=True):
            side.grad = gradient

    def run(self, steps: int) -> list[Tensor]:
        """Return the weights after each of some calls of `step`."""
        path = list[Tensor]()
        for _ in range(steps):
            self.gradients()
            self.game.step()
            path.append(self.z)
        return path


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=LR)


def adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=LR, betas=(0.5, 0.9), eps=1e-8)


class HandAdam:
    """The update of Adam for all weights, with bias correction."""

    def __init__(self) -> None:
        self.m, self.v, self.t = torch.zeros(4).double(), torch.zeros(4).double(), 0

    def __call__(self, gradient: Tensor) -> Tensor:
        self.t += 1
        self.m = 0.5 * self.m + 0.5 * gradient
        self.v = 0.9 * self.v + 0.1 * gradient**2
        return -LR * (self.m / (1 - 0.5**self.t)) / ((self.v / (1 - 0.9**self.t)).sqrt() + 1e-8)


def close(path: list[Tensor], expected: list[Tensor]) -> None:
    torch.testing.assert_close(torch.stack(path), torch.stack(expected), rtol=1e-12, atol=1e-13)


def test_extragradient_steps_with_the_gradient_at_the_extrapolated_point() -> None:
    z, expected = START, list[Tensor]()
    for _ in range(STEPS):
        middle = z - LR * field(z)
        z = z - LR * field(middle)
        expected += [middle, z]
    close(Bilinear(sgd, Extragradient).run(2 * STEPS), expected)


def test_optimistic_takes_twice_the_gradient_less_the_previous_one() -> None:
    z, previous, expected = START, torch.zeros(4).double(), list[Tensor]()
    for _ in range(STEPS):
        now = field(z)
        z, previous = z - 2 * LR * now + LR * previous, now
        expected.append(z)
    close(Bilinear(sgd, Optimistic).run(STEPS), expected)


def test_optimistic_is_extrapolation_from_the_past() -> None:
    """The extrapolated weights of Gidel et al. are the weights of the optimistic rule."""
    base, old, path = START, torch.zeros(4).double(), list[Tensor]()
    for _ in range(STEPS):
        middle = base - LR * old
        old = field(middle)
        base = base - LR * old
        path.append(base - LR * old)
    close(Bilinear(sgd, Optimistic).run(STEPS), path)


@pytest.mark.parametrize(("k", "alpha"), [(1, 0.5), (3, 0.5), (5, 0.8), (4, 1.0)])
def test_lookahead_averages_all_sides_after_k_steps(k: int, alpha: float) -> None:
    z, slow, expected = START, START, list[Tensor]()
    for t in range(1, STEPS + 1):
        z = z - LR * field(z)
        if t % k == 0:
            slow = slow + alpha * (z - slow)
            z = slow
        expected.append(z)
    close(Bilinear(sgd, lambda *s: Lookahead(*s, k=k, alpha=alpha)).run(STEPS), expected)


def test_extragradient_with_adam_is_extra_adam() -> None:
    """The moments are updated at both steps: algorithm 4 of Gidel et al."""
    z, update, expected = START, HandAdam(), list[Tensor]()
    for _ in range(STEPS):
        middle = z + update(field(z))
        z = z + update(field(middle))
        expected += [middle, z]
    close(Bilinear(adam, Extragradient).run(2 * STEPS), expected)


def test_optimistic_with_adam_is_optimistic_adam() -> None:
    """Algorithm 1 of Daskalakis et al.: 2 m / sqrt(v) of this step, less that of the last."""
    z, previous, update, expected = START, torch.zeros(4).double(), HandAdam(), list[Tensor]()
    for _ in range(STEPS):
        now = update(field(z))
        z, previous = z + 2 * now - previous, now
        expected.append(z)
    close(Bilinear(adam, Optimistic).run(STEPS), expected)


def test_momentum_and_weight_decay_are_part_of_the_update() -> None:
    z, previous, velocity = START, torch.zeros(4).double(), torch.zeros(4).double()
    expected = list[Tensor]()
    for _ in range(STEPS):
        velocity = 0.5 * velocity + field(z) + 0.1 * z
        z, previous = z - 2 * LR * velocity + LR * previous, velocity
        expected.append(z)
    game = Bilinear(lambda p: torch.optim.SGD(p, lr=LR, momentum=0.5, weight_decay=0.1), Optimistic)
    close(game.run(STEPS), expected)


def test_steps_of_one_side_follow_the_rule() -> None:
    """One more step of the second side before each joint step: critic_steps of two."""

    def second(z: Tensor) -> Tensor:
        return torch.cat([torch.zeros(2).double(), field(z)[2:]])

    def joint(game: Bilinear, rounds: int) -> list[Tensor]:
        path = list[Tensor]()
        for _ in range(rounds):
            for sides in ([game.optimizers[1]], game.optimizers):
                for _ in range(game.game.passes):
                    game.gradients()
                    if len(sides) == 1:
                        game.sides[0].grad = None
                    game.game.step(*sides)
            path.append(game.z)
        return path

    z, expected = START, list[Tensor]()
    for _ in range(6):
        z = z - LR * second(z - LR * second(z))
        z = z - LR * field(z - LR * field(z))
        expected.append(z)
    close(joint(Bilinear(sgd, Extragradient), 6), expected)

    z = slow = START
    expected = []
    for t in range(1, 7):
        z = z - LR * second(z)
        z = z - LR * field(z)
        if t % 2 == 0:
            z = slow = slow + 0.5 * (z - slow)
        expected.append(z)
    close(joint(Bilinear(sgd, lambda *s: Lookahead(*s, k=2)), 6), expected)

    z, old, expected = START, torch.zeros(4).double(), []
    for _ in range(6):
        now = torch.cat([old[:2], second(z)[2:]])
        z = z - LR * torch.cat([torch.zeros(2).double(), (2 * now - old)[2:]])
        old, now = now, field(z)
        z, old = z - LR * (2 * now - old), now
        expected.append(z)
    close(joint(Bilinear(sgd, Optimistic), 6), expected)


@pytest.mark.parametrize("rule", [Extragradient, Optimistic, lambda *s: Lookahead(*s, k=3)])
def test_the_distance_shrinks_where_plain_gradients_spiral_outwards(
    rule: Callable[..., Game],
) -> None:
    far = [float(z.norm()) for z in Bilinear(sgd, lambda *s: Game(*s)).run(60)]
    near = [float(z.norm()) for z in Bilinear(sgd, rule).run(60)][::6]
    assert all(b > a for a, b in pairwise(far))
    assert near[-1] < 0.9 * near[0]


def test_a_parameter_that_joins_later_follows_the_rule() -> None:
    game = Bilinear(sgd, Extragradient)
    game.run(2)
    late = nn.Parameter(torch.ones(1).double())
    game.optimizers[0].add_param_group({"params": [late]})
    for _ in range(2):
        late.grad = late.detach().clone()
        game.game.step()
    # x - lr (x - lr x)
    assert late.item() == pytest.approx(1 - LR * (1 - LR), abs=1e-14)
