"""Measure the gain of every objective over no adversary in each task that adds one to a model.

- `domain_adaptation`: USPS to scikit-learn's digits, both 8 pixels a side, 1,000 steps; gain =
  target accuracy minus that without an adversary.
- `fairness`: German credit by age group, demographic parity, 500 steps; gain = the disparity
  without an adversary minus the disparity; the row also has the loss of accuracy. The test part is
  that of the seeded split.
- `semi_supervised`: digits with 50 labels, 2,000 steps, tested on 600 others; gain = accuracy minus
  that of the same classifier trained on the labelled samples only, for as many steps.

There are three seeds. All objectives have the same settings: Adam at 1e-3, an adversarial weight of
1 (fairness: 2), and the moving average of the weights. Nothing was tuned, so a cell shows what an
objective does with these defaults, not what it can do. A cell that a task refuses holds the reason.
"""

import time
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from torch.nn.functional import cross_entropy, interpolate

from advlearn.core import registry
from advlearn.core.finite import NonFiniteError
from advlearn.core.optim import adam
from advlearn.data import (
    ArrayDataset,
    Batches,
    Domains,
    SemiSupervisedDataset,
    TabularDataset,
    german_credit,
    load,
)
from advlearn.fitting import fit
from advlearn.metrics import accuracy, demographic_parity_difference
from advlearn.nets import predictor_for
from advlearn.training.rng import isolated

SEEDS = (0, 1, 2)
LR = 1e-3
TASKS = ("domain_adaptation", "fairness", "semi_supervised")
COLUMNS = [
    "task",
    "objective",
    "seed",
    "gain",
    "value",
    "baseline",
    "accuracy",
    "refused",
    "cpu_seconds",
    "health",
]


def objectives() -> list[str]:
    """Return one name for each chain that has a name."""
    chains: dict[str, str] = {}
    for entry in registry.entries().values():
        if entry.kind != "regularizer":
            chains.setdefault(repr(entry.make()), entry.name)
    return sorted(chains.values())


@cache
def digits() -> tuple[ArrayDataset, ArrayDataset]:
    """Return the digits of scikit-learn in a seeded order: 1,197 to train on, 600 to test on."""
    everything: Any = load("digits")
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))
    return tuple(
        ArrayDataset(everything.x[i], everything.y[i], "digits", 10)
        for i in (order[:1197], order[1197:])
    )  # type: ignore[return-value]


@cache
def usps() -> ArrayDataset:
    """Return USPS at the size of scikit-learn's digits."""
    whole: Any = load("usps")
    return ArrayDataset(interpolate(whole.x, (8, 8), mode="area"), whole.y, "usps", 10)


def adapt(
    objective: str, seed: int, adversarial_weight: float, quick: bool
) -> dict[str, float | str]:
    """Return the target accuracy."""
    learn, test = digits()
    data = Domains((usps(),), ArrayDataset(learn.x, None, "digits"))
    run = fit(
        f"domain_adaptation(adversarial_weight={adversarial_weight})",
        objective,
        data,
        **_settings(seed, 1000, 64, quick),
    )
    return {
        "value": accuracy(run.predict(test.x), test.y),
        "health": run.health()["domain"].verdict,
    }  # type: ignore[arg-type]


def debias(
    objective: str, seed: int, adversarial_weight: float, quick: bool
) -> dict[str, float | str]:
    """Return the negated demographic-parity difference, and the accuracy."""
    train, test = (_by_age(german_credit(part)) for part in ("train", "test"))
    run = fit(
        f"fairness(adversarial_weight={2 * adversarial_weight})",
        objective,
        train,
        **_settings(seed, 500, 128, quick),
    )
    decided = (run.predict(test.x) > 0).long()
    figures = {
        "value": -float(
            demographic_parity_difference(
                test.y, decided, sensitive_features=test.sensitive["age-group"]
            )
        )
    }
    return {
        **figures,
        "accuracy": accuracy(decided, test.y),
        "health": run.health()["age-group"].verdict,
    }


def classify(
    objective: str, seed: int, adversarial_weight: float, quick: bool
) -> dict[str, float | str]:
    """Return the test accuracy with 50 labels; with weight 0 that of the classifier only."""
    learn, test = digits()
    few = ArrayDataset(
        learn.x[50 * seed : 50 * seed + 50], learn.y[50 * seed : 50 * seed + 50], "few", 10
    )  # type: ignore[index]
    settings = _settings(seed, 2000, 50, quick)
    if adversarial_weight:
        run = fit(
            "semi_supervised",
            objective,
            SemiSupervisedDataset(few, ArrayDataset(learn.x, None, "rest")),
            **settings,
        )
        return {
            "value": accuracy(run.predict(test.x), test.y),
            "health": run.health()["data"].verdict,
        }  # type: ignore[arg-type]
    with isolated(seed):
        net = predictor_for(learn.shape, 10)
        optimizer, stream = (
            adam(list(net.parameters()), lr=LR, betas=(0.5, 0.999)),
            Batches(few, 50, seed=seed),
        )
        for _ in range(settings["steps"]):
            x, y = next(stream)
            optimizer.zero_grad()
            cross_entropy(net(x), y).backward()
            optimizer.step()
    with torch.no_grad():
        return {"value": accuracy(net(test.x), test.y), "health": ""}  # type: ignore[arg-type]


PLAY = {"domain_adaptation": adapt, "fairness": debias, "semi_supervised": classify}


@cache
def baseline(task: str, seed: int, quick: bool) -> dict[str, float | str]:
    """Return the same figure without an adversary."""
    return PLAY[task]("nsgan", seed, 0.0, quick)


def cell(task: str, objective: str, seed: int, quick: bool) -> Row:
    """Return the row of one run, or the reason why there is none."""
    key = {"task": task, "objective": objective, "seed": seed}
    began = time.process_time()
    try:
        found = PLAY[task](objective, seed, 1.0, quick)
    except ValueError as error:
        return {**key, "refused": str(error)}
    except NonFiniteError as error:
        return {**key, "health": str(error)}
    plain = baseline(task, seed, quick)
    seconds = round(time.process_time() - began, 1)
    gain = float(found["value"]) - float(plain["value"])
    return {**key, **found, "baseline": plain["value"], "gain": gain, "cpu_seconds": seconds}


def picture(result: Result) -> None:
    """Plot the mean gain of each cell; refused cells are hatched."""
    from matplotlib.figure import Figure

    names = objectives()
    figure = Figure(figsize=(9, 0.28 * len(names) + 1.5), layout="constrained")
    for place, task in enumerate(TASKS):
        axes = figure.add_subplot(1, 3, place + 1)
        for height, name in enumerate(names):
            rows = [r for r in result.rows if r["task"] == task and r["objective"] == name]
            gains = [r["gain"] for r in rows if "gain" in r]
            if gains:
                axes.barh(
                    height,
                    float(np.mean(gains)),
                    color="tab:green" if np.mean(gains) > 0 else "tab:red",
                )
                axes.plot(gains, [height] * len(gains), "k.", markersize=3)
            elif rows:
                axes.text(
                    0,
                    height,
                    " refused" if "refused" in rows[0] else " not finite",
                    va="center",
                    fontsize=7,
                )
        axes.set_yticks(range(len(names)), names if place == 0 else [""] * len(names), fontsize=7)
        axes.set(title=task, xlabel="gain over no adversary", ylim=(len(names) - 0.5, -0.5))
        axes.axvline(0, color="k", linewidth=0.5)
    figure.savefig(RESULTS / "objectives_by_task.png", dpi=90)


def main() -> None:
    """Compute the missing cells."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), help="adapt, debias, classify")
    options = parser.parse_args()
    one_thread()
    result = Result("objectives_by_task", quick=options.quick)
    names = ("nsgan", "mmd", "ebgan", "predictive") if options.quick else objectives()
    todo: list[dict[str, Any]] = [
        {"task": task, "objective": name, "seed": seed}
        for task in options.tasks
        for name in names
        for seed in (SEEDS[:1] if options.quick else SEEDS)
    ]
    compute(
        result, partial(cell, quick=options.quick), [] if options.report else todo, options.jobs
    )
    filled = {(r["task"], r["objective"]) for r in result.rows if "gain" in r or "refused" in r}
    wanted = {(task, name) for task in TASKS for name in objectives()}
    result.bar("cells with a figure or a reason, of all", len(filled) / len(wanted), "==", 1.0)
    result.save()
    if not options.quick:
        picture(result)
    result.show(COLUMNS)


def _settings(seed: int, steps: int, batch: int, quick: bool) -> dict[str, Any]:
    shared = {"seed": seed, "batch_size": batch, "lr": LR, "device": "cpu", "callbacks": ()}
    return {**shared, "steps": 3 if quick else steps}


def _by_age(table: TabularDataset) -> TabularDataset:
    name = "age-group"
    names = {name: table.sensitive_names[name]}
    return TabularDataset(
        table.x, table.y, {name: table.sensitive[name]}, names, table.feature_names, table.name
    )


if __name__ == "__main__":
    main()
