"""Measure accuracy against disparity on UCI Adult, compared with other libraries.

The data are the standard split (32,561 and 16,281 rows, 107 features) with sex as the sensitive
attribute, on five seeds. advlearn's model is a perceptron with 64 hidden units, 1,000 steps of
batch 512 (16 epochs), Adam at 1e-3, and the moving average of its weights. The adversary predicts
sex from the logit (objective `predictive`) after a tenth of the steps. `plain` is the same call
with an adversarial weight of zero. Disparities are those of the thresholded decision
(`advlearn.metrics`, equal to fairlearn's).

Steps, rate, weights and `balance_groups` were chosen on a split of the training file, 26,000
against 6,561 rows, with one seed. The test file was not used before this run.

German credit is measured as well, by age group and by sex: 700 and 300 rows, 300 steps of batch
128, and otherwise the same.

Other libraries run in a separate environment, named by ADVLEARN_PEERS (the path of its python, with
fairlearn and torch): fairlearn's adversarial module with two recipes and its ExponentiatedGradient.
Without it their rows are left out.
"""

import json
import os
import subprocess
import tempfile
import time
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread

from advlearn.core.optim import adam
from advlearn.data import TabularDataset, adult, batches, german_credit
from advlearn.fitting import fit
from advlearn.metrics import demographic_parity_difference, equalized_odds_difference
from advlearn.nets import predictor_for
from advlearn.training.rng import isolated

SEEDS = (0, 1, 2, 3, 4)
LR, BETAS, BATCH, STEPS = 1e-3, (0.5, 0.999), 512, 1000
PARITY = (0.0, 1.0, 2.0, 4.0, 10.0)
ODDS = (1.0, 3.0)
PEERS = (
    "documented",
    "deeper",
    "documented odds",
    "deeper odds",
    "exponentiated gradient",
    "exponentiated gradient odds",
)
GERMAN = {"age-group": (0.0, 2.0), "sex": (0.0, 2.0)}
COLUMNS = [
    "data",
    "attribute",
    "method",
    "adversarial_weight",
    "seed",
    "accuracy",
    "parity",
    "odds",
    "cpu_seconds",
    "health",
]


def only(table: TabularDataset, attribute: str) -> TabularDataset:
    """Return the table with one sensitive attribute."""
    names = {attribute: table.sensitive_names[attribute]}
    return TabularDataset(
        table.x,
        table.y,
        {attribute: table.sensitive[attribute]},
        names,
        table.feature_names,
        table.name,
    )


@cache
def parts(data: str, attribute: str, quick: bool) -> tuple[TabularDataset, TabularDataset]:
    """Return the training and test tables."""
    read = adult if data == "adult" else german_credit
    train, test = (only(read(part), attribute) for part in ("train", "test"))
    return (rows(train, 600), rows(test, 300)) if quick else (train, test)


def rows(table: TabularDataset, n: int) -> TabularDataset:
    """Return the first rows of a table."""
    sensitive = {name: values[:n] for name, values in table.sensitive.items()}
    return TabularDataset(
        table.x[:n], table.y[:n], sensitive, table.sensitive_names, table.feature_names, table.name
    )


def figures(test: TabularDataset, attribute: str, decided: Any) -> Row:
    """Return the accuracy and both disparities of a decision."""
    y, groups, decided = test.y.numpy(), test.groups(attribute), np.asarray(decided).astype(int)
    return {
        "accuracy": float((decided == y).mean()),
        "parity": float(demographic_parity_difference(y, decided, sensitive_features=groups)),
        "odds": float(equalized_odds_difference(y, decided, sensitive_features=groups)),
    }


def advlearn_row(
    data: str, attribute: str, method: str, adversarial_weight: float, seed: int, quick: bool
) -> Row:
    """Return the row of one run of advlearn."""
    train, test = parts(data, attribute, quick)
    odds = "criterion='equalized_odds', balance_groups=True, " if method == "equalized odds" else ""
    steps, batch = (STEPS, BATCH) if data == "adult" else (300, 128)
    began = time.process_time()
    run = fit(
        f"fairness({odds}adversarial_weight={adversarial_weight}, warmup=0.1)",
        "predictive",
        train,
        steps=3 if quick else steps,
        batch_size=batch,
        lr=LR,
        seed=seed,
        device="cpu",
        callbacks=(),
    )
    seconds = time.process_time() - began
    key = {
        "data": data,
        "attribute": attribute,
        "method": method,
        "adversarial_weight": adversarial_weight,
        "seed": seed,
    }
    scores = figures(test, attribute, run.predict(test.x) > 0)
    return {
        **key,
        **scores,
        "cpu_seconds": round(seconds, 2),
        "health": run.health()[attribute].verdict,
    }


def peer(method: str, seed: int, quick: bool) -> Row:
    """Return the row of one run of another library, in its own environment."""
    train, test = parts("adult", "sex", quick)
    script = Path(__file__).parent / "peers" / "fairlearn_adult.py"
    with tempfile.TemporaryDirectory() as folder:
        arrays = {"x": train.x, "y": train.y, "sex": train.sensitive["sex"], "test_x": test.x}
        np.savez(
            Path(folder) / "data.npz", **{name: values.numpy() for name, values in arrays.items()}
        )
        command = [os.environ["ADVLEARN_PEERS"], str(script), folder, method, str(seed)]
        output = subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.splitlines()[-1]
        decided = np.load(Path(folder) / "decided.npy")
    key = {
        "data": "adult",
        "attribute": "sex",
        "method": f"fairlearn {method}",
        "adversarial_weight": None,
        "seed": seed,
    }
    return {**key, **figures(test, "sex", decided), **json.loads(output), "health": ""}


def plain(model: torch.nn.Module, train: TabularDataset, steps: int) -> None:
    """Train in a hand-written loop without any adversary."""
    optimizer, stream = adam(list(model.parameters()), lr=LR, betas=BETAS), batches(train, BATCH)
    for _ in range(steps):
        x, y, *_ = next(stream)
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(x), y.float()).backward()
        optimizer.step()


def plain_bit_for_bit(quick: bool) -> bool:
    """Return whether a weight of zero gives the weights of a loop without any adversary."""
    train, _ = parts("adult", "sex", quick)
    steps = 3 if quick else 200
    run = fit(
        "fairness(adversarial_weight=0.0)",
        "predictive",
        train,
        steps=steps,
        batch_size=BATCH,
        lr=LR,
        device="cpu",
        callbacks=(),
    )
    with isolated(0):
        model = predictor_for(train.shape, 1)
    plain(model, train, steps)
    trained = list(run.task.model.parameters())  # type: ignore[union-attr,operator]
    return all(torch.equal(a, b) for a, b in zip(model.parameters(), trained, strict=True))


def worst(result: Result, method: str, adversarial_weight: float, name: str, pick: Any) -> float:
    """Return the worst seed's figure of one setting on Adult."""
    chosen = [
        r
        for r in result.rows
        if r["data"] == "adult"
        and r["method"] == method
        and r["adversarial_weight"] == adversarial_weight
    ]
    return float(pick(r[name] for r in chosen))


def bars(result: Result, quick: bool) -> None:
    """Return the required bars from the rows."""
    settings = [
        ("demographic parity", 4.0, 0.84, "parity", 0.04),
        ("demographic parity", 10.0, 0.83, "parity", 0.02),
        ("equalized odds", 3.0, 0.85, "odds", 0.055),
    ]
    for method, adversarial_weight, accuracy, name, gap in settings:
        what = f"{method} at strength {adversarial_weight:g}, worst of {len(SEEDS)} seeds"
        result.bar(
            f"{what}: accuracy",
            worst(result, method, adversarial_weight, "accuracy", min),
            ">=",
            accuracy,
        )
        result.bar(
            f"{what}: {name} difference",
            worst(result, method, adversarial_weight, name, max),
            "<=",
            gap,
        )
    means = [
        float(
            np.mean(
                [
                    r["parity"]
                    for r in result.rows
                    if r["data"] == "adult"
                    and r["adversarial_weight"] == s
                    and r["method"] == "demographic parity"
                ]
            )
        )
        for s in PARITY
    ]
    result.bar(
        "strengths with ordered mean disparities", sum(a > b for a, b in pairwise(means)), ">=", 4
    )
    result.bar(
        "strength zero equals the plain model bit for bit", int(plain_bit_for_bit(quick)), "==", 1
    )


def picture(result: Result, path: Path) -> None:
    """Plot accuracy against each disparity, with a point for each seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    adult_rows = [r for r in result.rows if r["data"] == "adult"]
    for i, (name, label) in enumerate(
        (("parity", "demographic parity difference"), ("odds", "equalized odds difference"))
    ):
        axes = figure.add_subplot(1, 2, i + 1)
        for method in dict.fromkeys(r["method"] for r in adult_rows):
            points = [r for r in adult_rows if r["method"] == method]
            marker = "x" if method.startswith("fairlearn") else "o"
            axes.plot(
                [p[name] for p in points],
                [p["accuracy"] for p in points],
                marker,
                label=method,
                alpha=0.7,
            )
        axes.set(xlabel=label, ylabel="accuracy", title="UCI Adult, test part, every seed")
        axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")
    figure.savefig(path, dpi=90)


def main() -> None:
    """Compute the missing rows, then the bars."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    quick, seeds = options.quick, SEEDS[:1] if options.quick else SEEDS
    result = Result("fairness_adult", quick=quick)
    adult_calls = [("adult", "sex", "demographic parity", s) for s in PARITY]
    adult_calls += [("adult", "sex", "equalized odds", s) for s in ODDS]
    german = [
        ("german-credit", name, "demographic parity", s)
        for name, adversarial_weights in GERMAN.items()
        for s in adversarial_weights
    ]
    names = ("data", "attribute", "method", "adversarial_weight")
    todo = [
        {**dict(zip(names, call, strict=True)), "seed": s}
        for s in seeds
        for call in [*adult_calls, *german]
    ]
    if not options.report:
        compute(result, partial(advlearn_row, quick=quick), todo, options.jobs)
        if os.environ.get("ADVLEARN_PEERS") and not quick:
            for method in PEERS:
                for seed in seeds:
                    if not result.has(method=f"fairlearn {method}", seed=seed):
                        result.add(peer(method, seed, quick))
    bars(result, quick)
    result.save()
    if not quick:
        picture(result, RESULTS / "fairness_adult.png")
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
