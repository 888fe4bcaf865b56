"""Compare R3GAN with exact penalties and with penalties by differences, on the grid of 25 modes.

The setting is that of `modes_2d.py` for r3gan: generator, batch, rates and measures; seeds 0 to 2,
30,000 generator steps, one run at a time on one thread. `difference` estimates both penalties by
finite differences on all samples, without double backward, and `difference, share 0.25` on a
quarter of them. `seconds` is the CPU time of the run; the two are run in turn, seed by seed.

The bars are the modes of the worst seed, and the median of the seeds' times over those of the exact
penalties.
"""

from functools import partial
from statistics import median
from typing import Any

from harness import Result, Row, arguments, compute, one_thread
from modes_2d import train

ESTIMATES = {
    "exact": "",
    "difference": ", estimate='difference'",
    "difference, share 0.25": ", estimate='difference', share=0.25",
}
SEEDS = (0, 1, 2)
COLUMNS = ["row", "seed", "modes", "reverse_kl", "high_quality", "seconds", "health"]


def run(row: str, seed: int, *, quick: bool) -> Row:
    """Train one seed with one estimate of the penalties."""
    options = f"weight=0.1{ESTIMATES[row]}"
    spec = f"rpgan + r1({options}) + r2({options})"
    (found,) = train(row, spec, "grid", [seed], 20 if quick else 30_000, 1, stacked=False)
    return {"row": row, **found}


def bars(result: Result) -> None:
    """Compare both estimates with the exact penalties."""

    def values(row: str, key: str) -> list[Any]:
        return [r[key] for r in result.rows if r["row"] == row]

    for row in list(ESTIMATES)[1:]:
        if len(values(row, "modes")) == len(values("exact", "modes")) == len(SEEDS):
            result.bar(f"{row}: modes of the worst seed", min(values(row, "modes")), ">=", 25)
            worst = max(values(row, "reverse_kl")) / max(values("exact", "reverse_kl"))
            result.bar(f"{row}: worst reverse KL over the exact one", worst, "<=", 1.25)
            ratio = median(values(row, "seconds")) / median(values("exact", "seconds"))
            result.bar(f"{row}: time over the exact one", ratio, "<=", 0.6)


def main() -> None:
    """Compute the rows that are missing."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("difference_penalties", quick=options.quick)
    todo = [
        {"row": row, "seed": seed}
        for seed in (SEEDS[:1] if options.quick else SEEDS)
        for row in ESTIMATES
    ]
    compute(result, partial(run, quick=options.quick), todo, options.jobs)
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
