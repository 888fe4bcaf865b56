"""Compare the verdicts of `health` with states that are planted in four fields.

Every case builds a head with a small critic, puts it into a known state, and asks for the verdict
on a batch of 128 samples that no loss has used before. The fields and the samples of a critic:

- `images`: digits of 8 x 8 pixels against changed ones.
- `adaptation`: features and class probabilities of a source and a target domain.
- `fairness`: a model's output and the group, against the same outputs and permuted groups; and the
  verdict of the fair estimators on tables whose labels depend on an attribute, or do not.
- `imitation`: observations and discrete actions of an expert and of a policy.

The states: both sides alike, somewhat apart, far apart; a learner that collapsed; a critic trained
with swapped sides, without a gradient, saturated, without steps, with weights that are infinite or
too large, or without a look at the part that differs; a learner whose losses carry no gradient, or
that has moved past the critic; a batch of three samples; and a task gradient a million times
smaller. In `fairness` both sides are the same samples, so that nothing collapses or is far apart.
Ten seeds. A verdict is right if it begins with the words of its state.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from harness import Result, Row, arguments, compute
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.data import load
from advlearn.sklearn import AdversarialFairClassifier

SEEDS = tuple(range(10))
N, UPDATES = 128, 120
COLUMNS = ["field", "state", "seed", "right", "expected", "verdict"]
# The words with which the verdict on each state begins.
WORDS = {
    "alike": "indistinguishable",
    "somewhat apart": "in balance",
    "far apart": "critic winning",
    "collapsed": "learner collapsed",
    "swapped": "critic inverted",
    "no gradient": "critic dead",
    "saturated": "critic saturated",
    "no steps": "critic still",
    "infinite weights": "not finite",
    "large weights": "critic untrained or diverged",
    "blind": "critic blind",
    "detached": "learner detached",
    "passed": "critic lagging",
    "three samples": "too few samples",
    "small task gradient": "gradients apart",
}
# Both sides of a fairness head are the same samples, whose groups can be told only in part.
SHARED = tuple(s for s in WORDS if s not in ("far apart", "collapsed", "saturated", "passed"))
# Parts of the estimators' verdicts.
TABLES = {
    "groups depend": "outputs depend on",
    "groups independent": "no group found to differ",
    "number depends": "the outputs depend on it",
    "number independent": "no dependence found",
}
Samples = tuple[Tensor, Tensor]


@final
@dataclass(frozen=True)
class Field:
    """Draw samples of one field, and say what a critic sees of them.

    Args:
        draw: Function (n, distance, generator) -> both sides, `distance` apart.
        width: Numbers that a critic sees of a sample.
        seen: Numbers among them that are alike on both sides.
        near: Distance of sides that a critic can tell apart in part.
        clear: Distance of sides that a test tells apart on one batch.
    """

    draw: Callable[[int, float, torch.Generator], tuple[Samples, Samples]]
    width: int
    seen: int
    near: float
    clear: float


@final
class Critic(nn.Module):
    """Score the joined parts of a sample, of which it sees the first numbers only."""

    def __init__(self, width: int, seen: int) -> None:
        super().__init__()
        self.seen = seen
        self.layers = nn.Sequential(nn.Linear(seen, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
        self.dead = False

    def forward(self, *parts: Tensor) -> Tensor:
        joined = torch.cat(
            [p.flatten(1) if p.is_floating_point() else one_hot(p) for p in parts], 1
        )
        score = self.layers(joined[:, : self.seen])[:, 0]
        return score * 0.0 if self.dead else score


def one_hot(codes: Tensor) -> Tensor:
    return nn.functional.one_hot(codes, 2).float()


@cache
def digits() -> Tensor:
    return load("digits").x


def images(n: int, distance: float, generator: torch.Generator) -> tuple[Samples, Samples]:
    """Return digits, and digits whose lower half is brighter."""
    x = digits()
    rows = torch.randperm(len(x), generator=generator)[: 2 * n]
    real, fake = x[rows[:n]], x[rows[n:]].clone()
    fake[:, :, 4:] += distance
    return (real, real.new_zeros(n, 0)), (fake, fake.new_zeros(n, 0))


def domains(n: int, distance: float, generator: torch.Generator) -> tuple[Samples, Samples]:
    """Return features and class probabilities of a source, and of a target that is moved."""
    sides: list[Samples] = []
    for shift in (0.0, distance):
        h = torch.randn(n, 8, generator=generator)
        logits = 0.5 * torch.randn(n, 2, generator=generator)
        sides.append((h, logits.softmax(1) + torch.tensor([shift, 0.0])))
    return sides[0], sides[1]


def pairs(n: int, distance: float, generator: torch.Generator) -> tuple[Samples, Samples]:
    """Return outputs with permuted groups, and with their own groups, on which they depend."""
    a = torch.randint(0, 2, (n,), generator=generator)
    h = torch.randn(n, 1, generator=generator) + distance * (a[:, None] - 0.5)
    return (h, a[torch.randperm(n, generator=generator)]), (h, a)


def behaviour(n: int, distance: float, generator: torch.Generator) -> tuple[Samples, Samples]:
    """Return observations and actions of an expert, and of a policy that acts differently.

    A policy that is far from the expert also comes to other observations.
    """
    sides: list[Samples] = []
    for shift in (0.0, distance):
        x = torch.randn(n, 4, generator=generator) + max(0.0, shift - 2.0)
        noise = torch.randn(n, generator=generator)
        sides.append((x, (x[:, 0] + 0.5 * noise + shift > 0).long()))
    return sides[0], sides[1]


FIELDS = {
    "images": Field(images, 64, 32, 0.05, 0.4),
    "adaptation": Field(domains, 10, 8, 0.1, 0.3),
    "fairness": Field(pairs, 3, 1, 2.0, 2.0),
    "imitation": Field(behaviour, 6, 4, 1.0, 2.0),
}
FAR = 10.0


def prepared(
    field: Field, state: str, seed: int
) -> tuple[Adversary, Callable[[float, int], tuple[Samples, Samples]]]:
    """Return a head with a new critic, and a source of batches."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    critic = Critic(field.width, field.seen if state == "blind" else field.width)
    spec = "gan" if state == "saturated" else "nsgan"
    lr = 0.0 if state == "no steps" else 3e-3
    adversary = Adversary(critic, spec, optimizer=lambda p: torch.optim.Adam(p, lr=lr))
    return adversary, lambda distance, n: field.draw(n, distance, generator)


def distance_of(field: Field, state: str) -> float:
    """Return how far the sides are apart in a state."""
    if state in ("alike", "large weights"):
        return 0.0
    if state == "blind":
        return field.clear
    return FAR if state in ("far apart", "saturated") else field.near


def report(adversary: Adversary, real: Samples, fake: Samples, **figures: Any) -> str:
    """Return the verdict after one loss of the learner."""
    fake = (fake[0].clone().requires_grad_(), *fake[1:])
    adversary.player_loss(real, fake)
    return adversary.health(**figures).verdict


def planted(name: str, state: str, seed: int, updates: int) -> str:
    """Return the verdict on a head in a planted state."""
    field = FIELDS[name]
    adversary, batch = prepared(field, state, seed)
    distance = distance_of(field, state)
    for _ in range(0 if state in ("large weights", "infinite weights") else updates):
        real, fake = batch(distance, N)
        adversary.update(*((fake, real) if state == "swapped" else (real, fake)))
        if state == "detached":
            with torch.no_grad():
                adversary.player_loss(real, fake)
    real, fake = batch(distance, 3 if state == "three samples" else N)
    if state == "collapsed":
        fake = (fake[0][:1] + 1e-3 * (fake[0] - fake[0].mean(0)), fake[1])
    if state == "detached":
        return adversary.health().verdict
    if state == "no steps":
        report(adversary, real, fake)
        adversary.update(*batch(distance, N))
    if state == "passed":
        report(adversary, real, fake)
        # The critic makes one more step, which does not suffice to follow.
        adversary.update(*batch(-distance, N))
        real, fake = batch(-distance, N)
    change(adversary, state)
    figures = {"task_gradient": 1e-9} if state == "small task gradient" else {}
    return report(adversary, real, fake, **figures)


def change(adversary: Adversary, state: str) -> None:
    """Change the critic as a state says."""
    critic = adversary.critic
    critic.dead = state == "no gradient"
    scale = {"infinite weights": float("inf"), "large weights": 30.0, "saturated": 300.0}
    with torch.no_grad():
        critic.layers[2].weight *= scale.get(state, 1.0)


def of_table(state: str, seed: int, steps: int) -> str:
    """Return the verdict of a fair estimator without protection on a table."""
    rng = np.random.default_rng(seed)
    attribute = rng.normal(size=2000)
    share = 0.8 if state.endswith(("depend", "depends")) else 0.0
    x = rng.normal(size=(2000, 3))
    x[:, 0] += share * attribute
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    column = attribute if state.startswith("number") else np.where(attribute > 1, "few", "many")
    model = AdversarialFairClassifier(adversarial_weight=0.0, steps=steps, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y, sensitive_features={"attribute": column})
    return model.health_["attribute"]


def row(field: str, state: str, seed: int, quick: bool = False) -> Row:
    """Return the row of one planted state."""
    if state in TABLES:
        verdict = of_table(state, seed, 4 if quick else 150)
        expected, right = TABLES[state], TABLES[state] in verdict
    else:
        verdict = planted(field, state, seed, 12 if quick else UPDATES)
        expected, right = WORDS[state], verdict.startswith(WORDS[state])
    key = {"field": field, "state": state, "seed": seed}
    return {**key, "right": right, "expected": expected, "verdict": verdict}


def cases() -> Iterator[tuple[str, str]]:
    """Yield each field with each of its states."""
    for field in FIELDS:
        states = (*SHARED, *TABLES) if field == "fairness" else tuple(WORDS)
        yield from ((field, state) for state in states)


def bars(result: Result) -> None:
    """Add the required bars."""
    for field in FIELDS:
        right = [r["right"] for r in result.rows if r["field"] == field]
        result.bar(f"{field}: share of right verdicts", float(np.mean(right)), ">=", 0.95)


def main() -> None:
    options = arguments(__doc__).parse_args()
    quick = options.quick
    result = Result(Path(__file__).stem, quick=quick)
    todo: list[Row] = [
        {"field": field, "state": state, "seed": seed}
        for field, state in cases()
        for seed in (SEEDS[:1] if quick else SEEDS)
    ]
    if quick:
        for key in todo:
            result.add(row(**key, quick=True))
    elif not options.report:
        compute(result, row, todo, options.jobs)
    bars(result)
    result.save()
    wrong = [r for r in result.rows if not r["right"]]
    result.show(COLUMNS, wrong)


if __name__ == "__main__":
    main()
