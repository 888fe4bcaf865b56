"""Time a step of the Trainer against a hand-written loop on the same networks, in pairs.

Both compute the same mathematics with the same random numbers, so their gradients are compared as
well. The hand-written loops are those of `gpu_loops.py`, `count_loops.py` and, for all other names
of objectives whose critic returns one score a sample, `alias_loops.py`.
"""

import copy
import statistics
import time
from collections.abc import Callable

import torch
from alias_loops import ALIASES_BY_HAND
from count_loops import BY_HAND
from gpu_loops import LATENT
from harness import Result, arguments, one_thread
from torch import nn

from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.trainer import Trainer
from advlearn.data import ArrayDataset, Batches
from advlearn.nets import DCGANCritic, DCGANGenerator, MLPCritic, MLPGenerator
from advlearn.regularizers import SpectralNorm
from advlearn.tasks.generate import Generate

Case = tuple[str, nn.Module, nn.Module, tuple[int, ...], int]


def cases(quick: bool) -> dict[str, Case]:
    """Return objective, networks, sample shape and batch size by name."""
    torch.manual_seed(0)
    wide, width = ((32,) * 3, 8) if quick else ((512,) * 3, 64)
    shape = (3, 32, 32)
    mlp = (MLPGenerator(LATENT, (2,), wide), MLPCritic((2,), hidden=wide), (2,), 256)
    generator = DCGANGenerator(LATENT, shape, width)
    dcgan = (generator, DCGANCritic(shape, base_channels=width), shape, 64)
    # Its five critic steps on images would take as long as all other cases together.
    found: dict[str, Case] = {"wgan-gp, 3x512 MLP, batch 256": ("wgan-gp", *mlp)}
    for objective in BY_HAND:
        if objective != "wgan-gp":
            found[f"{objective}, DCGAN-32, batch 64"] = (objective, *dcgan)
    for objective in ALIASES_BY_HAND:
        found[f"{objective}, 3x512 MLP, batch 256"] = (objective, *mlp)
    return found


def pair(quick: bool, name: str) -> dict[str, float | str | int]:
    """Time the two loops step by step in turn, and compare their final weights."""
    objective, g, d, shape, n = cases(quick)[name]
    if any(isinstance(r, SpectralNorm) for r in resolve(objective).regularizers):
        # Both start from the same vectors; the library leaves a normalised layer as it is.
        d = SpectralNorm().wrap(d)
    source = ArrayDataset(torch.randn(2048, *shape).clamp(-1, 1))
    task = Generate(copy.deepcopy(g), latent=LATENT, shape=shape)
    adversary = Adversary(copy.deepcopy(d), objective)
    trainer = Trainer(task, {"data": adversary}, Batches(source, n), steps=10**9)
    data = Batches(source, n)
    step = (BY_HAND | ALIASES_BY_HAND)[objective](g, d, lambda: next(data)[0])
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
    if not options.report:
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
