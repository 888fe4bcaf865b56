"""The rewards in the buffers of stable-baselines3, against hand-written references."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback

from advlearn import Adversary
from advlearn.imitation import Encoder, LearnedReward, Transitions, imitate
from advlearn.imitation.rewards import ReturnScale
from advlearn.imitation.sb3 import OnPolicyReward, RecordingVecEnv, RelabelingReplayBuffer
from tests.imitation.counting import always_one, counting, small


def test_the_recording_hides_the_reward_and_keeps_the_last_observation() -> None:
    env = RecordingVecEnv(counting(1))
    assert env.reset()[0, 0] == 0
    for action in (1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0):  # terminated at 10, then truncated at 6
        _, rewards, _, infos = env.step(np.array([action]))
        assert rewards[0] == 0 and infos[0]["true_reward"] == 5
    steps = env.take()
    assert steps.observations[:, 0].tolist() == [0, 2, 4, 6, 8, 0, 1, 2, 3, 4, 5]
    assert steps.next_observations[:, 0].tolist() == [2, 4, 6, 8, 10, 1, 2, 3, 4, 5, 6]
    assert steps.terminated.tolist() == [False] * 4 + [True] + [False] * 6


class Look(BaseCallback):
    """Copy the rollout buffer at the end of a rollout."""

    def __init__(self, recording: RecordingVecEnv) -> None:
        super().__init__()
        self.recording = recording

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer  # type: ignore[attr-defined]
        names = ("rewards", "values", "returns", "advantages", "episode_starts")
        self.columns = {name: getattr(buffer, name).copy() for name in names}
        self.steps = list(self.recording.recorder._steps)
        self.last = self.locals["values"].numpy()[:, 0], self.locals["dones"].copy()


def test_rewards_are_added_to_the_values_at_time_limits_and_advantages_follow() -> None:
    learner = small(counting())
    env: Any = learner.get_env()
    recording = RecordingVecEnv(env)
    learner.env = recording
    expert = always_one().transitions()
    encoder = Encoder(expert, choices=2)
    adversary = Adversary(torch.nn.Linear(encoder.width, 1), "gan")
    learned = LearnedReward(adversary, encoder, expert, reward_shape="logit", gamma=learner.gamma)
    before, after = Look(recording), Look(recording)
    learner.learn(
        48,
        callback=[before, OnPolicyReward(learned, recording, critic_steps=0, batch_size=8), after],
    )
    at_limits, (last_values, dones) = before.columns["rewards"], before.last
    assert 0 < (at_limits != 0).sum() < at_limits.size
    scores = [
        adversary.critic(encoder(Transitions.of(*step)))[:, 0].detach().numpy()
        for step in before.steps
    ]
    ends = np.concatenate([before.columns["episode_starts"][1:], dones[None]]).astype(bool)
    scale = ReturnScale(learner.gamma, 3)
    scaled = scale(torch.from_numpy(np.stack(scores)), torch.from_numpy(ends)).numpy()
    rewards = at_limits + scaled
    np.testing.assert_allclose(after.columns["rewards"], rewards, rtol=1e-4, atol=1e-5)
    # Generalised advantages (Schulman et al. 2016, eq. 16) of these rewards, from the end.
    values, advantage = after.columns["values"], np.zeros(3)
    next_values = [*values[1:], last_values]
    for t in reversed(range(16)):
        error = rewards[t] + learner.gamma * ~ends[t] * next_values[t] - values[t]
        advantage = error + learner.gamma * learner.gae_lambda * ~ends[t] * advantage
        np.testing.assert_allclose(after.columns["advantages"][t], advantage, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        after.columns["returns"], after.columns["advantages"] + values, rtol=1e-4, atol=1e-5
    )


def test_replayed_samples_have_the_current_reward_and_the_environments_actions() -> None:
    env = counting(1, continuous=True)
    env.action_space = gym.spaces.Box(-3, 5, (1,), np.float32)  # type: ignore[assignment]
    env.envs[0].action_space = env.action_space
    learner: Any = SAC("MlpPolicy", env, learning_starts=10, batch_size=8, seed=0, device="cpu")
    buffer = learner.replay_buffer
    run = imitate(
        always_one(True), steps=40, algorithm=learner, critic_steps=5, batch_size=8, quiet=True
    )
    relabelled = RelabelingReplayBuffer(buffer, run.reward, learner.policy)
    drawn = relabelled.sample(16)
    steps = relabelled.transitions(drawn)
    assert torch.allclose(drawn.rewards[:, 0], run.reward.of(steps))
    # From -1 .. 1 back to -3 .. 5.
    assert torch.allclose(steps.actions, 1 + 4 * drawn.actions, atol=1e-5)
    assert (
        steps.next_observations.max() <= 11 and (steps.next_observations > steps.observations).all()
    )


def test_the_scale_is_the_standard_deviation_of_all_discounted_returns() -> None:
    rng = np.random.default_rng(0)
    rewards, ends = rng.normal(3, 2, (40, 2)), rng.random((40, 2)) < 0.1
    given = torch.from_numpy(rewards), torch.from_numpy(ends)
    scale = ReturnScale(0.9, 2)
    scale(*(part[:25] for part in given))
    scaled = scale(*(part[25:] for part in given))
    returns, current = [], np.zeros(2)
    for r, e in zip(rewards, ends, strict=True):
        current = r + 0.9 * current
        returns.append(current.copy())
        current = current * ~e
    np.testing.assert_allclose(scaled, rewards[25:] / np.std(returns), rtol=1e-9)
    again = ReturnScale(0.9, 2)
    again.load_state_dict(scale.state_dict())
    assert torch.equal(again(*given), scale(*given))
