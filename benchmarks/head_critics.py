"""Hand-written critic steps of losses and of loops, each with the same step of `Adversary`."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from head_loops import Loop, Pair, UNet, convolutions, head, optimizer_of
from torch import Tensor, nn
from torch.nn.functional import relu, softplus
from torch.nn.utils.parametrizations import spectral_norm

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def critic_steps(
    base: nn.Module, objective: str, loss: Loss, sides: tuple[Tensor, Tensor], **weights: Any
) -> Pair:
    """Return a critic step of a hand-written loss, and the same step through `update`."""

    def by_hand() -> Loop:
        d = copy.deepcopy(base)
        optimizer = optimizer_of(d)

        def step() -> list[Tensor]:
            optimizer.zero_grad()
            value = loss(d, *sides)
            value.backward()
            optimizer.step()
            return [value]

        return Loop(step, [optimizer])

    def library() -> Loop:
        adversary, own = head(copy.deepcopy(base), objective)
        return Loop(lambda: [adversary.update(*sides, **weights)], own)

    return by_hand(), library()


def images(quick: bool, dtype: torch.dtype, n: int, size: int = 32) -> tuple[Tensor, Tensor]:
    """Return real and fake images that differ, so that their gradients do not cancel."""
    n, size = (4, 8) if quick else (n, size)
    real, fake = (torch.randn(n, 3, size, size, dtype=dtype) for _ in range(2))
    return (real + 1).tanh(), fake


def classifier(quick: bool, dtype: torch.dtype, width: int = 48) -> nn.Module:
    """Return a critic with one logit for each image."""
    width = 4 if quick else width
    places = 1 if quick else 16
    layers = [*convolutions([3, width, 2 * width, 4 * width])[:-1], nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * width * places, 1)).to(dtype)


def r3gan(quick: bool, dtype: torch.dtype) -> Pair:
    """R3GAN's critic step: relativistic pairs, R1 and R2 on the graph of the scores."""

    def loss(d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
        of_real, of_fake = d(real), d(fake)
        penalties = [
            torch.autograd.grad(scores.sum(), x, create_graph=True)[0].square().sum((1, 2, 3))
            for scores, x in ((of_real, real), (of_fake, fake))
        ]
        pairs = softplus((of_fake - of_real)[:, 0])
        return (pairs + 0.5 * (penalties[0] + penalties[1])).mean()

    return critic_steps(
        classifier(quick, dtype), "r3gan(weight=1.0)", loss, images(quick, dtype, 16)
    )


def wgan_gp(quick: bool, dtype: torch.dtype) -> Pair:
    """WGAN-GP's critic step, with the penalty at random points between the sides."""

    def loss(d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        difference = d(fake).mean() - d(real).mean()
        u = torch.rand(len(real), dtype=dtype).view(-1, 1, 1, 1)
        x = (u * real + (1 - u) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
        return difference + 10 * (gradient.flatten(1).norm(dim=1) - 1).square().mean()

    return critic_steps(classifier(quick, dtype), "wgan-gp", loss, images(quick, dtype, 16))


def sngan(quick: bool, dtype: torch.dtype) -> Pair:
    """Hinge loss with spectral norm, both sides in one batch, so that u and v move once."""
    base = classifier(quick, dtype)
    for layer in base:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spectral_norm(layer)

    def loss(d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        of_real, of_fake = d(torch.cat([real, fake])).chunk(2)
        return relu(1 - of_real).mean() + relu(1 + of_fake).mean()

    return critic_steps(base, "hinge + spectral_norm", loss, images(quick, dtype, 32))


def unet(quick: bool, dtype: torch.dtype) -> Pair:
    """A logit for each pixel, averaged over the pixels of a mask, both sides in one batch."""
    real, fake = images(quick, dtype, 8, 64)
    masks = [(torch.rand_like(x[:, :1]) < 0.7).to(dtype) for x in (real, fake)]

    def loss(d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        real_scores, fake_scores = d(torch.cat([real, fake])).chunk(2)
        of_real, of_fake = softplus(-real_scores), softplus(fake_scores)
        real_mask, fake_mask = masks
        return (real_mask * of_real).sum() / real_mask.sum() + (
            fake_mask * of_fake
        ).sum() / fake_mask.sum()

    weights = dict(zip(("real_weights", "fake_weights"), masks, strict=True))
    base = UNet(4 if quick else 24).to(dtype)
    return critic_steps(base, "nsgan", loss, (real, fake), **weights)


def half(on: bool) -> AbstractContextManager[Any]:
    """Return autocast to fp16, or nothing."""
    return torch.autocast("cpu", torch.float16) if on else nullcontext()


def scaled(quick: bool, dtype: torch.dtype) -> Pair:
    """A critic step in fp16 with a gradient scaler and a clipped gradient."""
    on = dtype == torch.float32
    base, (real, fake) = classifier(quick, dtype, 32), images(quick, dtype, 16)

    def by_hand() -> Loop:
        d = copy.deepcopy(base)
        optimizer, scaler = optimizer_of(d), torch.amp.GradScaler("cpu", enabled=on)

        def step() -> list[Tensor]:
            optimizer.zero_grad()
            with half(on):
                of_real, of_fake = d(torch.cat([real, fake])).chunk(2)
                loss = softplus(-of_real.to(dtype)).mean() + softplus(of_fake.to(dtype)).mean()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(d.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            return [loss]

        return Loop(step, [optimizer])

    def library() -> Loop:
        adversary, own = head(copy.deepcopy(base), "nsgan")
        scaler = torch.amp.GradScaler("cpu", enabled=on)

        def step() -> list[Tensor]:
            with half(on):
                loss = adversary.critic_loss(real, fake)
            scaler.scale(loss).backward()
            adversary.step(scaler, clip=1.0)
            scaler.update()
            return [loss]

        return Loop(step, own)

    return by_hand(), library()


def accumulation(quick: bool, dtype: torch.dtype) -> Pair:
    """One step from the gradients of four parts of a batch."""
    base, (real, fake) = classifier(quick, dtype), images(quick, dtype, 32)
    parts = list(zip(real.chunk(4), fake.chunk(4), strict=True))

    def by_hand() -> Loop:
        d = copy.deepcopy(base)
        optimizer = optimizer_of(d)

        def step() -> list[Tensor]:
            optimizer.zero_grad()
            losses: list[Tensor] = []
            for r, f in parts:
                loss = (softplus(-d(r)).mean() + softplus(d(f)).mean()) / 4
                loss.backward()
                losses.append(loss)
            optimizer.step()
            return losses

        return Loop(step, [optimizer])

    def library() -> Loop:
        adversary, own = head(copy.deepcopy(base), "nsgan")

        def step() -> list[Tensor]:
            losses: list[Tensor] = []
            for r, f in parts:
                loss = adversary.critic_loss(r, f) / 4
                loss.backward()
                losses.append(loss)
            adversary.step()
            return losses

        return Loop(step, own)

    return by_hand(), library()


def perceptron(width: int) -> nn.Module:
    """Return a critic of points of the plane with two hidden layers."""
    return nn.Sequential(
        nn.Linear(2, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, 1),
    )


def small_critic(quick: bool, dtype: torch.dtype) -> Pair:
    """A critic step of a perceptron on points of the plane, where overhead counts most."""
    n, width = (8, 8) if quick else (256, 128)
    base = perceptron(width).to(dtype)
    sides = torch.randn(n, 2, dtype=dtype), torch.randn(n, 2, dtype=dtype)

    def loss(d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        of_real, of_fake = d(torch.cat([real, fake])).chunk(2)
        return softplus(-of_real).mean() + softplus(of_fake).mean()

    return critic_steps(base, "nsgan", loss, sides)


def small_model(quick: bool, dtype: torch.dtype) -> Pair:
    """A model's step against the perceptron: the loss, its backward pass and no critic step."""
    n, width = (8, 8) if quick else (256, 128)
    base = perceptron(width).to(dtype)
    model = nn.Linear(2, 2).to(dtype)
    real, z = torch.randn(n, 2, dtype=dtype), torch.randn(n, 2, dtype=dtype)

    def loop(loss: Callable[[Tensor], Tensor], g: nn.Module) -> Loop:
        optimizer = optimizer_of(g)

        def step() -> list[Tensor]:
            optimizer.zero_grad()
            value = loss(g(z))
            value.backward()
            optimizer.step()
            return [value]

        return Loop(step, [optimizer])

    d = copy.deepcopy(base)

    def by_hand(fake: Tensor) -> Tensor:
        for p in d.parameters():
            p.requires_grad_(False)
        value = softplus(-d(fake)).mean()
        for p in d.parameters():
            p.requires_grad_(True)
        return value

    adversary, _ = head(copy.deepcopy(base), "nsgan")
    return (
        loop(by_hand, copy.deepcopy(model)),
        loop(lambda fake: adversary.player_loss(real, fake), copy.deepcopy(model)),
    )
