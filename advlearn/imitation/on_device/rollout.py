"""A rollout on fixed tensors, of which CUDA can make one graph."""

from collections.abc import Callable
from typing import Any, cast, final

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from advlearn.core.graphs import outside
from advlearn.imitation.demonstrations.transitions import Transitions
from advlearn.imitation.on_device.buffer import DeviceRolloutBuffer
from advlearn.imitation.on_device.environment import (
    Batch,
    DeviceRecording,
    EpisodeCounter,
    moved,
    unwrap_batch,
)


@final
class FixedRollout:
    r"""Step the environments, fill the buffer and compute advantages, without the host.

    Each rollout reads and writes the same tensors. A truncated episode's last reward gets the
    discounted value of its last observation, as in `DevicePPO`.

    Args:
        policy: The policy.
        batch: The environments in their `EpisodeCounter`, and perhaps a `DeviceRecording`.
        buffer: The buffer; its tensors are kept.
        bounds: Bounds of continuous actions; None: no clipping.
        window: Number of the latest episodes that `report` holds.

    Attributes:
        observations: Observations after the last step, (n, d).
        dones: Whether an episode ended with the last step, (n,) bool.
        values: Values of `observations`, (n, 1).
        rewards: Rewards of the environments (T, n), without values at time limits.
        report: Float64 (window + 2, 2): the table of `EpisodeCounter.latest`, then the number of
            log-probabilities that are not finite.
    """

    def __init__(
        self,
        policy: ActorCriticPolicy,
        batch: EpisodeCounter | DeviceRecording,
        buffer: DeviceRolloutBuffer,
        bounds: tuple[Tensor, Tensor] | None,
        window: int,
    ) -> None:
        self.policy, self.batch, self.buffer = policy, batch, buffer
        self.recording = batch if isinstance(batch, DeviceRecording) else None
        self.counter = cast(
            EpisodeCounter, batch.batch if isinstance(batch, DeviceRecording) else batch
        )
        self.environment: Any = unwrap_batch(batch)
        if hasattr(self.environment, "launcher") and not why_not(self.environment):
            self.environment.launcher = outside
        self.window = window
        self._bounds = bounds
        n, device = batch.num_envs, batch.device
        buffer.reset()
        self.observations = torch.zeros_like(buffer.observations[0])
        self.dones = torch.zeros(n, dtype=torch.bool, device=device)
        self.values = torch.zeros(n, 1, device=device)
        self.rewards = torch.zeros_like(buffer.rewards)
        self.report = torch.zeros(window + 2, 2, dtype=torch.float64, device=device)
        self._steps: Transitions | None = None
        self._of_environment: Any = None
        self._of_counter = self.counter.storages()

    def begin(self, observations: Any, dones: Any) -> None:
        """Copy the state of environments and counter to the fixed tensors, where it is elsewhere.

        Args:
            observations: Observations (n, d): tensors, or arrays after a reset.
            dones: Whether an episode starts, (n,).
        """
        given = [
            torch.as_tensor(part, device=self.observations.device) for part in (observations, dones)
        ]
        moved(given, (self.observations, self.dones))
        self._keep_state()

    def run(self) -> None:
        """Fill the buffer and compute advantages; nothing waits for the device."""
        # Within a graph this puts the counters of the host to where they are in each replay.
        self._keep_state()
        if self.recording is not None:
            self.recording.start(self.observations)
        self.buffer.rewind()
        observations, dones = self.observations, self.dones
        truncated: list[Tensor] = []
        last: list[Tensor] = []
        with torch.no_grad():
            for _ in range(self.buffer.buffer_size):
                actions, values, log_probs = self.policy(observations)
                step = self.batch.step(self._clipped(actions))
                self.buffer.add(observations, actions, step.rewards, dones, values, log_probs)
                truncated.append(step.truncated & ~step.terminated)
                last.append(step.final_observations)
                observations, dones = step.observations, step.terminated | step.truncated
            self._finish(torch.stack(truncated), torch.stack(last), observations, dones)

    def kept(self) -> Callable[[], None]:
        """Return what puts the environments back to their present state."""
        storages = [*self._of_counter, *(self._of_environment or ())]
        values = [storage.clone() for storage in storages]

        def put_back() -> None:
            self.counter.forget()
            self._keep_state()
            for storage, value in zip(storages, values, strict=True):
                storage.copy_(value)

        return put_back

    def take(self) -> None:
        """Give the recording the steps of the rollout, which a graph does not give it."""
        if self.recording is not None and self._steps is not None:
            self.recording.hold(self._steps, self.observations)

    def tensors(self) -> list[Tensor]:
        """Return the tensors that are the same in each rollout."""
        columns = self.buffer.columns()
        own = [self.observations, self.dones, self.values, self.rewards, self.report]
        return [*own, *columns, self.buffer.rewards, self.buffer.episode_starts]

    def step_locals(self, t: int) -> dict[str, Any]:
        """Return what callbacks see of step `t`, as views."""
        buffer, last = self.buffer, t + 1 == self.buffer.buffer_size
        return {
            "n_steps": t,
            "obs_tensor": buffer.observations[t],
            "actions": buffer.actions[t],
            "values": buffer.values[t][:, None],
            "log_probs": buffer.log_probs[t],
            "rewards": self.rewards[t],
            "starts": buffer.episode_starts[t],
            "new_obs": self.observations if last else buffer.observations[t + 1],
            "dones": self.dones if last else buffer.episode_starts[t + 1] > 0,
        }

    def _finish(self, truncated: Tensor, last: Tensor, observations: Tensor, dones: Tensor) -> None:
        """Complete rewards and advantages, and copy all that the next rollout reads."""
        buffer = self.buffer
        self.rewards.copy_(buffer.rewards)
        # The value of every last observation, since how many count is known on the device only.
        bootstrap = self.policy.predict_values(last.flatten(0, 1)).view_as(buffer.rewards)
        buffer.rewards.add_(torch.where(truncated, buffer.gamma * bootstrap, 0.0))
        self.values.copy_(self.policy.predict_values(observations))
        buffer.compute_returns_and_advantage(self.values, dones)
        odd = (~buffer.log_probs.isfinite()).sum().expand(1, 2)
        self.report.copy_(torch.cat((self.counter.latest(self.window), odd)))
        if self.recording is not None:
            steps = self.recording.take()
            if self._steps is None:
                self._steps = Transitions(*(part.clone() for part in steps))
            moved(steps, self._steps)
        moved((observations, dones), (self.observations, self.dones))
        self._keep_state()

    def _keep_state(self) -> None:
        self.counter.continue_in(self._of_counter)
        if hasattr(self.environment, "continue_in"):
            if self._of_environment is None:
                self._of_environment = self.environment.storages()
            self.environment.continue_in(self._of_environment)

    def _clipped(self, actions: Tensor) -> Tensor:
        return actions if self._bounds is None else actions.clamp(*self._bounds)


def why_not(environment: Batch) -> str:
    """Return why the steps of a batch cannot be captured; empty if they can."""
    name = type(environment).__name__
    if not hasattr(environment, "continue_in"):
        return f"{name} has no storages and continue_in, as BatchedEnv has"
    if not getattr(environment, "capturable", False):
        return f"{name} steps on the host"
    return ""
