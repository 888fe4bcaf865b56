"""Learned rewards for SAC, TD3, DQN and TQC, computed for replayed transitions."""

import copy
from typing import Any, cast, final

import numpy as np
import torch
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer
from torch import Tensor

from advlearn.imitation.demonstrations.layout import flat
from advlearn.imitation.demonstrations.transitions import Transitions
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.imitation.sb3.exploration import EPISODES
from advlearn.imitation.sb3.on_policy import Look
from advlearn.imitation.sb3.recording import StepRecorder

# Arrays of a replay buffer of stable-baselines3.
ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


@final
class RelabelingReplayBuffer:
    """Wrap a replay buffer so that its samples have the reward of the current critic.

    The buffer stores the true reward, which the algorithm does not read during imitation. After the
    run, and in a pickle, the inner buffer is an ordinary one with true rewards.

    Args:
        buffer: The algorithm's buffer.
        reward: The learned reward.
        policy: The algorithm's policy, whose action space gives the scale of stored actions.

    Attributes:
        last_rewards: The rewards of the last sample, float32 (N,); empty before the first.

    Raises:
        ValueError: If the buffer sums rewards over several steps.
    """

    def __init__(self, buffer: ReplayBuffer, reward: LearnedReward, policy: Any) -> None:
        n_steps = getattr(buffer, "n_steps", 1)
        if n_steps > 1:
            raise ValueError(
                f"n_steps: expected 1, since rewards are learned for single steps, got {n_steps}"
            )
        self.buffer = buffer
        self.reward = reward
        self.policy = policy
        self.last_rewards = torch.zeros(0)

    def __getattr__(self, name: str) -> Any:
        # A copy looks names such as __setstate__ up before the buffer is set.
        if name.startswith("__") or name == "buffer":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.buffer, name)

    def __reduce__(self) -> Any:
        return copy.copy, (self.buffer,)

    def add(
        self,
        obs: Any,
        next_obs: Any,
        action: Any,
        reward: Any,
        done: Any,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store a step of each environment, with the reward that the recording hides."""
        true = np.array([info["true_reward"] for info in infos], dtype=reward.dtype)
        self.buffer.add(obs, next_obs, action, true, done, infos)

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """Draw a batch of transitions with the rewards of the current critic.

        Args:
            batch_size: Number of transitions.
            env: A `VecNormalize` that scales the observations for the policy, or None.
        """
        # Raw, since the critic reads the environment's units.
        drawn = self.buffer.sample(batch_size)
        self.last_rewards = self.reward.of(self.transitions(drawn))
        drawn = drawn._replace(rewards=self.last_rewards.to(drawn.rewards)[:, None])
        if env is None:
            return drawn
        before, after = (
            _normalised(part, env) for part in (drawn.observations, drawn.next_observations)
        )
        return drawn._replace(observations=before, next_observations=after)

    def state_dict(self) -> dict[str, Any]:
        """Return the stored arrays as tensors; for dict observations, dicts of tensors."""
        rows = self.buffer.buffer_size if self.buffer.full else self.buffer.pos
        names = [name for name in (*ARRAYS, *EPISODES) if hasattr(self.buffer, name)]
        arrays = {name: _tensors(getattr(self.buffer, name), rows) for name in names}
        state = {"arrays": arrays, "position": self.buffer.pos, "full": self.buffer.full}
        if isinstance(self.buffer, HerReplayBuffer):
            state["episode_starts"] = torch.from_numpy(self.buffer._current_ep_start.copy())
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the arrays of `state_dict`."""
        for name, values in state["arrays"].items():
            _write(getattr(self.buffer, name), values)
        self.buffer.pos, self.buffer.full = state["position"], state["full"]
        if isinstance(self.buffer, HerReplayBuffer):
            self.buffer._current_ep_start = state["episode_starts"].numpy().copy()

    def draw(self, batch_size: int) -> Transitions:
        """Draw a batch of transitions for the critic."""
        return self.transitions(self.buffer.sample(batch_size))

    def transitions(self, drawn: ReplayBufferSamples) -> Transitions:
        """Convert a batch to transitions in the environment's units."""
        before, after = flat(drawn.observations), flat(drawn.next_observations)
        discrete = not drawn.actions.is_floating_point()
        actions = drawn.actions[:, 0].long() if discrete else self._unscaled(drawn.actions)
        return Transitions.of(before, actions, after, drawn.dones[:, 0] > 0)

    def _unscaled(self, actions: Tensor) -> Tensor:
        space = self.policy.action_space
        low, high = (
            torch.as_tensor(bound, device=actions.device) for bound in (space.low, space.high)
        )
        return low + 0.5 * (actions + 1) * (high - low)


@final
class OffPolicyReward(BaseCallback):
    """Train the critic of an off-policy algorithm while its environment steps.

    Args:
        reward: The learned reward.
        recording: The recorded steps of the algorithm's environment.
        replay: The algorithm's buffer.
        critic_steps: Critic steps of each update.
        critic_every: Environment steps between two updates of the critic.
        batch_size: Transitions of the expert, and of the policy, in a critic step.
        look: Called with the latest rewards every `look_every` steps, and at the end.
        look_every: Environment steps between two calls of `look`.
    """

    def __init__(
        self,
        reward: LearnedReward,
        recording: StepRecorder,
        replay: RelabelingReplayBuffer,
        *,
        critic_steps: int,
        critic_every: int,
        batch_size: int,
        look: Look | None = None,
        look_every: int = 2000,
    ) -> None:
        super().__init__()
        self.reward = reward
        self.recording = recording
        self.replay = replay
        self.critic_steps = critic_steps
        self.critic_every = critic_every
        self.batch_size = batch_size
        self.look = look
        self.look_every = look_every
        self._due = critic_every
        self._next_look = look_every
        self._looked = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the plain numbers and tensors that `load_state_dict` needs."""
        counts = {"due": self._due, "next_look": self._next_look, "looked": self._looked}
        return {**counts, "replay": self.replay.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the numbers and tensors of `state_dict`."""
        self._due, self._next_look = state["due"], state["next_look"]
        self._looked = state.get("looked", 0)
        self.replay.load_state_dict(state["replay"])

    def _on_step(self) -> bool:
        self.recording.forget()  # the replay buffer holds the steps
        while self.num_timesteps >= self._due:
            self._due += self.critic_every
            if (
                self.replay.buffer.size() > 0
                and self.num_timesteps > cast(Any, self.model).learning_starts
            ):
                for _ in range(self.critic_steps):
                    self.reward.update(self.replay.draw(self.batch_size), self.batch_size)
        if self.look is not None and self.num_timesteps >= self._next_look:
            self._next_look += self.look_every
            self._look()
        return True

    def _on_training_end(self) -> None:
        if self._looked < self.num_timesteps:
            self._look()
            self.logger.dump(self.num_timesteps)

    def _look(self) -> None:
        self._looked = self.num_timesteps
        if self.look is not None:
            self.look(self.replay.last_rewards)


def _normalised(observations: Any, scale: Any) -> Any:
    """Scale a batch of raw observations as a `VecNormalize` does."""
    if isinstance(observations, dict):
        arrays = {name: part.cpu().numpy() for name, part in observations.items()}
        normalised = scale.normalize_obs(arrays)
        return {
            name: torch.as_tensor(normalised[name]).to(part) for name, part in observations.items()
        }
    normalised = scale.normalize_obs(observations.cpu().numpy())
    return torch.as_tensor(normalised, device=observations.device)


def _tensors(stored: Any, rows: int) -> Any:
    if isinstance(stored, dict):
        return {name: _tensors(part, rows) for name, part in stored.items()}
    return torch.from_numpy(stored[:rows])


def _write(stored: Any, values: Any) -> None:
    if isinstance(stored, dict):
        for name, part in stored.items():
            _write(part, values[name])
    else:
        stored[: len(values)] = values.numpy()
