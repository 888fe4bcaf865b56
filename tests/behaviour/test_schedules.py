"""Learning rates: the courses in closed form, and the rates of each step of a run."""

import math
from typing import Any

import pytest
import torch

from advlearn.core.grammar import resolve
from advlearn.core.schedules import dann_schedule, factor
from advlearn.core.trainer import Callback, Trainer
from advlearn.fitting import fit
from tests.training.tiny import Tiny, build

STEPS = 8
COURSES: dict[Any, Any] = {
    "constant": lambda share: 1.0,
    "linear": lambda share: 1 - share,
    "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
}


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("constant", (1.0, 1.0, 1.0, 1.0, 1.0)),
        ("linear", (1.0, 0.75, 0.5, 0.25, 0.0)),
        # cos 45 degrees is the root of a half.
        ("cosine", (1.0, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5, 0.0)),
    ],
)
def test_the_factor_at_every_quarter(schedule: Any, values: tuple[float, ...]) -> None:
    found = [factor(schedule, quarter / 4) for quarter in range(5)]
    assert found == pytest.approx(values, abs=1e-12)


def test_the_weight_of_dann_is_a_hyperbolic_tangent() -> None:
    """2 / (1 + exp(-10 p)) - 1 = tanh(5 p)."""
    found = [dann_schedule(p) for p in (0.0, 0.02, 0.1, 0.5, 1.0)]
    assert found == pytest.approx([math.tanh(5 * p) for p in (0.0, 0.02, 0.1, 0.5, 1.0)])


class Rates(Callback):
    """Store the learning rates of both sides with which each step was made."""

    def __init__(self) -> None:
        self.found: list[tuple[int, float, float]] = []

    def on_step(self, trainer: Trainer) -> None:
        optimizers = (trainer.optimizer, trainer.adversaries["data"].optimizer)
        learner, critic = (float(o.param_groups[0]["lr"]) for o in optimizers if o is not None)
        self.found.append((trainer.step, learner, critic))


@pytest.mark.parametrize("schedule", COURSES)
def test_every_step_has_the_rate_of_the_steps_before_it(schedule: Any) -> None:
    """The first step has the whole rate, and none has the rate of zero that ends the course."""
    rates = Rates()
    base = build(STEPS)
    adversary = base.adversaries["data"]
    before = float(adversary.optimizer.param_groups[0]["lr"])
    trainer = Trainer(
        base.task, base.adversaries, base.data,
        steps=STEPS, lr=0.01, schedule=schedule, callbacks=[rates],
    )  # fmt: skip
    trainer.run()
    assert isinstance(trainer.task, Tiny) and [step for step, *_ in rates.found] == [*range(1, 9)]
    factors = [COURSES[schedule](step / STEPS) for step in range(STEPS)]
    assert [rate for _, rate, _ in rates.found] == pytest.approx([0.01 * f for f in factors])
    assert [rate for *_, rate in rates.found] == pytest.approx([before * f for f in factors])


def test_fit_uses_the_schedule_of_the_objective() -> None:
    """R3GAN anneals its rates by a cosine."""
    assert resolve("r3gan").defaults.schedule == "cosine"
    rates = Rates()
    torch.manual_seed(0)
    fit(
        "generate(latent=2)", "r3gan", torch.randn(16, 2),
        steps=4, batch_size=8, device="cpu", callbacks=(rates,),
    )  # fmt: skip
    expected = [2e-4 * COURSES["cosine"](step / 4) for step in range(4)]
    assert [rate for _, rate, _ in rates.found] == pytest.approx(expected)
    assert [rate for *_, rate in rates.found] == pytest.approx(expected)
