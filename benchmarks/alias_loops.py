"""Hand-written steps of the other names of objectives whose critic returns one score a sample."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import count_loops
import torch
from count_loops import ADAM
from gpu_loops import Draw, Optimizers, Step, noise
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

Loss = Callable[[Tensor], Tensor]
Build = Callable[[nn.Module, nn.Module, Draw], Step]


@dataclass
class Pointwise:
    """Build steps of losses of one score, with real and fake samples scored in one batch.

    Args:
        real: The critic's loss of a real sample's score.
        fake: That of a fake sample's score.
        generator: The generator's loss of a fake sample's score.
        critic_steps: Steps of the critic; the last is on the fake samples of the generator's step.
        adam: Rate and betas.
    """

    real: Loss
    fake: Loss
    generator: Loss
    critic_steps: int = 1
    adam: tuple[float, tuple[float, float]] = ADAM

    def __call__(self, g: nn.Module, d: nn.Module, draw: Draw) -> Step:
        """Return a step."""
        return self.step(g, d, draw, Optimizers(g, d, *self.adam))

    def step(self, g: nn.Module, d: nn.Module, draw: Draw, move: Optimizers) -> Step:
        """Return a step with given optimizers."""

        def critic_step(real: Tensor, fake: Tensor) -> None:
            n = len(real)
            scores = d(torch.cat([real, fake]))
            move.move_critic(self.real(scores[:n]).mean() + self.fake(scores[n:]).mean())

        def step() -> None:
            for _ in range(self.critic_steps - 1):
                real = draw()
                with torch.no_grad():
                    fake = g(noise(len(real), real))
                critic_step(real, fake)
            real = draw()
            fake = g(noise(len(real), real))
            critic_step(real, fake.detach())
            move.move_generator(lambda: self.generator(d(fake)).mean())

        return step


class Clipping(Optimizers):
    """Hold RMSprop for both networks, and clip the critic's weights after its steps."""

    def __init__(self, g: nn.Module, d: nn.Module) -> None:
        self.g = torch.optim.RMSprop(g.parameters(), lr=5e-5)
        self.d = torch.optim.RMSprop(d.parameters(), lr=5e-5)
        self.critic = list(d.parameters())

    def move_critic(self, loss: Tensor) -> None:
        """Make a step of the critic."""
        super().move_critic(loss)
        with torch.no_grad():
            torch._foreach_clamp_min_(self.critic, -0.01)
            torch._foreach_clamp_max_(self.critic, 0.01)


def wgan(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return a step of WGAN with clipped weights."""
    losses = Pointwise(lambda s: -s, lambda s: s, lambda s: -s, critic_steps=5)
    return losses.step(g, d, draw, Clipping(g, d))


def pairing(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return a step of the relativistic pairing loss."""
    move = Optimizers(g, d, *ADAM)

    def step() -> None:
        real = draw()
        n = len(real)
        fake = g(noise(n, real))
        scores = d(torch.cat([real, fake.detach()]))
        move.move_critic(softplus(scores[n:] - scores[:n]).mean())
        with torch.no_grad():
            real_scores = d(real)
        move.move_generator(lambda: softplus(real_scores - d(fake)).mean())

    return step


def average(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return a step of the relativistic average loss."""
    move = Optimizers(g, d, *ADAM)

    def losses(better: Tensor, worse: Tensor) -> Tensor:
        first = softplus(-(better - worse.mean())).mean()
        return first + softplus(worse - better.mean()).mean()

    def step() -> None:
        real = draw()
        n = len(real)
        fake = g(noise(n, real))
        scores = d(torch.cat([real, fake.detach()]))
        move.move_critic(losses(scores[:n], scores[n:]))
        with torch.no_grad():
            real_scores = d(real)
        move.move_generator(lambda: losses(d(fake), real_scores))

    return step


def energy_model(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return a step of the energy model with R1 from the loss's pass."""
    move = Optimizers(g, d, 1e-4, (0.5, 0.9))
    sigma = 0.2

    def entropy(x: Tensor) -> Tensor:
        x = x.flatten(1)
        m, size = x.shape
        squares = x.square().sum(1)
        distances = (squares[:, None] + squares - 2 * x @ x.T).clamp(min=0)
        overlaps = -math.log(m) - distances / (8 * sigma**2)
        constant = size / 2 * math.log(2 * math.pi * math.e * sigma**2)
        return constant - overlaps.logsumexp(1).mean()

    def step() -> None:
        real = draw().requires_grad_()
        n = len(real)
        fake = g(noise(n, real))
        scores = d(torch.cat([real, fake.detach()]))
        loss = (
            scores[n:].mean()
            - scores[:n].mean()
            + 0.05 * (scores[:n].square().mean() + scores[n:].square().mean())
        )
        (gradient,) = torch.autograd.grad(scores[:n].sum(), real, create_graph=True)
        move.move_critic(loss + 0.1 * gradient.flatten(1).square().sum(1).mean())
        move.move_generator(lambda: -d(fake).mean() - entropy(fake))

    return step


hinge = Pointwise(lambda s: relu(1 - s), lambda s: relu(1 + s), lambda s: -s)
kl = Pointwise(lambda s: -s, lambda s: (s - 1).exp(), lambda s: -s)
# Name to its hand-written step. Only `vdb` is missing, whose critic is also a stochastic encoder.
ALIASES_BY_HAND: dict[str, Build] = {
    "gan": Pointwise(lambda s: softplus(-s), softplus, lambda s: -softplus(s)),
    "lsgan": Pointwise(
        lambda s: (s - 1).square() / 2, lambda s: s.square() / 2, lambda s: (s - 1).square() / 2
    ),
    "geometric-gan": count_loops.hinge,
    "hinge2": Pointwise(hinge.real, hinge.fake, hinge.real),
    "sngan": Pointwise(hinge.real, hinge.fake, hinge.generator, 5, (2e-4, (0.0, 0.9))),
    "f-gan": kl,
    "f-gan-kl": kl,
    "f-gan-reverse-kl": Pointwise(lambda s: (-s).exp(), lambda s: s - 1, lambda s: (-s).exp()),
    "f-gan-pearson": Pointwise(lambda s: -s, lambda s: s.square() / 4 + s, lambda s: -s),
    "f-gan-hellinger": Pointwise(
        lambda s: (-s).expm1(), lambda s: s.expm1(), lambda s: (-s).expm1()
    ),
    "f-gan-js": Pointwise(
        lambda s: softplus(-s) - math.log(2),
        lambda s: softplus(s) - math.log(2),
        lambda s: softplus(-s) - math.log(2),
    ),
    "f-gan-tv": Pointwise(lambda s: -s.tanh() / 2, lambda s: s.tanh() / 2, lambda s: -s.tanh() / 2),
    "wgan": wgan,
    "ragan": average,
    "rpgan": pairing,
    "relativistic": pairing,
    "ebm": energy_model,
}
