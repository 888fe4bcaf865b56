"""Hand-written adversarial steps from the papers, each with the same step through `Adversary`.

The hand-written steps follow the published formulas of HiFi-GAN, VQGAN ("taming"), EnCodec
(audiocraft), DMD2, R3GAN, WGAN-GP and SNGAN. They use the same networks, optimizers and fused
operations as the library's steps, so that only the adversary differs.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, pad, relu, softplus
from torch.nn.utils.parametrizations import weight_norm

from advlearn.core.adversary import Adversary
from advlearn.core.optim import adam

Step = Callable[[], list[Tensor]]
Pair = tuple["Loop", "Loop"]
LR, BETAS = 2e-4, (0.5, 0.9)


@dataclass
class Loop:
    """Hold a step, which returns its losses, and the optimizers that it moves."""

    step: Step
    optimizers: list[torch.optim.Optimizer]


def optimizer_of(*modules: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of every loop."""
    return adam([p for m in modules for p in m.parameters()], lr=LR, betas=BETAS)


def head(critic: nn.Module, objective: str, **settings: Any) -> tuple[Adversary, list[Any]]:
    """Return an adversary with the optimizer of every loop, and that optimizer in a list."""
    optimizer = optimizer_of(critic)
    return Adversary(critic, objective, optimizer=optimizer, **settings), [optimizer]


def freeze(critic: nn.Module, frozen: bool) -> None:
    """Switch the gradient of a critic's parameters off or on."""
    for p in critic.parameters():
        p.requires_grad_(not frozen)


def convolutions(channels: list[int], norm: bool = False) -> nn.Sequential:
    """Return strided 2-d convolutions that halve the image, with a last layer of one channel."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1))
        layers += [nn.BatchNorm2d(outputs)] if norm and inputs > 3 else []
        layers.append(nn.LeakyReLU(0.2))
    return nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 3, 1, 1))


class PeriodCritic(nn.Module):
    """Fold a wave by a period, and return a logit for each place and all feature maps."""

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        sizes = [1, width, 2 * width, 4 * width]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0))) for a, b in pairwise(sizes)
        )
        self.last = weight_norm(nn.Conv2d(sizes[-1], 1, (3, 1), 1, (1, 0)))

    def forward(self, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = pad(wave, (0, -wave.shape[-1] % self.period), "reflect")
        x = x.unflatten(-1, (-1, self.period))
        maps: list[Tensor] = []
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.1)
            maps.append(x)
        x = self.last(x)
        return x.flatten(1), [*maps, x]


class ManyPeriods(nn.Module):
    """Return the logits and the feature maps of critics of several periods."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.critics = nn.ModuleList(PeriodCritic(p, width) for p in (2, 3, 5, 7, 11))

    def forward(self, wave: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        logits, maps = zip(*(critic(wave) for critic in self.critics), strict=True)
        return list(logits), list(maps)


class ManyScales(nn.Module):
    """Return a list of logits, one tensor for each of three resolutions of a wave."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.critics = nn.ModuleList(wave_network([1, width, 2 * width, 1], 4) for _ in range(3))

    def forward(self, wave: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        for critic in self.critics:
            found.append(critic(wave))
            wave = avg_pool1d(wave, 4, 2, 1)
        return found


def wave_network(channels: list[int], stride: int = 1) -> nn.Sequential:
    """Return 1-d convolutions; all but the last have the stride."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(channels)):
        step = 1 if i == len(channels) - 2 else stride
        layers += [nn.Conv1d(a, b, 2 * step + 1, step, step), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


class Backbone(nn.Module):
    """Return a denoised image, or a logit from the same encoder's features, at a time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time = nn.Linear(1, 4 * width)
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 2 * width, 4, 2, 1), nn.SiLU(), nn.Conv2d(2 * width, 4 * width, 4, 2, 1)
        )
        self.decoder = nn.Sequential(
            nn.SiLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1),
            nn.SiLU(),
            nn.ConvTranspose2d(2 * width, 3, 4, 2, 1),
        )
        self.judge = nn.Sequential(
            nn.SiLU(), nn.Conv2d(4 * width, width, 4, 2, 1), nn.SiLU(), nn.Flatten()
        )
        self.logit = nn.Linear(16 * width, 1)

    def features(self, x: Tensor, t: Tensor) -> Tensor:
        return self.encoder(x) + self.time(t[:, None])[..., None, None]

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        return self.decoder(self.features(x, t))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.logit(self.judge(self.features(x, t)))


class UNet(nn.Module):
    """Return one logit for each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, width, 3, 1, 1), nn.Conv2d(width, width, 4, 2, 1)])
        self.up = nn.ConvTranspose2d(width, width, 4, 2, 1)
        self.last = nn.Conv2d(2 * width, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = relu(self.down[0](x))
        coarse = relu(self.down[1](fine))
        return self.last(torch.cat([fine, relu(self.up(coarse))], 1))


def hifigan(quick: bool, dtype: torch.dtype) -> Pair:
    """HiFi-GAN's step, with feature matching.

    Its losses are sums over K critics and L maps, without the factor 1/2 of `lsgan`. The same
    gradients are those of 2K times the means, with a weight of L for the mean over maps.
    """
    n, width, length = (2, 2, 600) if quick else (8, 16, 4096)
    base = (wave_network([8, 8 if quick else 32, 1]).to(dtype), ManyPeriods(width).to(dtype))
    mel, real = torch.randn(n, 8, length, dtype=dtype), torch.randn(n, 1, length, dtype=dtype)
    real = (real + 1).tanh()
    k, maps = 5, 4

    def by_hand() -> Loop:
        g, d = copy.deepcopy(base)
        g_opt, d_opt = optimizer_of(g), optimizer_of(d)

        def step() -> list[Tensor]:
            fake = g(mel)
            d_opt.zero_grad()
            reals, fakes = d(real)[0], d(fake.detach())[0]
            of_critic = sum(
                ((1 - r) ** 2).mean() + (f**2).mean() for r, f in zip(reals, fakes, strict=True)
            )
            of_critic.backward()
            d_opt.step()
            g_opt.zero_grad()
            freeze(d, True)
            real_maps = d(real)[1]
            fakes, fake_maps = d(fake)
            of_model = 45 * (fake - real).abs().mean() + sum(((1 - f) ** 2).mean() for f in fakes)
            for reals, found in zip(real_maps, fake_maps, strict=True):
                of_model = of_model + 2 * sum(
                    (r.detach() - f).abs().mean() for r, f in zip(reals, found, strict=True)
                )
            of_model.backward()
            freeze(d, False)
            g_opt.step()
            return [of_critic, of_model]

        return Loop(step, [g_opt, d_opt])

    def library() -> Loop:
        g, d = copy.deepcopy(base)
        g_opt = optimizer_of(g)
        objective = f"lsgan + feature_matching(weight={maps}, layers='all', paired=True)"
        adversary, own = head(d, objective, adversarial_weight=2 * k)

        def step() -> list[Tensor]:
            fake = g(mel)
            of_critic = 2 * k * adversary.critic_loss(real, fake)
            of_critic.backward()
            adversary.step()
            g_opt.zero_grad()
            of_model = 45 * (fake - real).abs().mean() + adversary.player_loss(real, fake)
            of_model.backward()
            g_opt.step()
            return [of_critic, of_model]

        return Loop(step, [g_opt, *own])

    return by_hand(), library()


def taming(quick: bool, dtype: torch.dtype) -> Pair:
    """VQGAN's step: a hinge loss whose weight is the ratio of gradients at the last layer."""
    n, width = (2, 4) if quick else (8, 24)
    encoder = nn.Sequential(nn.Conv2d(3, width, 4, 2, 1), nn.SiLU(), nn.Conv2d(width, 8, 4, 2, 1))
    decoder = nn.Sequential(
        nn.ConvTranspose2d(8, width, 4, 2, 1),
        nn.SiLU(),
        nn.ConvTranspose2d(width, width, 4, 2, 1),
        nn.SiLU(),
        nn.Conv2d(width, 3, 3, 1, 1),
    )
    critic = convolutions([3, width, 2 * width, 4 * width], norm=True)
    base = nn.Sequential(encoder, decoder).to(dtype), critic.to(dtype)
    real = (torch.randn(n, 3, 64, 64, dtype=dtype) + 1).tanh()

    def by_hand() -> Loop:
        g, d = copy.deepcopy(base)
        g_opt, d_opt = optimizer_of(g), optimizer_of(d)
        last = g[-1][-1].weight

        def step() -> list[Tensor]:
            fake = g(real)
            freeze(d, True)
            own, adversarial = (fake - real).abs().mean(), -d(fake).mean()
            sizes = [
                torch.autograd.grad(loss, last, retain_graph=True)[0].norm()
                for loss in (own, adversarial)
            ]
            weight = (sizes[0] / (sizes[1] + 1e-4)).clamp(0, 1e4).detach()
            of_model = own + weight * adversarial
            g_opt.zero_grad()
            of_model.backward()
            freeze(d, False)
            g_opt.step()
            d_opt.zero_grad()
            of_critic = 0.5 * (relu(1 - d(real)).mean() + relu(1 + d(fake.detach())).mean())
            of_critic.backward()
            d_opt.step()
            return [of_model, of_critic]

        return Loop(step, [g_opt, d_opt])

    def library() -> Loop:
        g, d = copy.deepcopy(base)
        g_opt = optimizer_of(g)
        adversary, own_opt = head(d, "hinge", adversarial_weight="adaptive")
        last = g[-1][-1].weight

        def step() -> list[Tensor]:
            fake = g(real)
            own = (fake - real).abs().mean()
            of_model = own + adversary.player_loss(real, fake, task_loss=own, last_layer=last)
            g_opt.zero_grad()
            of_model.backward()
            g_opt.step()
            of_critic = 0.5 * adversary.critic_loss(real, fake)
            of_critic.backward()
            adversary.step()
            return [of_model, of_critic]

        return Loop(step, [g_opt, *own_opt])

    return by_hand(), library()


def balancer(quick: bool, dtype: torch.dtype) -> Pair:
    """EnCodec's balancer, whose gradient is divided by the factor that gives the task its size."""
    n, width, length = (2, 2, 512) if quick else (8, 16, 4096)
    base = (wave_network([1, 8 if quick else 32, 1]).to(dtype), ManyScales(width).to(dtype))
    real = (torch.randn(n, 1, length, dtype=dtype) + 1).tanh()

    def by_hand() -> Loop:
        g, d = copy.deepcopy(base)
        g_opt, d_opt = optimizer_of(g), optimizer_of(d)
        totals, steps = torch.zeros(2, dtype=dtype), 0.0

        def step() -> list[Tensor]:
            nonlocal totals, steps
            fake = g(real)
            d_opt.zero_grad()
            of_critic = sum(
                relu(1 - r).mean() + relu(1 + f).mean()
                for r, f in zip(d(real), d(fake.detach()), strict=True)
            )
            of_critic = of_critic / len(d.critics)
            of_critic.backward()
            d_opt.step()
            freeze(d, True)
            own = (fake - real).square().mean()
            adversarial = sum(-f.mean() for f in d(fake)) / len(d.critics)
            parts = [
                torch.autograd.grad(loss, fake, retain_graph=True)[0] for loss in (own, adversarial)
            ]
            totals = 0.999 * totals + torch.stack(
                [part.flatten(1).norm(dim=1).mean() for part in parts]
            )
            steps = 0.999 * steps + 1
            # Both parts at norm 1/2 each, divided by the factor of the first.
            scales = 0.5 / (totals / steps + 1e-12)
            g_opt.zero_grad()
            fake.backward(sum(s / scales[0] * part for s, part in zip(scales, parts, strict=True)))
            freeze(d, False)
            g_opt.step()
            return [of_critic, own, adversarial]

        return Loop(step, [g_opt, d_opt])

    def library() -> Loop:
        g, d = copy.deepcopy(base)
        g_opt = optimizer_of(g)
        adversary, own_opt = head(d, "hinge", adversarial_weight="balanced")

        def step() -> list[Tensor]:
            fake = g(real)
            of_critic = adversary.update(real, fake)
            own = (fake - real).square().mean()
            loss = own + adversary.player_loss(real, fake, task_loss=own)
            g_opt.zero_grad()
            loss.backward()
            g_opt.step()
            return [of_critic, own, adversary.last_losses["player_loss"]]

        return Loop(step, [g_opt, *own_opt])

    return by_hand(), library()


def dmd2(quick: bool, dtype: torch.dtype) -> Pair:
    """DMD2's critic step: a denoiser and a classifier on one backbone, with one optimizer."""
    n, width = (2, 2) if quick else (16, 16)
    base = Backbone(width).to(dtype)
    real, fake, noise = (torch.randn(n, 3, 32, 32, dtype=dtype) for _ in range(3))
    real, t = real + 1, torch.rand(n, dtype=dtype)

    def noisy(x: Tensor) -> Tensor:
        return x + t.view(-1, 1, 1, 1) * noise

    def by_hand() -> Loop:
        d = copy.deepcopy(base)
        optimizer = optimizer_of(d)

        def step() -> list[Tensor]:
            optimizer.zero_grad()
            x = noisy(fake)
            own = (d.denoise(x, t) - fake).square().mean()
            judged = softplus(d(x, t)).mean() + softplus(-d(noisy(real), t)).mean()
            (own + 0.01 * judged).backward()
            optimizer.step()
            return [own, judged]

        return Loop(step, [optimizer])

    def library() -> Loop:
        d = copy.deepcopy(base)
        adversary, own_opt = head(d, "nsgan", conditions=(1,))

        def step() -> list[Tensor]:
            x = noisy(fake)
            own = (d.denoise(x, t) - fake).square().mean()
            judged = adversary.critic_loss((noisy(real), t), (x, t))
            (own + 0.01 * judged).backward()
            adversary.step()
            return [own, judged]

        return Loop(step, own_opt)

    return by_hand(), library()
