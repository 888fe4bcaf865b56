"""The Dirac-GAN: one weight each, on a plane where orbits and their cures can be drawn."""

import math
from typing import Any, final

import torch
from torch import Tensor, nn

from advlearn.core.adversary import Adversary
from advlearn.core.game import game_factory
from advlearn.core.grammar import resolve
from advlearn.lab.experiments.base import Experiment, Frame, Side, lattice
from advlearn.lab.packing import pack

BOUND, CELLS, TRAIL = 1.8, 13, 600
PAUSE = 0.004
"""Seconds of a slice for each step: all steps of a slice are drawn as one movement."""


@final
class Dirac(Experiment):
    """Train a generator theta and a critic psi x, both of one weight; the data are one point at 0.

    Reference: Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018,
    section 2.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self.psi, self.theta = _weight(), _weight()
        lr = settings["lr"]
        self.adversary = Adversary(
            self.psi,
            resolve(settings["objective"]),
            optimizer=lambda p: torch.optim.SGD(p, lr=lr),
        )
        self.optimizer = torch.optim.SGD(self.theta.parameters(), lr=lr)
        rule = settings["game"]
        self.game = game_factory(rule)(self.adversary, self.optimizer) if rule else None
        self._step = 0
        self.trail = [self._weights()]
        self._field = self._vectors()

    @property
    def step(self) -> int:
        return self._step

    def train(self, seconds: float, steps: int) -> None:
        count = steps if math.isinf(seconds) else min(steps, max(1, int(seconds / PAUSE)))
        with self.random.used():
            for _ in range(count):
                self._both()

    def move(self, side: Side) -> None:
        if side == "both":
            super().move(side)
            return
        with self.random.used():
            self._one(side)
            self._note()

    def _both(self) -> None:
        self._step += 1
        if self.game is None:
            self._one("critic")
            self._one("generator")
        else:
            for _ in range(self.game.passes):
                self._gradients()
                self.game.step()
        self._note()

    def _one(self, side: str) -> None:
        if side == "critic":
            self.adversary.update(*self._sides())
            return
        self.optimizer.zero_grad()
        self.adversary.player_loss(*self._sides()).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _sides(self) -> tuple[Tensor, Tensor]:
        # Two copies of each point, since a verdict and some losses need a pair.
        return torch.zeros(2, 1), self.theta(torch.ones(2, 1))

    def _gradients(self) -> None:
        self.adversary.critic_loss(*self._sides()).backward()
        self.adversary.player_loss(*self._sides()).backward()

    def _note(self) -> None:
        self.trail = [*self.trail, self._weights()][-TRAIL:]

    def _weights(self) -> list[float]:
        return [self.theta.weight.item(), self.psi.weight.item()]

    def _vectors(self) -> Tensor:
        """Return the step of gradient descent at each point of a lattice, longest 1."""
        points = lattice(CELLS, BOUND)
        saved = self._weights()
        arrows = list[list[float]]()
        for theta, psi in points.tolist():
            self._set(theta, psi)
            self._gradients()
            arrows.append([-_gradient(self.theta), -_gradient(self.psi)])
            self.optimizer.zero_grad()
            self.psi.zero_grad()
        self._set(*saved)
        field = torch.tensor(arrows)
        return field / field.norm(dim=1).max().clamp(min=1e-12)

    @torch.no_grad()
    def _set(self, theta: float, psi: float) -> None:
        self.theta.weight.fill_(theta)
        self.psi.weight.fill_(psi)

    def scene(self) -> Frame:
        rule = self.settings["game"] or "steps in turn"
        return {
            "bound": BOUND,
            "points": pack(lattice(CELLS, BOUND)),
            "arrows": pack(self._field),
            "chain": f"{self.adversary.chain!r}, {rule}",
        }

    def drawing(self) -> Frame:
        return {"trail": pack(torch.tensor(self.trail).clamp(-2 * BOUND, 2 * BOUND))}

    def figures(self) -> dict[str, float]:
        theta, psi = self._weights()
        return {"theta": theta, "psi": psi, "distance": math.hypot(theta, psi)}

    def verdict(self) -> str:
        far = [math.hypot(*point) for point in self.trail]
        if not math.isfinite(far[-1]) or far[-1] > 2 * BOUND:
            return "diverged: the weights left the plane"
        if far[-1] < 0.02:
            return "converged: both weights are at the equilibrium"
        if len(far) >= 200 and min(far[-100:]) > 0.9 * min(far[:100]):
            return f"circling: the distance from the equilibrium is still {far[-1]:.2f}"
        return f"moving: the distance from the equilibrium is {far[-1]:.2f}"


def _weight() -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    return layer


def _gradient(layer: nn.Linear) -> float:
    return 0.0 if layer.weight.grad is None else layer.weight.grad.item()


EXPERIMENT = Dirac
