"""Test which objectives fit G(z) = w z + b to N(mu, sigma), with a linear and with a wider critic.

A linear critic, D(x) = v x + c, compares only means: in theory no objective can find sigma through
it. The wider critic is a perceptron of 2 x 64. Objectives that compare samples directly have no
critic. The values found are those of the model's moving average.
"""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

from harness import RESULTS, Result, Row, arguments, one_thread
from modes_2d import BETAS, MAIN, SINGLE, STACKED
from stacked import StackedBatches, StackedGenerate, StackedMLP
from torch import nn

from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.finite import NonFiniteError
from advlearn.core.grammar import resolve
from advlearn.core.trainer import Trainer
from advlearn.data import Batches, gaussian
from advlearn.nets import AutoencoderCritic, IdentityCritic
from advlearn.training import rng
from advlearn.training.ema import EMA

MU, SIGMA = 2.0, 0.5
BATCH, LR, STEPS = 256, 5e-3, 3000
WIDTHS = {"linear": (), "wide": (64, 64)}
COLUMNS = ["family", "critic", "seed", "mu", "sigma", "mu_error", "sigma_error", "finds", "spec"]


def critic(chain: Chain, width: str, seeds: list[int], stacked: bool) -> nn.Module | str:
    """Return the critic, or the reason why there is none of this width."""
    objective = chain.required_objective()
    if getattr(objective, "embedding", "learned") == "identity":
        return (
            IdentityCritic()
            if width == "wide"
            else "compares samples directly: there is no critic to be linear"
        )
    if objective.critic_output == "energy" and not stacked:
        return (
            AutoencoderCritic((1,), base_channels=16, code=1)
            if width == "wide"
            else "an energy needs an autoencoder"
        )
    outputs = 4 if objective.critic_output == "vector" and width == "wide" else 1
    sizes = (1, *WIDTHS[width], outputs)
    if stacked:
        return StackedMLP(len(seeds), sizes, [s + 1000 for s in seeds])
    layers: list[nn.Module] = []
    for inputs, units in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, units), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(
    family: str, spec: str, width: str, seeds: list[int], steps: int, stacked: bool
) -> list[Row]:
    """Train one family with one critic on each of the seeds; return a row for each."""
    given = resolve(spec)
    defaults = dataclasses.replace(given.defaults, critic_steps=1, betas=BETAS, critic_lr=LR)
    chain = Chain(given.objective, given.regularizers, defaults)
    shared = {"family": family, "critic": width, "spec": spec, "steps": steps}
    with rng.isolated(seeds[0]):
        judge = critic(chain, width, seeds, stacked)
        if isinstance(judge, str):
            return [{**shared, "seed": seed, "refused": judge} for seed in seeds]
        generator = StackedMLP(len(seeds), (1, 1), seeds)
        task = StackedGenerate(generator, 1)
        sources = [gaussian(20_000, MU, SIGMA, seed=seed).data for seed in seeds]
        stream = StackedBatches(
            [Batches(s, BATCH, seed=k) for s, k in zip(sources, seeds, strict=True)]
        )
        average = EMA(0.99)
        adversaries = {"data": Adversary(judge, chain)}
        trainer = Trainer(
            task, adversaries, stream, steps=steps, lr=LR, schedule="cosine", callbacks=[average]
        )
        try:
            trainer.run()
        except NonFiniteError as error:
            shared["error"] = str(error)
        weights, biases = (p.detach().flatten().tolist() for p in average.module.parameters())
    return [
        {**shared, "seed": k, **_found(w, b)}
        for k, w, b in zip(seeds, weights, biases, strict=True)
    ]


def _found(w: float, b: float) -> dict[str, Any]:
    mu_error, sigma_error = abs(b - MU), abs(abs(w) - SIGMA)
    finds = " and ".join(n for n, e in (("mu", mu_error), ("sigma", sigma_error)) if e <= 0.05)
    return {
        "mu": b,
        "sigma": abs(w),
        "mu_error": mu_error,
        "sigma_error": sigma_error,
        "finds": finds or "neither",
    }


def picture(result: Result, path: Path) -> None:
    """Plot the values found in the plane of mu and sigma, with a panel for each critic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5), layout="constrained")
    families = list(dict.fromkeys(r["family"] for r in result.rows))
    for i, width in enumerate(WIDTHS):
        axes = figure.add_subplot(1, 2, i + 1)
        for j, family in enumerate(families):
            rows = [
                r
                for r in result.rows
                if r["family"] == family and r["critic"] == width and "mu" in r
            ]
            if rows:
                marker = "osD^v<>PX*"[j // 10 % 3 * 3 + j % 3]
                axes.plot(
                    [r["mu"] for r in rows],
                    [r["sigma"] for r in rows],
                    marker,
                    label=family,
                    alpha=0.7,
                )
        axes.plot([MU], [SIGMA], "k+", markersize=24)
        axes.set(
            title=f"{width} critic",
            xlabel="mu found (true: cross)",
            ylabel="sigma found",
            xlim=(0.5, 3.5),
            ylim=(-0.05, 2),
        )
        axes.legend(fontsize=6, ncols=2)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Compute the missing rows."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("gaussian_1d", quick=options.quick)
    seeds, steps = ([0], 3) if options.quick else ([0, 1, 2], STEPS)
    specs = {name: spec for name, (spec, _) in MAIN.items()} | STACKED
    calls = [
        (family, spec, width, seeds, True) for family, spec in specs.items() for width in WIDTHS
    ]
    calls += [
        (f, s, width, [seed], False)
        for f, s in SINGLE.items()
        for width in WIDTHS
        for seed in seeds
    ]
    for family, spec, width, members, stacked in [] if options.report else calls:
        if not result.has(family=family, critic=width, seed=members[0]):
            for row in train(family, spec, width, members, steps, stacked):
                result.add(row)
    result.save()
    if not options.quick:
        picture(result, RESULTS / "gaussian_1d.png")
    result.show([*COLUMNS, "refused"])


if __name__ == "__main__":
    main()
