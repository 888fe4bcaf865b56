"""Hand-written training loops that the Trainer is timed against, eager or as one CUDA graph."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

LATENT = 64
Draw = Callable[[], Tensor]
Step = Callable[[], None]


class Optimizers:
    """Hold fused Adam for both networks, and move one of them at a time."""

    def __init__(self, g: nn.Module, d: nn.Module, lr: float, betas: tuple[float, float]) -> None:
        settings: dict[str, Any] = {"lr": lr, "betas": betas, "fused": True}
        settings["capturable"] = next(g.parameters()).is_cuda
        self.g = torch.optim.Adam(g.parameters(), **settings)
        self.d = torch.optim.Adam(d.parameters(), **settings)
        self.critic = list(d.parameters())

    def move_critic(self, loss: Tensor) -> None:
        """Make a step of the critic."""
        self.d.zero_grad(set_to_none=True)
        loss.backward()
        self.d.step()

    def move_generator(self, loss_of: Callable[[], Tensor]) -> None:
        """Make a step of the generator, with the critic held fixed."""
        self.g.zero_grad(set_to_none=True)
        for p in self.critic:
            p.requires_grad_(False)
        loss_of().backward()
        for p in self.critic:
            p.requires_grad_(True)
        self.g.step()


def noise(n: int, like: Tensor) -> Tensor:
    """Draw latent variables, (n, LATENT)."""
    return torch.randn(n, LATENT, device=like.device)


def wgan_gp(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return a step of WGAN-GP: five critic steps, and a generator step on the last fakes."""
    move = Optimizers(g, d, 1e-4, (0.0, 0.9))

    def critic_step(real: Tensor, fake: Tensor) -> None:
        n = len(real)
        scores = d(torch.cat([real, fake]))
        u = torch.rand(n, *[1] * (real.ndim - 1), device=real.device)
        x = torch.lerp(fake, real, u.expand_as(real)).requires_grad_()
        (gradient,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
        penalty = 10 * (gradient.flatten(1).square().sum(1).sqrt() - 1).square().mean()
        move.move_critic(scores[n:].mean() - scores[:n].mean() + penalty)

    def step() -> None:
        for _ in range(4):
            real = draw()
            with torch.no_grad():
                fake = g(noise(len(real), real))
            critic_step(real, fake)
        real = draw()
        fake = g(noise(len(real), real))
        critic_step(real, fake.detach())
        move.move_generator(lambda: -d(fake).mean())

    return step


def nsgan(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return DCGAN's step as in its reference script, with real and fake scored in one batch."""
    move = Optimizers(g, d, 2e-4, (0.5, 0.999))

    def step() -> None:
        real = draw()
        n = len(real)
        fake = g(noise(n, real))
        scores = d(torch.cat([real, fake.detach()]))
        move.move_critic(softplus(-scores[:n]).mean() + softplus(scores[n:]).mean())
        move.move_generator(lambda: softplus(-d(fake)).mean())

    return step


def r3gan(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return a step of R3GAN's loss: paired scores, with R1 and R2 from one input gradient."""
    move = Optimizers(g, d, 2e-4, (0.0, 0.99))

    def step() -> None:
        real = draw()
        n = len(real)
        fake = g(noise(n, real))
        both = torch.cat([real, fake.detach()]).requires_grad_()
        scores = d(both).flatten()
        (gradient,) = torch.autograd.grad(scores.sum(), both, create_graph=True)
        squares = gradient.flatten(1).square().sum(1)
        penalty = 0.5 * (squares[:n].mean() + squares[n:].mean())
        move.move_critic(softplus(scores[n:] - scores[:n]).mean() + penalty)
        with torch.no_grad():
            real_scores = d(real).flatten()
        move.move_generator(lambda: softplus(real_scores - d(fake).flatten()).mean())

    return step


def captured(step: Step) -> Step:
    """Return the replay of a step as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(5):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
