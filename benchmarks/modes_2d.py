"""Test which objectives recover all modes of a ring of 8 and a grid of 25 Gaussians, on all seeds.

Protocol (PacGAN, section 4.1): ring of radius 1 with sigma 0.01, grid of spacing 2 with sigma 0.05,
100,000 points each; 2,500 samples; high quality = within 3 sigma of a mode; a mode counts if it has
one high-quality sample; reverse KL of the high-quality samples over modes against the uniform law.
Every family has the same generator, batch and optimizer, and its data are divided by their standard
deviation. The last moving average of the generator is measured, so nothing is chosen by its
samples. Seeds of a loss that is a mean over samples train together as members of one stacked
network (see stacked.py); the others run one by one.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any, cast

import torch
from harness import RESULTS, Result, Row, arguments, one_thread
from stacked import StackedBatches, StackedGenerate, StackedMLP
from torch import nn

from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.finite import NonFiniteError
from advlearn.core.grammar import resolve
from advlearn.core.trainer import Trainer
from advlearn.data import ArrayDataset, Batches, Toy, grid, ring
from advlearn.metrics import mode_report
from advlearn.nets import AutoencoderCritic, IdentityCritic, MLPCritic
from advlearn.training import rng
from advlearn.training.ema import EMA

LATENT, HIDDEN, BATCH, SAMPLES = 2, (64, 64, 64), 128, 2500
LR, BETAS, EMA_DECAY = 3e-3, (0.0, 0.99), 0.999
DATA = {"ring": ring, "grid": grid}
MAIN = {"wgan-gp": ("wgan-gp(weight=0.3)", 1), "r3gan": ("r3gan(weight=0.1)", 1)}
STACKED = {
    "gan (minimax)": "gan",
    "nsgan": "nsgan",
    "nsgan + R1": "nsgan + r1(weight=0.1)",
    "f-gan KL": "f-gan-kl + r1(weight=0.1)",
    "f-gan reverse KL": "f-gan-reverse-kl + r1(weight=0.1)",
    "f-gan Pearson": "f-gan-pearson + r1(weight=0.1)",
    "f-gan Hellinger": "f-gan-hellinger + r1(weight=0.1)",
    "f-gan total variation": "f-gan-tv + r1(weight=0.1)",
    "wgan (clipping)": "wgan(limit=0.05)",
    "hinge": "hinge + r1(weight=0.1)",
    "lsgan": "lsgan + r1(weight=0.1)",
    "dragan": "dragan",
    "loss-sensitive": "ls-gan + r1(weight=0.1)",
}
SINGLE = {
    "ragan": "ragan + r1(weight=0.1) + r2(weight=0.1)",
    "sngan": "sngan",
    "vdb": "vdb",
    "ebgan": "ebgan",
    "began": "began",
    "energy model": "ebm + r1(weight=0.1) + r2(weight=0.1)",
    "mmd": "mmd",
    "mmd energy distance": "energy-distance",
    "mmd-gan": "mmd-gan",
    "imle": "imle",
    "sinkhorn": "sinkhorn(epsilon=0.1, iterations=20)",
    "assignment": "assignment",
    "ot-gan": "minibatch_energy(iterations=10)",
}
COLUMNS = [
    "family",
    "data",
    "seed",
    "modes",
    "reverse_kl",
    "high_quality",
    "steps",
    "seconds",
    "spec",
    "health",
]


def critic(chain: Chain, seeds: list[int], stacked: bool) -> nn.Module:
    """Return the critic that all families share, with the output that their objective needs."""
    objective = chain.required_objective()
    if stacked:
        return StackedMLP(len(seeds), (2, *HIDDEN, 1), [s + 1000 for s in seeds])
    if getattr(objective, "embedding", "learned") == "identity":
        return IdentityCritic()
    if objective.critic_output == "energy":
        return AutoencoderCritic((2,), code=1)
    return MLPCritic(
        (2,), out_features=16 if objective.critic_output == "vector" else 1, hidden=HIDDEN
    )


def train(
    family: str,
    spec: str,
    data: str,
    seeds: list[int],
    steps: int,
    critic_steps: int,
    stacked: bool,
) -> list[Row]:
    """Train one family on one data set with each of the seeds; return a row for each."""
    began = time.process_time()
    toy = DATA[data]()
    scale = toy.data.x.std()
    source = ArrayDataset(toy.data.x / scale)
    given = resolve(spec)
    defaults = dataclasses.replace(
        given.defaults, critic_steps=critic_steps, betas=BETAS, critic_lr=LR
    )
    chain = Chain(given.objective, given.regularizers, defaults)
    with rng.isolated(seeds[0]):
        generator = StackedMLP(len(seeds), (LATENT, *HIDDEN, 2), seeds)
        task = StackedGenerate(generator, LATENT)
        adversary = Adversary(critic(chain, seeds, stacked), chain)
        stream = StackedBatches([Batches(source, BATCH, seed=seed) for seed in seeds])
        average = EMA(EMA_DECAY)
        trainer = Trainer(
            task,
            {"data": adversary},
            stream,
            steps=steps,
            lr=LR,
            schedule="cosine",
            callbacks=[average],
        )
        try:
            trainer.run()
            health = adversary.health().verdict
        except NonFiniteError as error:
            health = str(error)
        samples = cast(StackedGenerate, average.module).sample(SAMPLES) * scale
    shared = {
        "family": family,
        "spec": spec,
        "data": data,
        "steps": steps,
        "critic_steps": critic_steps,
    }
    seconds = (time.process_time() - began) / len(seeds)
    return [
        {
            **shared,
            "seed": seed,
            **_figures(samples[i], toy),
            "seconds": round(seconds, 1),
            "health": health,
        }
        for i, seed in enumerate(seeds)
    ]


def _figures(samples: torch.Tensor, toy: Toy) -> dict[str, Any]:
    if not samples.isfinite().all():
        return {"modes": 0, "reverse_kl": float("inf"), "high_quality": 0.0}
    report = mode_report(samples, toy.centres, toy.sigma)
    return {
        "modes": report.modes,
        "reverse_kl": report.reverse_kl,
        "high_quality": report.high_quality,
    }


def bars(result: Result, seeds: int) -> None:
    """Return the required bars from the rows."""
    for family in MAIN:
        for data, k in (("ring", 8), ("grid", 25)):
            rows = [r for r in result.rows if r["family"] == family and r["data"] == data]
            if rows:
                result.bar(
                    f"{family}, {data}: seeds with all modes",
                    sum(r["modes"] == k for r in rows),
                    ">=",
                    seeds,
                )
                result.bar(
                    f"{family}, {data}: worst reverse KL",
                    max(r["reverse_kl"] for r in rows),
                    "<=",
                    0.04,
                )
                result.bar(
                    f"{family}, {data}: worst high quality",
                    min(r["high_quality"] for r in rows),
                    ">=",
                    0.9,
                )
                result.bar(
                    f"{family}, {data}: generator steps",
                    max(r["steps"] for r in rows),
                    "<=",
                    30_000,
                )
    complete = {
        r["family"]
        for r in result.rows
        if r["data"] == "grid" and r["family"] not in MAIN and all(
            s["modes"] == 25
            for s in result.rows if s["family"] == r["family"] and s["data"] == "grid"
        )
    }  # fmt: skip
    result.bar("other families with all 25 modes on every seed", len(complete), ">=", 8)


def jobs(quick: bool, main_steps: int, steps: int) -> list[dict[str, Any]]:
    """Return every call of `train`."""
    five, three = ([0], [0]) if quick else ([0, 1, 2, 3, 4], [0, 1, 2])
    todo: list[dict[str, Any]] = []
    for family, (spec, critic_steps) in MAIN.items():
        call = {
            "family": family,
            "spec": spec,
            "seeds": five,
            "steps": main_steps,
            "critic_steps": critic_steps,
        }
        todo += [{**call, "data": data, "stacked": True} for data in ("grid", "ring")]
    for data in ("grid",) if quick else ("grid", "ring"):
        for family, spec in {**STACKED, **SINGLE}.items():
            call = {"family": family, "spec": spec, "data": data, "steps": steps, "critic_steps": 1}
            groups = [three] if family in STACKED else [[seed] for seed in three]
            todo += [{**call, "seeds": seeds, "stacked": family in STACKED} for seeds in groups]
    return todo


def picture(result: Result, path: Path) -> None:
    """Plot high quality against modes found, a panel for each data set, a point for each seed."""
    from matplotlib.figure import Figure

    families = list(dict.fromkeys(r["family"] for r in result.rows))
    figure = Figure(figsize=(11, 0.32 * len(families) + 1.2), layout="constrained")
    for i, (data, k) in enumerate((("ring", 8), ("grid", 25))):
        for j, (name, label) in enumerate(
            (("modes", f"modes of {k}"), ("high_quality", "high quality"))
        ):
            axes = figure.add_subplot(1, 4, 2 * i + j + 1)
            rows = [r for r in result.rows if r["data"] == data]
            axes.plot(
                [r[name] for r in rows], [families.index(r["family"]) for r in rows], "o", alpha=0.6
            )
            axes.set(
                title=f"{data}: {label}", xlim=(-0.5, k + 0.5) if name == "modes" else (-0.03, 1.03)
            )
            axes.set_yticks(range(len(families)), families if i + j == 0 else [""] * len(families))
            axes.set_ylim(len(families) - 0.5, -0.5)
            axes.grid(alpha=0.3)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Compute the missing rows, one call of `train` at a time in each job."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--part",
        type=int,
        default=0,
        help="with --parts: compute every PARTS-th call, starting with this one",
    )
    parser.add_argument(
        "--parts",
        type=int,
        default=1,
        help="number of commands that share the calls, each with its own part",
    )
    options = parser.parse_args()
    one_thread()
    result = Result("modes_2d", quick=options.quick)
    todo = jobs(options.quick, *((2, 2) if options.quick else (30_000, 10_000)))
    for job in [] if options.report else todo[options.part :: options.parts]:
        result.reload()
        if not result.has(family=job["family"], data=job["data"], seed=job["seeds"][0]):
            for row in train(**job):
                result.add(row)
                print({k: row[k] for k in COLUMNS}, flush=True)
    result.reload()
    order = [*MAIN, *STACKED, *SINGLE]
    result.rows.sort(key=lambda r: (order.index(r["family"]), r["data"], r["seed"]))
    bars(result, 1 if options.quick else 5)
    result.save()
    if not options.quick:
        picture(result, RESULTS / "modes_2d.png")
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
