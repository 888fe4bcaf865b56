"""Measure the cost of an adversary on a model against hand-written loops.

- `domain`: the network of the DANN paper, 64 + 64 colour images of 28 x 28, a domain critic of 2 x
  128. The hand-written DANN loop reverses the gradient, with a ramp, in one backward pass.
- `fairness`: UCI Adult, 107 features, a critic of 2 x 64 on the logit. `plain` is a tight loop
  without any adversary, and `by hand` is the same loop with a critic after a gradient reversal, so
  it shows the cost of the adversary without the library.

The rows of advlearn time the step that `fit` makes, including the moving average of the weights,
with gradient reversal and with alternating steps. All loops of a case take steps in turn, in
blocks; a ratio is the median over rounds of CPU time in one thread.
"""

import statistics
import time
from collections.abc import Callable
from itertools import cycle, pairwise
from typing import Any

import torch
from harness import Result, Row, arguments, one_thread
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from advlearn.core.adversary import Adversary
from advlearn.core.gradient_reversal import reverse_gradient
from advlearn.core.grammar import resolve
from advlearn.core.optim import adam
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer
from advlearn.critics import build as build_critics
from advlearn.data import ArrayDataset, Domains, TabularDataset, adult, batches
from advlearn.nets import ConvPredictor, MLPPredictor
from advlearn.tasks.domain_adaptation import DomainAdaptation
from advlearn.tasks.fairness import Fairness
from advlearn.training.ema import EMA

LR, BETAS = 1e-3, (0.5, 0.999)
DOMAIN, FAIRNESS = "domain, batch 64 + 64", "fairness, batch 512, model 64"
Step = Callable[[], None]
COLUMNS = ["case", "loop", "milliseconds", "over", "ratio", "ratio_low", "ratio_high", "rounds"]


def perceptron(*sizes: int) -> nn.Sequential:
    """Return a perceptron with the activation of the library's critics."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


def library_step(task: Task, objective: str, data: Any, batch: int) -> Step:
    """Return the step that `fit` makes for a task."""
    chain = task.adapt_objective(resolve(objective))
    adversaries = {
        name: Adversary(critic, chain) for name, critic in build_critics(task, chain).items()
    }
    average = EMA()
    trainer = Trainer(
        task, adversaries, batches(data, batch), steps=10**6, lr=LR, callbacks=[average]
    )
    average.on_start(trainer)

    def step() -> None:
        trainer._train_step()
        average.on_step(trainer)

    return step


def dann(data: Domains, batch: int) -> Step:
    """Return a hand-written step of domain-adversarial training."""
    model, critic = ConvPredictor((3, 28, 28), 10), perceptron(768, 128, 128, 1)
    optimizers = [adam(list(m.parameters()), lr=LR, betas=BETAS) for m in (model, critic)]
    stream = batches(data, batch)
    answers = torch.cat([torch.ones(batch), torch.zeros(batch)])

    def step() -> None:
        xs, ys, xt, _ = next(stream)
        for optimizer in optimizers:
            optimizer.zero_grad()
        h = model.features(torch.cat([xs, xt]))
        scores = critic(reverse_gradient(h, 0.5))[:, 0]
        loss = cross_entropy(model.head(h[:batch]), ys) + binary_cross_entropy_with_logits(
            scores, answers
        )
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()

    return step


def fairness_by_hand(
    data: TabularDataset, batch: int, hidden: tuple[int, ...], *, head: bool
) -> Step:
    """Return a step of a classifier, with or without an adversary on its logit."""
    model, critic = MLPPredictor(data.shape, 1, hidden), perceptron(1, 64, 64, 2)
    optimizers = [
        adam(list(m.parameters()), lr=LR, betas=BETAS)
        for m in ((model, critic) if head else (model,))
    ]
    stream = batches(data, batch)

    def step() -> None:
        x, y, a = next(stream)
        for optimizer in optimizers:
            optimizer.zero_grad()
        logit = model(x)
        loss = binary_cross_entropy_with_logits(logit, y.float())
        if head:
            scores = critic(reverse_gradient(logit[:, None]))
            loss = loss + cross_entropy(scores, a)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()

    return step


def domain_loops(quick: bool) -> dict[str, Step]:
    """Return the loops of the domain case, the reference first."""
    n, batch = (80, 8) if quick else (2000, 64)
    generator = torch.Generator().manual_seed(0)
    xs, xt = (torch.rand(n, 3, 28, 28, generator=generator) for _ in range(2))
    data = Domains((ArrayDataset(xs, torch.arange(n) % 10, classes=10),), ArrayDataset(xt))
    loops = {"by hand, reversal": dann(data, batch)}
    for loop, gradient_reversal, objective in (
        ("advlearn, reversal", True, "gan"),
        ("advlearn, in turn", False, "nsgan"),
    ):
        task = DomainAdaptation(
            ConvPredictor((3, 28, 28), 10), shape=(3, 28, 28), gradient_reversal=gradient_reversal
        )
        loops[loop] = library_step(task, objective, data, batch)
    return loops


def fairness_loops(data: TabularDataset, batch: int, hidden: tuple[int, ...]) -> dict[str, Step]:
    """Return the loops of a fairness case, the plain one first."""
    loops = {
        "plain": fairness_by_hand(data, batch, hidden, head=False),
        "by hand, reversal": fairness_by_hand(data, batch, hidden, head=True),
    }
    for loop, gradient_reversal in (("advlearn, reversal", True), ("advlearn, in turn", False)):
        task = Fairness(
            MLPPredictor(data.shape, 1, hidden),
            shape=data.shape,
            attributes=data.attributes,
            gradient_reversal=gradient_reversal,
        )
        loops[loop] = library_step(task, "predictive", data, batch)
    return loops


def timed(case: str, loops: dict[str, Step], rounds: int, block: int) -> list[Row]:
    """Time the loops of a case in turn; return a row for each, with its ratio to the first."""
    times: dict[str, list[float]] = {loop: [] for loop in loops}
    for step in loops.values():
        for _ in range(min(block, 5)):
            step()
    order = list(loops)
    for _, start in zip(range(rounds), cycle(range(len(order))), strict=False):
        for loop in order[start:] + order[:start]:
            began = time.process_time()
            for _ in range(block):
                loops[loop]()
            times[loop].append((time.process_time() - began) / block)
    base = times[order[0]]
    rows: list[Row] = []
    for loop, taken in times.items():
        ratios = sorted(a / b for a, b in zip(taken, base, strict=True))
        rows.append(
            {
                "case": case,
                "loop": loop,
                "milliseconds": 1e3 * statistics.median(taken),
                "over": order[0],
                "ratio": statistics.median(ratios),
                "ratio_low": ratios[len(ratios) // 4],
                "ratio_high": ratios[3 * len(ratios) // 4],
                "rounds": rounds,
            }
        )
    return rows


def main() -> None:
    """Time every case again, since loops of two runs cannot be compared."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    torch.manual_seed(0)
    result = Result("head_speed", quick=options.quick)
    if not options.report:
        result.start_again()
        rounds, many = (2, 2) if options.quick else (21, 60)
        cases = [(DOMAIN, domain_loops(options.quick), max(1, many // 20))]
        read = adult("train")
        census = TabularDataset(
            read.x, read.y, {"sex": read.sensitive["sex"]}, {"sex": read.sensitive_names["sex"]}
        )
        for batch, hidden in ((256, (64,)), (512, (64,)), (2048, (64,)), (512, (256, 256))):
            name = f"fairness, batch {batch}, model {' x '.join(map(str, hidden))}"
            cases.append((name, fairness_loops(census, batch, hidden), many))
        for name, loops, block in cases:
            for row in timed(name, loops, rounds, block):
                result.add(row)
    ratios = {r["case"]: r["ratio"] for r in result.rows if r["loop"] == "advlearn, reversal"}
    result.bar(
        "domain head, samples a second over the hand-written loop", 1 / ratios[DOMAIN], ">=", 0.95
    )
    result.bar("fairness head, step over the plain one", ratios[FAIRNESS], "<=", 1.3)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
