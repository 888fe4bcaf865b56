"""The adversary's part in PPO, A2C, TRPO: new rewards for each rollout before the policy learns from it."""

from collections.abc import Callable
from typing import Any, final

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from advlearn.imitation.demonstrations.transitions import TransitionMemory, Transitions
from advlearn.imitation.on_device.environment import DeviceRecording
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.imitation.rewards.return_scale import ReturnScale
from advlearn.imitation.sb3.recording import RecordingVecEnv

# Told the rewards that were paid last, before they are scaled.
Look = Callable[[Tensor], None]


@final
class OnPolicyReward(BaseCallback):
    """At the end of a rollout: train the critic, write rewards into the buffer, compute the advantages again.

    The critic learns first, from the policy that has just acted, so no reward is stale. The
    recorded environment gave zeros, so what the buffer holds is the value that stable-baselines3
    adds where a time limit cut an episode; rewards are added to it. Everything is computed on the
    critic's device; a buffer of tensors there stays there.

    Args:
        reward: The learned reward.
        recording: The environment at the bottom of the algorithm's.
        critic_steps: Critic steps for each rollout.
        batch_size: Transitions of each side in a critic step.
        critic_replay_size: Transitions of the policy that the critic learns from, the newest ones;
            0 for those of the rollout.
        look: Called after each rollout.
    """

    def __init__(
        self,
        reward: LearnedReward,
        recording: RecordingVecEnv | DeviceRecording,
        *,
        critic_steps: int,
        batch_size: int,
        critic_replay_size: int = 0,
        look: Look | None = None,
    ) -> None:
        super().__init__()
        self.reward = reward
        self.recording = recording
        self.critic_steps = critic_steps
        self.batch_size = batch_size
        self.replay = TransitionMemory(critic_replay_size) if critic_replay_size else None
        self.look = look
        self.scale = ReturnScale(reward.gamma, recording.num_envs, self._device)

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on: plain numbers and tensors."""
        held = None if self.replay is None or self.replay.held is None else list(self.replay.held)
        return {"scale": self.scale.state_dict(), "replay": held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.scale.load_state_dict(state["scale"])
        if self.replay is not None and state["replay"] is not None:
            self.replay.held = Transitions(*state["replay"]).to(self._device)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer: Any = self.model.rollout_buffer  # type: ignore[attr-defined]
        steps = self.recording.take().to(self._device)
        if self.replay is not None:
            self.replay.add(steps)
        known = steps if self.replay is None or self.replay.held is None else self.replay.held
        for _ in range(self.critic_steps):
            self.reward.update(known, self.batch_size)
        # Of numpy or of tensors: this shares the buffer's memory either way.
        held, starts = torch.as_tensor(buffer.rewards), torch.as_tensor(buffer.episode_starts)
        # The buffer knows of starts: a step ended its episode where the next one starts one.
        ended = torch.cat([starts[1:] > 0, torch.as_tensor(self.locals["dones"])[None]]).to(
            self._device
        )
        paid = self.reward.of(steps)
        held += self.scale(paid.reshape(held.shape), ended).to(held)
        buffer.compute_returns_and_advantage(
            last_values=self.locals["values"], dones=self.locals["dones"]
        )
        if self.look is not None:
            self.look(paid)

    @property
    def _device(self) -> torch.device:
        return self.reward.demonstrations.observations.device
