"""Time a step of the Trainer against a hand-written loop on the same networks, in pairs.

Both compute the same mathematics with the same random numbers, so their gradients are compared as
well.
"""

import copy
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from gpu_loops import r3gan
from harness import Result, arguments, one_thread
from torch import Tensor, nn
from torch.nn.functional import softplus

from advlearn.core.adversary import Adversary
from advlearn.core.optim import adam
from advlearn.core.trainer import Trainer
from advlearn.data import ArrayDataset, Batches
from advlearn.nets import DCGANCritic, DCGANGenerator, MLPCritic, MLPGenerator
from advlearn.tasks.generate import Generate

LATENT = 64


def hand_written_wgan_gp(
    g: nn.Module, d: nn.Module, data: Iterator[tuple[Tensor, ...]]
) -> Callable[[], None]:
    """Return a hand-written step of WGAN-GP: five critic steps, and a generator step.

    The generator's step uses the fakes of the last critic step.
    """
    g_opt = adam(list(g.parameters()), lr=1e-4, betas=(0.0, 0.9))
    d_opt = adam(list(d.parameters()), lr=1e-4, betas=(0.0, 0.9))
    d_parameters = list(d.parameters())

    def critic_step(real: Tensor, fake: Tensor) -> None:
        d_opt.zero_grad(set_to_none=True)
        scores = d(torch.cat([real, fake]))
        n = len(real)
        u = torch.rand(n).view(-1, *[1] * (real.ndim - 1))
        x = torch.lerp(fake, real, u.expand_as(real)).requires_grad_()
        (gradient,) = torch.autograd.grad(d(x).sum(), x, create_graph=True)
        penalty = 10 * (gradient.flatten(1).square().sum(1).sqrt() - 1).square().mean()
        (scores[n:].mean() - scores[:n].mean() + penalty).backward()
        d_opt.step()

    def step() -> None:
        for _ in range(4):
            (real,) = next(data)
            with torch.no_grad():
                fake = g(torch.randn(len(real), LATENT))
            critic_step(real, fake)
        (real,) = next(data)
        fake = g(torch.randn(len(real), LATENT))
        critic_step(real, fake.detach())
        g_opt.zero_grad(set_to_none=True)
        for p in d_parameters:
            p.requires_grad_(False)
        loss = -d(fake).mean()
        loss.backward()
        for p in d_parameters:
            p.requires_grad_(True)
        g_opt.step()

    return step


def hand_written_nsgan(
    g: nn.Module, d: nn.Module, data: Iterator[tuple[Tensor, ...]]
) -> Callable[[], None]:
    """Return DCGAN's step as in its reference script, with real and fake scored in one batch."""
    g_opt = adam(list(g.parameters()), lr=2e-4, betas=(0.5, 0.999))
    d_opt = adam(list(d.parameters()), lr=2e-4, betas=(0.5, 0.999))
    d_parameters = list(d.parameters())

    def step() -> None:
        (real,) = next(data)
        n = len(real)
        fake = g(torch.randn(n, LATENT))
        d_opt.zero_grad(set_to_none=True)
        scores = d(torch.cat([real, fake.detach()]))
        (softplus(-scores[:n]).mean() + softplus(scores[n:]).mean()).backward()
        d_opt.step()
        g_opt.zero_grad(set_to_none=True)
        for p in d_parameters:
            p.requires_grad_(False)
        softplus(-d(fake)).mean().backward()
        for p in d_parameters:
            p.requires_grad_(True)
        g_opt.step()

    return step


def hand_written_r3gan(
    g: nn.Module, d: nn.Module, data: Iterator[tuple[Tensor, ...]]
) -> Callable[[], None]:
    """Return a hand-written step of R3GAN's loss, with R1 and R2 from one input gradient."""
    return r3gan(g, d, lambda: next(data)[0])


def cases(
    quick: bool,
) -> dict[
    str, tuple[str, nn.Module, nn.Module, tuple[int, ...], int, Callable[..., Callable[[], None]]]
]:
    """Return objective, networks, sample shape, batch size and hand-written step by name."""
    torch.manual_seed(0)
    wide, width = ((32,) * 3, 8) if quick else ((512,) * 3, 64)
    shape = (3, 32, 32)
    mlp = (MLPGenerator(LATENT, (2,), wide), MLPCritic((2,), hidden=wide), (2,), 256)
    dcgan = (
        DCGANGenerator(LATENT, shape, width),
        DCGANCritic(shape, base_channels=width),
        shape,
        64,
    )
    return {
        "wgan-gp, 3x512 MLP, batch 256": ("wgan-gp", *mlp, hand_written_wgan_gp),
        "nsgan, DCGAN-32, batch 64": ("nsgan", *dcgan, hand_written_nsgan),
        "r3gan, DCGAN-32, batch 64": ("r3gan", *dcgan, hand_written_r3gan),
    }


def pair(quick: bool, name: str) -> dict[str, float | str | int]:
    """Time the two loops step by step in turn, and compare their final weights."""
    objective, g, d, shape, n, hand_written = cases(quick)[name]
    source = ArrayDataset(torch.randn(2048, *shape).clamp(-1, 1))
    task = Generate(copy.deepcopy(g), latent=LATENT, shape=shape)
    adversary = Adversary(copy.deepcopy(d), objective)
    trainer = Trainer(task, {"data": adversary}, Batches(source, n), steps=10**9)
    step = hand_written(g, d, Batches(source, n))
    difference = largest_gradient_difference(trainer, step, task, adversary, g, d)
    rounds, repeats = (2, 2) if quick else (41, 1)
    trainer_values, loop_values = list[float](), list[float]()
    for k in range(2 * rounds):
        times, call = ((trainer_values, trainer._train_step), (loop_values, step))[(k + k // 2) % 2]
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        times.append((time.perf_counter() - start) / repeats)
    ratios = [a / b for a, b in zip(trainer_values, loop_values, strict=True)]
    return {
        "case": name,
        "trainer_ms": 1e3 * statistics.median(trainer_values),
        "hand_written_ms": 1e3 * statistics.median(loop_values),
        "ratio": statistics.median(ratios),
        "ratio_low": sorted(ratios)[len(ratios) // 4],
        "ratio_high": sorted(ratios)[3 * len(ratios) // 4],
        "pairs": len(ratios),
        "largest_gradient_difference": difference,
    }


def largest_gradient_difference(
    trainer: Trainer,
    step: Callable[[], None],
    task: nn.Module,
    adversary: Adversary,
    g: nn.Module,
    d: nn.Module,
) -> float:
    """Return the largest difference between the gradients of the two loops after one step.

    Both start from the same random state.
    """
    torch.manual_seed(1)
    trainer._train_step()
    torch.manual_seed(1)
    step()
    trainer_values = [p.grad for m in (task, adversary.critic) for p in m.parameters()]
    loop_values = [p.grad for m in (g, d) for p in m.parameters()]
    return max(
        float((a - b).abs().max())
        for a, b in zip(trainer_values, loop_values, strict=True)
        if a is not None and b is not None
    )


def main() -> None:
    """Run all cases."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("overhead", quick=options.quick)
    result.start_again()
    for name in cases(options.quick):
        result.add(pair(options.quick, name))
    for row in result.rows:
        result.bar(f"ratio, {row['case']}", row["ratio"], "<=", 1.05)
        result.bar(f"gradients, {row['case']}", row["largest_gradient_difference"], "<=", 1e-6)
    result.save()
    result.show(
        [
            "case",
            "trainer_ms",
            "hand_written_ms",
            "ratio",
            "ratio_low",
            "ratio_high",
            "largest_gradient_difference",
        ]
    )


if __name__ == "__main__":
    main()
