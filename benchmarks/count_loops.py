"""Hand-written steps of further objectives, and all of them by name."""

from collections.abc import Callable

import torch
from gpu_loops import Draw, Optimizers, Step, noise, nsgan, r3gan, wgan_gp
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

ADAM = 2e-4, (0.5, 0.999)


def gap(d: nn.Module, x: Tensor) -> Tensor:
    """Return the gradient penalty of weight 10 at points, from a further pass of the critic."""
    x = x.requires_grad_()
    (gradient,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
    return 10 * (gradient.flatten(1).square().sum(1).sqrt() - 1).square().mean()


def hinge(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return a step with the hinge loss, with real and fake samples scored in one batch."""
    move = Optimizers(g, d, *ADAM)

    def step() -> None:
        real = draw()
        n = len(real)
        fake = g(noise(n, real))
        scores = d(torch.cat([real, fake.detach()]))
        move.move_critic(relu(1 - scores[:n]).mean() + relu(1 + scores[n:]).mean())
        move.move_generator(lambda: -d(fake).mean())

    return step


def dragan(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return a step of DRAGAN, with its penalty near the real samples."""
    move = Optimizers(g, d, *ADAM)

    def step() -> None:
        real = draw()
        n = len(real)
        fake = g(noise(n, real))
        scores = d(torch.cat([real, fake.detach()]))
        loss = softplus(-scores[:n]).mean() + softplus(scores[n:]).mean()
        spread = real.std(correction=0)
        penalty = gap(d, real + 0.5 * spread * torch.rand_like(real))
        move.move_critic(loss + penalty)
        move.move_generator(lambda: softplus(-d(fake)).mean())

    return step


def hinge_two_penalties(g: nn.Module, d: nn.Module, draw: Draw) -> Step:
    """Return a step of the hinge loss with R1, from the loss's pass, and a gradient penalty."""
    move = Optimizers(g, d, *ADAM)

    def step() -> None:
        real = draw()
        n = len(real)
        fake = g(noise(n, real))
        real = real.detach().requires_grad_()
        scores = d(torch.cat([real, fake.detach()]))
        loss = relu(1 - scores[:n]).mean() + relu(1 + scores[n:]).mean()
        (gradient,) = torch.autograd.grad(scores[:n].sum(), real, create_graph=True)
        r1 = 0.5 * gradient.flatten(1).square().sum(1).mean()
        u = torch.rand(n).view(-1, *[1] * (real.ndim - 1))
        between = torch.lerp(fake.detach(), real.detach(), u.expand_as(real))
        move.move_critic(loss + r1 + gap(d, between))
        move.move_generator(lambda: -d(fake).mean())

    return step


# Objective to its hand-written step.
BY_HAND: dict[str, Callable[[nn.Module, nn.Module, Draw], Step]] = {
    "nsgan": nsgan,
    "hinge": hinge,
    "hinge + spectral_norm": hinge,
    "wgan-gp": wgan_gp,
    "r3gan": r3gan,
    "dragan": dragan,
    "hinge + r1 + gradient_penalty": hinge_two_penalties,
}
