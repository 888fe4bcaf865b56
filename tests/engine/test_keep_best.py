import pytest
import torch

from advlearn.engine.average import Average
from advlearn.engine.keep_best import KeepBest
from tests.engine.tiny import build


def test_the_run_ends_with_the_player_that_measured_best() -> None:
    seen: list[torch.Tensor] = []
    values = iter([0.1, 0.7, float("nan"), 0.3])

    def measure(task: torch.nn.Module) -> float:
        seen.append(next(task.parameters()).clone())
        return next(values)

    average, best = Average(0.9), KeepBest(measure, every=5)
    build(20, [average, best]).run()
    assert (best.best, best.best_step) == (0.7, 10)
    assert torch.equal(next(average.module.parameters()), seen[1])
    assert not torch.equal(seen[1], seen[3])


def test_what_is_best_survives_a_checkpoint() -> None:
    best, again = KeepBest(lambda _: 1.0, every=2), KeepBest(lambda _: 0.0, every=2)
    build(4, [Average(0.9), best]).run()
    again.load_state_dict(best.state_dict())
    build(4, [Average(0.9), again]).run()
    assert (again.best, again.best_step) == (1.0, 2)


def test_it_needs_an_average_before_it() -> None:
    with pytest.raises(ValueError, match=r"^callbacks: expected an Average before KeepBest"):
        build(4, [KeepBest(lambda _: 0.0, every=2), Average(0.9)]).run()
    with pytest.raises(ValueError, match=r"^every: expected at least 1, got 0$"):
        KeepBest(lambda _: 0.0, every=0)
