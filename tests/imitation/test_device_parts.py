"""The parts of `DevicePPO`: buffer, recording and distributions, without host synchronisation."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn_envs.batched import BatchedEnv
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn import Adversary
from advlearn.imitation import Encoder, LearnedReward
from advlearn.imitation.on_device import (
    DeviceCategorical,
    DeviceRecording,
    DeviceRolloutBuffer,
    EpisodeCounter,
)
from advlearn.imitation.sb3 import OnPolicyReward
from advlearn.testing.no_sync import NoSync
from tests.imitation.batches import N, T, cartpole, expert, maze, on_device


def test_advantages_and_returns_equal_those_by_hand_and_minibatches_hold_every_row_once() -> None:
    one = spaces.Box(-9, 9, (1,))
    buffer = DeviceRolloutBuffer(
        3, one, spaces.Discrete(2), "cpu", gae_lambda=0.5, gamma=0.5, n_envs=2
    )
    rewards, values = [[1, 0], [2, 1], [3, 2]], [[1, 1], [2, 0], [0, 1]]
    starts = [[1, 1], [0, 1], [0, 0]]  # the second environment's episode ended with its first step
    for t in range(3):
        observations = torch.tensor([[2.0 * t], [2.0 * t + 1]])
        columns = (torch.tensor(column[t]).float() for column in (rewards, starts, values))
        buffer.add(observations, observations[:, 0].long() % 2, *columns, -observations[:, 0])
    with pytest.raises(RuntimeError, match="get: expected a buffer of 3 steps, got 0"):
        next(DeviceRolloutBuffer(3, one, one, "cpu").get())
    buffer.compute_returns_and_advantage(torch.tensor([[9.0], [4.0]]), torch.tensor([True, False]))
    # Backwards, the errors are 3, 0, 1 and 3, 1.5, -1. Each advantage adds a quarter of the next
    # one, except at an end.
    by_hand = torch.tensor([[1.1875, -1], [0.75, 2.25], [3, 3]])
    assert torch.equal(buffer.advantages, by_hand)
    assert torch.equal(torch.as_tensor(buffer.returns), by_hand + torch.tensor(values))
    torch.manual_seed(0)
    parts = list(buffer.get(4))
    assert [len(part.returns) for part in parts] == [4, 2]
    whole = [torch.cat(column) for column in zip(*parts, strict=True)]
    order = whole[0][:, 0].long()
    assert sorted(order.tolist()) == list(range(6)) != order.tolist()
    assert torch.equal(whole[1][:, 0], order % 2) and torch.equal(whole[3], -order.float())
    assert torch.equal(whole[4], by_hand.flatten()[order])
    assert buffer.values.shape == buffer.returns.shape == (3, 2)
    torch.manual_seed(0)
    assert torch.equal(torch.cat([part.old_values for part in buffer.get(4)]), whole[2])


def test_the_recording_returns_zero_rewards_and_keeps_the_environments_steps() -> None:
    inner, env = maze(), DeviceRecording(EpisodeCounter(maze()))
    before = inner.reset(3)
    assert torch.equal(env.reset(3), before) and env.time_limit == 5
    rows, total = [], torch.zeros(N)
    for t in range(7):
        actions = torch.full((N, 2), 0.1 * t)
        step, recorded = inner.step(actions), env.step(actions)
        assert torch.equal(recorded.observations, step.observations)
        assert (recorded.rewards == 0).all()
        rows.append((before, actions, step.final_observations, step.terminated))
        before = step.observations
        total += step.rewards if t < 5 else 0
    for column, expected in zip(env.take(), zip(*rows, strict=True), strict=True):
        assert torch.equal(column, torch.cat(expected))
    episodes = env.batch.take(4)  # type: ignore[attr-defined]
    assert [e["l"] for e in episodes] == [5] * 4
    assert [e["r"] for e in episodes] == pytest.approx(total[-4:].tolist())
    assert env.batch.take(4) == []  # type: ignore[attr-defined]
    env.reset()
    for _ in range(5):
        env.step(torch.zeros(N, 2))
    assert [e["l"] for e in env.batch.take(9)] == [5] * N  # type: ignore[attr-defined]


class Operators(TorchDispatchMode):
    """Collect the names of the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names.add(str(func))
        return func(*args, **(kwargs or {}))


class NoWaits(BaseCallback):
    """Fail on a host synchronisation between the first and the last step of a rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.operators = Operators()

    def _on_step(self) -> bool:
        assert all(
            isinstance(self.locals[name], torch.Tensor)
            for name in ("actions", "rewards", "dones", "new_obs")
        )
        self.steps += 1
        if self.steps % T == 1:
            self.guard = NoSync().__enter__()
            self.operators.__enter__()
        elif self.steps % T == 0:
            self.operators.__exit__(None, None, None)
            self.guard.__exit__(None, None, None)
        return True


@pytest.mark.parametrize("make", [cartpole, maze])
@pytest.mark.parametrize("recorded", [False, True])
def test_no_step_of_a_rollout_waits_for_the_device(
    make: Callable[[], BatchedEnv], recorded: bool
) -> None:
    learner, watched = on_device(make()), NoWaits()
    if recorded:
        learner.record()
    learner.learn(2 * N * T, callback=watched)
    assert watched.steps == 2 * T and "aten.tanh.default" in watched.operators.names
    # These two operators read their arguments on the host, which the detector cannot find.
    assert not {
        name
        for name in watched.operators.names
        if name.startswith(("aten.multinomial", "aten.normal."))
    }


def test_neither_rewards_nor_advantages_wait_for_the_device() -> None:
    learner = on_device(cartpole())
    demos = expert(cartpole()).transitions()
    encoder = Encoder(demos, choices=2)
    adversary = Adversary(torch.nn.Linear(encoder.width, 1), "gan")
    learned = LearnedReward(adversary, encoder, demos, reward_shape="logit", gamma=learner.gamma)
    callback = OnPolicyReward(learned, learner.record(), critic_steps=2, batch_size=8)
    end, before = callback._on_rollout_end, [p.clone() for p in adversary.parameters()]
    # The head looks at its first batch.
    ends = iter([end])

    def guarded() -> None:
        first = next(ends, None)
        if first is not None:
            first()
            return
        with NoSync():
            end()

    callback._on_rollout_end = guarded  # type: ignore[method-assign]
    learner.learn(2 * N * T, callback=callback)
    assert not any(torch.equal(a, b) for a, b in zip(before, adversary.parameters(), strict=True))


def test_actions_equal_the_draws_of_torch() -> None:
    logits = torch.randn(200, 5)
    distribution = DeviceCategorical(5).proba_distribution(logits)
    reference = torch.distributions.Categorical(logits=logits)
    torch.manual_seed(1)
    actions = distribution.sample()
    torch.manual_seed(1)
    assert torch.equal(actions, reference.sample())
    assert torch.equal(distribution.log_prob(actions), reference.log_prob(actions))
