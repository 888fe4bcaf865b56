"""Compare R3GAN with exact penalties and with penalties by differences, without double backward.

- grid: the 25 modes of `modes_2d.py` for r3gan: generator, batch, rates and measures; 30,000
  generator steps of perceptrons.
- stacked: the stacked digits of `stacked_mnist.py` for r3gan: DCGAN's networks, batch, rate and
  measures; 2,500 generator steps.

`difference` estimates R1 and R2 by finite differences on all samples, and `difference, share 0.25`
on a quarter of them. `none` has neither penalty: its time is the least that any estimate can take,
and it has no bars. Seeds are 0 to 2, one run at a time on one thread. `seconds` is the CPU time of
the training; the estimates run in turn, seed by seed.

The bars are the modes of the worst seed over those of the exact penalties, the worst reverse KL
over the worst one of the exact penalties, and the median of the seeds' times over that of the exact
penalties.
"""

import time
from functools import partial
from statistics import median
from typing import Any, cast

import stacked_mnist
import torch
from harness import Result, Row, arguments, compute, one_thread
from modes_2d import train

from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.trainer import Trainer
from advlearn.tasks.generate import Generate
from advlearn.training.ema import EMA
from advlearn.training.rng import isolated

ESTIMATES = {
    "exact": "",
    "difference": ", estimate='difference'",
    "difference, share 0.25": ", estimate='difference', share=0.25",
}
# A convolutional critic takes as long for differences on all samples as for exact penalties.
ROWS = {
    "stacked": ["exact", "difference, share 0.25", "none"],
    "grid": [*ESTIMATES, "none"],
}
SEEDS = (0, 1, 2)
# The weight of both penalties in the two settings, and the steps of the generator.
WEIGHTS = {"grid": 0.1, "stacked": 1.0}
STEPS = {"stacked": 2_500, "grid": 30_000}
COLUMNS = ["data", "row", "seed", "modes", "reverse_kl", "seconds", "health"]


def specification(data: str, row: str) -> str:
    """Return the objective of a row."""
    if row == "none":
        return "rpgan"
    options = f"weight={WEIGHTS[data]}{ESTIMATES[row]}"
    return f"rpgan + r1({options}) + r2({options})"


def stacked(row: str, seed: int, quick: bool) -> Row:
    """Train on stacked digits, and count the modes of the samples."""
    digits, _ = stacked_mnist.parts("mnist", quick)
    count = 100 if quick else stacked_mnist.SAMPLES
    with isolated(seed):
        generator, critic = stacked_mnist.networks("r3gan")
        task = Generate(generator, latent=stacked_mnist.LATENT, shape=stacked_mnist.SHAPE)
        chain = resolve(specification("stacked", row))
        adversary = Adversary(critic, chain, lr=stacked_mnist.LR, critic_steps=1)
        average = EMA(cast(float, adversary.defaults.ema))
        stream = stacked_mnist.Triples(digits.x, seed)
        steps = 3 if quick else STEPS["stacked"]
        trainer = Trainer(
            task, {"data": adversary}, stream, steps=steps, lr=stacked_mnist.LR, callbacks=[average]
        )
        began = time.process_time()
        trainer.run()
        seconds = time.process_time() - began
        drawn = [cast(Generate, average.module).sample(100) for _ in range(count // 100)]
    found = stacked_mnist.figures(torch.cat(drawn), quick)
    found["reverse_kl"] = found.pop("kl")
    return {"seed": seed, **found, "seconds": seconds, "health": adversary.health().verdict}


def run(data: str, row: str, seed: int, *, quick: bool) -> Row:
    """Train one seed with one estimate of the penalties."""
    if data == "stacked":
        found = stacked(row, seed, quick)
    else:
        spec, steps = specification(data, row), 20 if quick else STEPS[data]
        (found,) = train(row, spec, data, [seed], steps, 1, stacked=False)
    return {"data": data, "row": row, **found}


def bars(result: Result, data: str) -> None:
    """Compare both estimates with the exact penalties."""

    def values(row: str, key: str) -> list[Any]:
        return [r[key] for r in result.rows if (r["data"], r["row"]) == (data, row)]

    for row in [row for row in ROWS[data] if row not in ("exact", "none")]:
        if len(values(row, "modes")) == len(values("exact", "modes")) == len(SEEDS):
            name = f"{data}, {row}"
            modes = min(values(row, "modes")) / min(values("exact", "modes"))
            result.bar(f"{name}: worst modes over the exact ones", modes, ">=", 0.99)
            worst = max(values(row, "reverse_kl")) / max(values("exact", "reverse_kl"))
            result.bar(f"{name}: worst reverse KL over the exact one", worst, "<=", 1.25)
            ratio = median(values(row, "seconds")) / median(values("exact", "seconds"))
            result.bar(f"{name}: time over the exact one", ratio, "<=", 0.6)


def main() -> None:
    """Compute the rows that are missing."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--data", nargs="*", choices=list(STEPS), default=list(STEPS))
    options = parser.parse_args()
    one_thread()
    result = Result("difference_penalties", quick=options.quick)
    todo = [
        {"data": data, "row": row, "seed": seed}
        for data in options.data
        for seed in (SEEDS[:1] if options.quick else SEEDS)
        for row in ROWS[data]
    ]
    compute(result, partial(run, quick=options.quick), [] if options.report else todo, options.jobs)
    for data in options.data:
        bars(result, data)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
