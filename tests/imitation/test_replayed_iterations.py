"""Iterations of `DevicePPO` that are replayed on a CPU equal eager ones, bit for bit.

Recorded operators replace CUDA graphs: a replay computes them again and runs no Python.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn_envs import Acrobot, CartPole, MountainCarContinuous, Pendulum
from stable_baselines3.common.callbacks import BaseCallback

from advlearn.core import distributed
from advlearn.imitation import imitate
from advlearn.imitation.on_device import stage as staging
from advlearn.imitation.on_device.iteration import FixedIteration
from advlearn.imitation.on_device.rollout import why_not
from advlearn.imitation.on_device.stage import Stage, kept_tensors
from advlearn.testing._operator_graphs import OperatorGraphs
from advlearn.testing._replays import without_host_exchanges
from tests.device.failing import FailingGraphs
from tests.head.spawned import Results, in_two_processes
from tests.imitation.batches import N, T, cartpole, expert, maze
from tests.imitation.test_fixed_iterations import fixed
from tests.training.tiny import same

ITERATIONS = 6
METHODS = ("gail", "gail + r1(weight=1)", "airl", "fairl", "wgan-gp", "vail", "gmmil")
CPU = torch.device("cpu")


def trained(
    method: str,
    make: Any,
    replayed: bool,
    environment: Any = None,
    graphs: Any = OperatorGraphs,
    callbacks: Sequence[BaseCallback] = (),
) -> tuple[Any, list[Stage]]:
    """Return a run, and its stages: rollout, learned reward and passes."""
    of_reward, stages = FixedIteration.of_reward, list[Stage]()

    def noted(self: FixedIteration, *args: Any, **kwargs: Any) -> Stage:
        stages.extend((self.collect, of_reward(self, *args, **kwargs), self.learn))
        return stages[1]

    def graphs_on(device: torch.device, generators: Any) -> Any:
        return graphs(device, generators) if replayed else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FixedIteration, "of_reward", noted)
        patch.setattr(staging, "graphs_on", graphs_on)
        learner = fixed(environment or make(), batch_size=N * T // 2)
        steps = ITERATIONS * N * T // distributed.world_size()
        settings: dict[str, Any] = {"batch_size": 8, "critic_steps": 2, "quiet": True}
        run = imitate(
            expert(make()), method, steps=steps, algorithm=learner, callbacks=callbacks, **settings
        )
    return run, stages


def assert_equal(run: Any, other: Any) -> None:
    """Compare the states and the curves of two runs."""
    head, reference = run.reward.adversary, other.reward.adversary
    for one, two in ((run.policy.policy, other.policy.policy), (head, reference)):
        assert same(one.state_dict(), two.state_dict())
    assert head.steps_done == reference.steps_done
    assert head.steps_done == (0 if head.optimizer is None else 2 * len(run.history))
    assert head._history.rewards == reference._history.rewards
    assert head._history.critic_steps == reference._history.critic_steps
    timed = {"seconds", "steps_per_second"}
    for row, expected in zip(run.history, other.history, strict=True):
        found = {k: v for k, v in row.items() if k not in timed}
        assert found == pytest.approx({k: expected[k] for k in found}, nan_ok=True, rel=0, abs=0)


@pytest.mark.parametrize(
    ("method", "make"), [*((method, cartpole) for method in METHODS), ("gail", maze)]
)
def test_replayed_iterations_equal_eager_ones(method: str, make: Any) -> None:
    run, stages = trained(method, make, replayed=True)
    other, _ = trained(method, make, replayed=False)
    assert [stage.reason for stage in stages] == ["", "", ""]
    assert all(stage.captured for stage in stages)
    assert_equal(run, other)


@pytest.mark.parametrize("env", [Acrobot, Pendulum, MountainCarContinuous])
def test_rollouts_of_every_environment_are_replayed(env: Any) -> None:
    make = partial(env, N)
    run, stages = trained("gail", make, replayed=True)
    other, _ = trained("gail", make, replayed=False)
    assert all(stage.captured for stage in stages)
    assert_equal(run, other)


@pytest.mark.parametrize("operator", [1, 60, 200, 500, None])
def test_parts_that_cannot_be_captured_run_eagerly_with_equal_results(
    operator: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    run, stages = trained("gail", cartpole, True, graphs=partial(FailingGraphs, operator=operator))
    other, _ = trained("gail", cartpole, replayed=False)
    assert [stage.reason for stage in stages] == 3 * ["no memory for a graph"]
    assert capsys.readouterr().err.count("runs eagerly, since no memory for a graph\n") == 3
    assert_equal(run, other)


class Launched(CartPole):
    """Move the carts in numpy, as another library does in arrays that torch sees as tensors."""

    def __init__(self) -> None:
        super().__init__(N, time_limit=14)
        self._given, self._moved = self._zeros(self.STATE), self._zeros(self.STATE)
        self._arrays = self._given.numpy(), self._moved.numpy()
        self.launches = 0

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self._given.copy_(state)
        self._given[0].add_(actions - 0.5)
        self.launcher(self._launch)
        after = self._moved.clone()
        return after, torch.ones(N), after[0].abs() > 1

    def _launch(self) -> None:
        self.launches += 1
        self._arrays[1][...] = 0.9 * self._arrays[0]


def test_a_launch_of_another_library_is_made_between_the_graphs_of_a_rollout() -> None:
    environment = Launched()
    run, stages = trained("gail", Launched, True, environment)
    other, _ = trained("gail", Launched, replayed=False)
    assert all(stage.captured for stage in stages)
    assert_equal(run, other)
    # The stand-in computes the rollout once more as it records it.
    assert environment.launches == (ITERATIONS + 1) * T


class Discounts(BaseCallback):
    """Set a number of the rollout buffer at the start of the fifth rollout."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.rollouts = name, 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.rollouts += 1
        if self.rollouts == 5:
            setattr(self.model.rollout_buffer, self.name, 0.5)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["gamma", "gae_lambda"])
def test_parts_are_captured_again_with_other_discounts(name: str) -> None:
    run, _ = trained("gail", cartpole, True, callbacks=[Discounts(name)])
    other, _ = trained("gail", cartpole, False, callbacks=[Discounts(name)])
    plain, _ = trained("gail", cartpole, False)
    assert_equal(run, other)
    weights = [run.policy.policy.value_net.weight for run in (other, plain)]
    assert not torch.equal(*weights)


def test_a_number_that_a_part_counts_on_the_host_is_named() -> None:
    _, stages = trained("gail + r1(every=2)", cartpole, replayed=True)
    assert re.fullmatch(r"it changes \w+\.\w+ from \d+ to \d+ on the host", stages[1].reason)


class OnHost(CartPole):
    capturable = False


class Mine(CartPole):
    """Have attributes of the names that captured batches use, for something else."""

    def __init__(self) -> None:
        super().__init__(N, time_limit=14)
        self.generator = np.random.default_rng(0)  # type: ignore[assignment]
        self.launcher = "a rocket"  # type: ignore[assignment]
        self.capturable = False

    def reset(self, seed: int | None = None) -> Tensor:
        return super().reset()

    def _draw(self) -> Tensor:
        return self._zeros(self.STATE)


def test_own_batches_say_whether_they_can_be_captured() -> None:
    assert why_not(OnHost(2)) == "OnHost steps on the host"
    environment = Mine()
    _, stages = trained("gail", Mine, True, environment)
    assert [stage.reason for stage in stages] == ["Mine steps on the host", "", ""]
    assert environment.launcher == "a rocket"


def of_processes(method: str, rank: int, world: int) -> Results:
    """Compare replayed iterations of several processes with eager ones."""
    with without_host_exchanges():
        run, stages = trained(method, cartpole, replayed=True)
        other, _ = trained(method, cartpole, replayed=False)
    assert [stage.reason for stage in stages] == ["", "", ""]
    # An NCCL group ends only when no graph holds its collectives.
    assert not any(stage.captured for stage in stages)
    assert_equal(run, other)
    return {"weights": nn.utils.parameters_to_vector(run.policy.policy.parameters()).detach()}


def test_replayed_iterations_of_two_processes_equal_eager_ones() -> None:
    methods = ("gail", "wgan-gp", "gmmil")
    jobs: dict[str, Any] = {method: partial(of_processes, method) for method in methods}
    first, second = in_two_processes({**jobs, "capture": other_capture})
    for each in (first, second):
        assert str(each["capture"]).startswith("ValueError: processes: expected the same capture")
    for method in methods:
        one, two = first[method], second[method]
        assert isinstance(one, dict) and isinstance(two, dict), (one, two)
        assert torch.equal(one["weights"], two["weights"])


def other_capture(rank: int, world: int) -> Results:
    learner = fixed(cartpole())
    learner.capture = bool(rank)
    learner.learn(N * T)
    return {}


def changing(rank: int, world: int) -> Results:
    """Replace a tensor of a captured part in the second process only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "graphs_on", OperatorGraphs)
        module, total = nn.Linear(2, 1), torch.zeros(2)

        def run() -> None:
            total.add_(distributed.mean(module.weight[0].detach()))

        part = Stage("it", run, tensors=lambda: kept_tensors(module, None))
        captured: list[bool] = []
        for k in range(8):
            if k == 5 and rank == 1:
                module.weight = nn.Parameter(module.weight.detach().clone())
            part()
            captured.append(part.captured)
    return {"captured": captured}


def test_all_processes_capture_again_where_a_tensor_of_one_changed() -> None:
    expected = [False, False, True, True, True, False, False, True]
    for found in in_two_processes({"changing": changing}):
        assert found["changing"] == {"captured": expected}
