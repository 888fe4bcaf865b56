"""Measure what adaptation gains between digit domains, with models chosen without target labels.

- `small`: MNIST to MNIST-M, the first 10,000 training images of each, 8 epochs of 64 + 64 images a
  batch (1,250 steps).
- `full`: the same with all 60,000 images, 8 epochs (7,500 steps).
- `usps`, `mnist`: MNIST to USPS and back, all training images of both, 6,000 steps. As a target,
  USPS is padded from 16 to 28 pixels, as by the authors of DeepJDOT, whose accuracy is the bar. As
  a source, it is resized to 28 pixels.

Models are tested on the whole test part of the target. The network for MNIST-M is that of the DANN
paper (convolutions, then dense layers). The network for USPS is a LeNet with dropout, as in CDAN's
protocol. All use Adam at 1e-3 and the moving average of the weights; methods differ only in their
objective and task. LeNet was chosen for USPS on seed 0 at 1,500 steps, with USPS resized: the
information of CDAN+E was 2.02, and at most 1.93 with DANN's network under four settings. Padded,
it is 2.15 after as many steps. Resized, CDAN+E ended at 0.886 on seed 0, and at 0.943 to 0.947 on
three seeds with augmented images of both domains.

Each run is evaluated ten times. `information` is the largest information maximisation score on
2,000 target TRAINING images, without labels, and `accuracy` is the accuracy of that evaluation.
`last` is the accuracy of the last evaluation. `oracle` is that of the evaluation which the target's
test labels would choose, which many published tables report. The method that a bar names has the
largest mean `information`, so no target label chooses it. Nothing was tuned on a target.
`target labels` does not adapt: it trains the same network with the labels of the target's training
images, as an upper reference. `cpu_seconds` is the time of training, without the evaluations.

Other libraries run on `small` in a separate environment, named by ADVLEARN_PEERS_DIGITS (the path
of its python, with skada 0.6.0, pytorch-adapt 0.0.83 and torch). They use the same network, rate
and batches, and the weights of the last step, since they choose no step. skada makes the 1,248
steps of 8 epochs of whole batches. Without that environment their rows are left out.
"""

import json
import os
import subprocess
import tempfile
import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from torch import Tensor, nn
from torch.nn.functional import pad

from advlearn.core.grammar import parse
from advlearn.core.trainer import Callback, Trainer
from advlearn.data import ArrayDataset, Domains, load, open_domains
from advlearn.fitting import fit
from advlearn.metrics import accuracy, information_maximisation, proxy_a_distance
from advlearn.tasks.domain_adaptation import DomainAdaptation
from advlearn.training.ema import EMA

SEEDS = (0, 1, 2)
BATCH, LR, LOOKS = 64, 1e-3, 10
BACKGROUND = -1.0
# Name of a method to its objective and its task.
METHODS = {
    "target labels": ("nsgan", "domain_adaptation(adversarial_weight=0.0)"),
    "source only": ("nsgan", "domain_adaptation(adversarial_weight=0.0)"),
    "DANN, in turn": ("nsgan", "domain_adaptation"),
    "DANN, reversal": ("gan", "domain_adaptation(gradient_reversal=True)"),
    "CDAN": ("nsgan", "domain_adaptation(conditioning='predictions')"),
    "CDAN+E": ("nsgan", "domain_adaptation(conditioning='predictions', entropy=True)"),
    "CDAN+E, bounded": (
        "hinge + spectral_norm",
        "domain_adaptation(conditioning='predictions', entropy=True)",
    ),
    "WDGRL": ("wgan-gp", "domain_adaptation(adversarial_weight=0.1)"),
    "DAN": ("mmd", "domain_adaptation"),
    "Deep CORAL": ("coral", "domain_adaptation"),
    "Sinkhorn": ("sinkhorn", "domain_adaptation(adversarial_weight=0.01)"),
    "DeepJDOT": ("assignment", "domain_adaptation(conditioning='labels', adversarial_weight=0.01)"),
    "VIB": ("vdb", "domain_adaptation"),
}
FEW = ("target labels", "source only", "DANN, reversal", "CDAN+E", "CDAN+E, bounded", "DeepJDOT")
CASES = {
    "small": (1250, tuple(METHODS)[1:]),
    "full": (7500, FEW),
    "usps": (6000, FEW),
    "mnist": (6000, FEW),
}
# Name of another library's method to the script in peers/ and the name the script knows it by.
PEERS = {
    "skada DANN, default": ("skada_digits.py", "default"),
    "skada DANN, own domain classifier": ("skada_digits.py", "own domain classifier"),
    "pytorch-adapt DANN, default": ("pytorch_adapt_digits.py", "default"),
}
# Methods without adaptation, which are never chosen.
BOUNDS = ("target labels", "source only")
COLUMNS = [
    "case",
    "method",
    "seed",
    "information",
    "accuracy",
    "last",
    "oracle",
    "source",
    "a_distance",
]
COLUMNS += ["cpu_seconds", "health"]


class LeNet(nn.Module):
    """Compute features with two convolutions and a dense layer with dropout, then logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Conv2d(20, 50, 5), nn.Dropout2d(0.5), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Dropout(0.5)),
        )
        self.head = nn.Linear(500, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 10) of images (N, 1, 28, 28)."""
        return self.head(self.features(x))


class Looks(Callback):
    """Record figures of the averaged model during a run."""

    def __init__(self, target: ArrayDataset, test: ArrayDataset, every: int) -> None:
        self.target = target
        self.test = test
        self.every = every
        self.records: list[tuple[float, float]] = []
        self.seconds = 0.0

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            start = time.process_time()
            model: Any = next(c.module for c in trainer.callbacks if isinstance(c, EMA))
            sure = information_maximisation(model.predict(self.target.x))
            self.records.append((sure, accuracy(model.predict(self.test.x), self.test.y)))  # type: ignore[arg-type]
            self.seconds += time.process_time() - start


@cache
def case_data(case: str, quick: bool) -> tuple[Domains, ArrayDataset, ArrayDataset]:
    """Return the training domains, and the test parts of source and target."""
    names = {"usps": ("mnist", "usps"), "mnist": ("usps", "mnist")}.get(case, ("mnist", "mnist-m"))
    train = [framed(case, name) for name in names]
    tests = [framed(case, f"{name}-test") for name in names]
    most = 100 if quick else 10_000 if case == "small" else None
    test_most = 50 if quick else None
    both = open_domains(tuple(first(part, most) for part in train))
    shown = open_domains(tuple(first(part, test_most) for part in tests))
    return both, shown.sources[0], shown.target  # type: ignore[return-value]


def labelled_target(case: str) -> Any:
    """Return the target's training images with their labels."""
    return framed(case, {"usps": "usps", "mnist": "mnist"}.get(case, "mnist-m"))


def framed(case: str, name: str) -> Any:
    """Return a data set at 28 pixels; USPS as a target is padded with six pixels of background."""
    source: Any = load(name)
    if case == "usps" and name.startswith("usps"):
        return ArrayDataset(
            pad(source.x, (6, 6, 6, 6), value=BACKGROUND), source.y, source.name, source.classes
        )
    return source


def first(source: Any, n: int | None) -> ArrayDataset:
    """Return the first `n` samples, or all."""
    return ArrayDataset(source.x[:n], source.y[:n], source.name, source.classes)


def train(case: str, method: str, seed: int, device: str, quick: bool) -> Row:
    """Return the row of one run."""
    data, source_test, target_test = case_data(case, quick)
    objective, task = METHODS[method]
    task_or_spec: Any = task
    if case in ("usps", "mnist"):
        torch.manual_seed(seed)
        task_or_spec = DomainAdaptation(LeNet(), shape=data.shape, **parse(task)[0].arguments)
    steps, size = (3, 16) if quick else (CASES[case][0], BATCH)
    target: Any = data.target
    if method == "target labels":
        data = open_domains((labelled_target(case), target))
    looks = Looks(ArrayDataset(target.x[:2000]), target_test, max(1, steps // LOOKS))
    start = time.process_time()
    run = fit(
        task_or_spec, objective, data, steps=steps, batch_size=size, lr=LR, seed=seed,
        device=device, callbacks=[looks],
    )  # fmt: skip
    seconds = time.process_time() - start - looks.seconds
    adapted: Any = run.ema_model
    with torch.no_grad():
        h = [
            adapted.model.features(part.x[:1000].to(device)) for part in (source_test, target_test)
        ]
    sure, right = np.array(looks.records).T
    key = {
        "case": case,
        "method": method,
        "seed": seed,
        "objective": objective,
        "task": task,
        "steps": steps,
    }
    key |= {"device": device}
    return key | {
        "information": float(sure.max()),
        "accuracy": float(right[sure.argmax()]),
        "last": float(right[-1]),
        "oracle": float(right.max()),
        "source": accuracy(run.predict(source_test.x), source_test.y),  # type: ignore[arg-type]
        "a_distance": proxy_a_distance(*h),
        "cpu_seconds": round(seconds, 1),
        "health": run.health()["domain"].verdict,
    }


def peer(case: str, method: str, seed: int) -> Row:
    """Return the row of one run of another library, in its own environment."""
    data, _, target_test = case_data(case, quick=False)
    script, variant = PEERS[method]
    source: Any = data.sources[0]
    target: Any = data.target
    with tempfile.TemporaryDirectory() as folder:
        arrays: dict[str, Any] = {
            "x": source.x,
            "y": source.y,
            "target_x": target.x,
            "test_x": target_test.x,
        }
        np.savez(
            Path(folder) / "data.npz", **{name: values.numpy() for name, values in arrays.items()}
        )
        command = [
            os.environ["ADVLEARN_PEERS_DIGITS"],
            str(Path(__file__).parent / "peers" / script),
        ]
        command += [folder, variant, str(seed), str(CASES[case][0])]
        output = subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.splitlines()[-1]
        decided = np.load(Path(folder) / "decided.npy")
    right = accuracy(decided, target_test.y)  # type: ignore[arg-type]
    key = {"case": case, "method": method, "seed": seed, "steps": CASES[case][0]}
    return {**key, "accuracy": right, "last": right, **json.loads(output)}


def bars(result: Result) -> None:
    """Return the required bars from the rows; target labels never choose a method."""

    def by_method(case: str, name: str) -> dict[str, list[float]]:
        rows = [r for r in result.rows if r["case"] == case]
        # Other libraries have no figure without labels.
        return {
            m: [r[name] for r in rows if r["method"] == m]
            for m in dict.fromkeys(r["method"] for r in rows if r["method"] in METHODS)
        }

    for case, bar in (("full", 0.77), ("usps", 0.957), ("mnist", 0.964)):
        sure = {
            m: float(np.mean(v))
            for m, v in by_method(case, "information").items()
            if m not in BOUNDS
        }
        if sure:
            chosen = max(sure, key=lambda m: sure[m])
            found = float(np.mean(by_method(case, "accuracy")[chosen]))
            name = (
                f"{case}: mean target accuracy of {chosen}, "
                f"chosen by information maximisation of {len(sure)}"
            )
            result.bar(name, found, ">=", bar)
    small = by_method("small", "accuracy")
    for method in ("DANN, in turn", "DANN, reversal"):
        if method in small and "source only" in small:
            gain = float(np.mean(small[method]) - np.mean(small["source only"]))
            result.bar(f"small: {method}, over source only, mean", gain, ">=", 0.1)
            result.bar(f"small: range of {method}", float(np.ptp(small[method])), "<=", 0.05)


def main() -> None:
    """Compute the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--cases", nargs="*", default=list(CASES), help="small, full, usps, mnist")
    options = parser.parse_args()
    one_thread()
    result = Result("adapt_digits", quick=options.quick)
    cases, seeds = (["usps"], SEEDS[:1]) if options.quick else (options.cases, SEEDS)
    todo: list[dict[str, Any]] = [
        {"case": case, "method": method, "seed": seed}
        for case in cases
        for method in CASES[case][1]
        for seed in seeds
    ]
    if not options.report:
        compute(
            result, partial(train, device=options.device, quick=options.quick), todo, options.jobs
        )
        if os.environ.get("ADVLEARN_PEERS_DIGITS") and "small" in cases:
            compute(
                result,
                peer,
                [{"case": "small", "method": m, "seed": s} for m in PEERS for s in seeds],
                options.jobs,
            )
    bars(result)
    result.save()
    if not options.quick:
        picture(result)
    result.show(COLUMNS)


def picture(result: Result) -> None:
    """Plot every seed's accuracy by method, with a panel for each case."""
    from matplotlib.figure import Figure

    cases = [case for case in CASES if any(r["case"] == case for r in result.rows)]
    figure = Figure(figsize=(3.6 * len(cases) + 1.5, 4), layout="constrained")
    for place, case in enumerate(cases):
        rows = [r for r in result.rows if r["case"] == case]
        there = {r["method"] for r in rows}
        names = [method for method in (*METHODS, *PEERS) if method in there]
        axes = figure.add_subplot(1, len(cases), place + 1)
        axes.plot(
            [r["accuracy"] for r in rows], [names.index(r["method"]) for r in rows], "o", alpha=0.7
        )
        axes.set_yticks(range(len(names)), names)
        axes.set(title=case, xlabel="target accuracy", xlim=(0.4, 1.0))
        axes.grid(alpha=0.3)
    figure.savefig(RESULTS / "adapt_digits.png", dpi=90)


if __name__ == "__main__":
    main()
