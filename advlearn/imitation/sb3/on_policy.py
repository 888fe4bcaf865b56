"""Learned rewards for PPO, A2C and TRPO, computed for each rollout before the policy learns."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, final

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from advlearn.core import distributed
from advlearn.imitation.demonstrations.transitions import TransitionMemory, Transitions
from advlearn.imitation.on_device.environment import DeviceRecording
from advlearn.imitation.on_device.iteration import FixedIteration
from advlearn.imitation.on_device.ppo import DevicePPO
from advlearn.imitation.on_device.stage import Stage
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.imitation.rewards.return_scale import ReturnScale
from advlearn.imitation.sb3.recording import StepRecorder
from advlearn.imitation.sb3.replacing import replaced
from advlearn.training import rng

# Called with the latest learned rewards, before they are scaled.
Look = Callable[[Tensor], None]


@final
class OnPolicyReward(BaseCallback):
    """Train the critic, set the rewards and recompute the advantages at the end of a rollout.

    The critic learns first, from the rollout, so that no reward is stale. The recorded environment
    returned rewards of zero, so the buffer holds only the values that stable-baselines3 adds at
    time limits; the learned rewards are added to them. Everything is computed on the critic's
    device, and a buffer of tensors stays there.

    In a process group every process has its own rollout. They train one critic, for which all draw
    the same random numbers, as a head expects.

    Args:
        reward: The learned reward.
        recording: The recorded steps of the algorithm's environment.
        critic_steps: Critic steps for each rollout.
        batch_size: Transitions of the expert, and of the policy, in a critic step.
        critic_replay_size: Number of the policy's newest transitions that the critic learns from;
            0: those of the rollout.
        look: Called with the rewards after each rollout.
        seed: Seeds the draws of the critic that several processes share.
    """

    def __init__(
        self,
        reward: LearnedReward,
        recording: StepRecorder | DeviceRecording,
        *,
        critic_steps: int,
        batch_size: int,
        critic_replay_size: int = 0,
        look: Look | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.reward = reward
        self.recording = recording
        self.critic_steps = critic_steps
        self.batch_size = batch_size
        self.replay = TransitionMemory(critic_replay_size) if critic_replay_size else None
        self.look = look
        self.seed = seed
        self._rewards = torch.empty(0)
        self._last_states: _LastStates | None = None
        self._stage: tuple[FixedIteration, Stage] | None = None
        self.scale = ReturnScale(reward.gamma, recording.num_envs, self._device)

    def state_dict(self) -> dict[str, Any]:
        """Return the plain numbers and tensors that `load_state_dict` needs."""
        held = None if self.replay is None or self.replay.held is None else list(self.replay.held)
        return {"scale": self.scale.state_dict(), "replay": held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the numbers and tensors of `state_dict`."""
        self.scale.load_state_dict(state["scale"])
        if self.replay is not None and state["replay"] is not None:
            self.replay.held = Transitions(*state["replay"]).to(self._device)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if not isinstance(self.model, DevicePPO):
            self._last_states = _LastStates(self.model.rollout_buffer)  # type: ignore[attr-defined]

    def _on_rollout_end(self) -> None:
        algorithm = self.model
        iteration = algorithm.fixed if isinstance(algorithm, DevicePPO) else None
        # Around the stage, since a graph does not hold the seeds of its draws.
        with self._shared_draws():
            if iteration is None:
                self._learn()
            else:
                self._stage_of(iteration)()
        if self.look is not None:
            self.look(self._rewards)

    def _learn(self) -> None:
        """Train the critic, and write its rewards and the advantages into the buffer."""
        buffer: Any = self.model.rollout_buffer  # type: ignore[attr-defined]
        steps = self.recording.take().to(self._device)
        if self.replay is not None:
            self.replay.add(steps)
        recent = steps if self.replay is None or self.replay.held is None else self.replay.held
        for _ in range(self.critic_steps):
            self.reward.update(recent, self.batch_size)
        # Tensors that share the memory of the buffer, also of one in numpy.
        stored, starts = torch.as_tensor(buffer.rewards), torch.as_tensor(buffer.episode_starts)
        last_values, dones = self._last_states_of_rollout()
        # A step ended its episode if the next step starts one.
        ended = torch.cat([starts[1:] > 0, torch.as_tensor(dones)[None]]).to(self._device)
        self._rewards = self.reward.of(steps)
        stored += self.scale(self._rewards.reshape(stored.shape), ended).to(stored)
        buffer.compute_returns_and_advantage(last_values=last_values, dones=dones)

    def _shared_draws(self) -> AbstractContextManager[None]:
        """Return a block in which all processes draw the same numbers; each has its own outside."""
        if distributed.world_size() == 1:
            return nullcontext()
        return rng.isolated((self.seed * 1_000_003 + self.model.num_timesteps) % 2**32)

    def _last_states_of_rollout(self) -> tuple[Any, Any]:
        """Return the values after the last step, and whether it ended an episode."""
        if self._last_states is None:  # our own algorithm states both
            return self.locals["values"], self.locals["dones"]
        return self._last_states.stop()

    def _stage_of(self, iteration: FixedIteration) -> Stage:
        """Return `_learn` as a stage of an iteration on fixed tensors."""
        if self._stage is None or self._stage[0] is not iteration:
            reason = "" if self.replay is None else "the number of replayed transitions grows"
            stage = iteration.of_reward(self.reward, self._learn, self._tensors, reason)
            self._stage = iteration, stage
        return self._stage[1]

    def _tensors(self) -> tuple[Tensor, ...]:
        """Return the tensors that `_learn` keeps, in addition to those of the critic."""
        policy = self.reward.policy or ()
        return *self.scale.storages, *self.reward.demonstrations, *policy

    @property
    def _device(self) -> torch.device:
        return self.reward.demonstrations.observations.device


@final
class _LastStates:
    """Keep the values and ends with which an algorithm computes the advantages of a rollout.

    The variables of an algorithm can be stale: those of some still hold the values of the state
    before the last step.

    Args:
        buffer: The rollout buffer, in which the method is replaced until `stop`.
    """

    def __init__(self, buffer: Any) -> None:
        # An error in an earlier rollout may have left the method replaced.
        vars(buffer).pop("compute_returns_and_advantage", None)
        self._compute = buffer.compute_returns_and_advantage
        self._given: tuple[Any, Any] | None = None
        self._replaced = replaced(buffer, compute_returns_and_advantage=self._keep)
        self._replaced.__enter__()

    def stop(self) -> tuple[Any, Any]:
        """Restore the method, and return the last values and ends.

        Raises:
            RuntimeError: If the algorithm has not computed advantages.
        """
        self._replaced.__exit__(None, None, None)
        if self._given is None:
            raise RuntimeError(
                "algorithm: expected one that calls compute_returns_and_advantage of its rollout "
                "buffer before the end of a rollout, got none; use PPO, A2C or TRPO"
            )
        return self._given

    def _keep(self, last_values: Any, dones: Any) -> None:
        self._given = last_values, dones
        self._compute(last_values=last_values, dones=dones)
