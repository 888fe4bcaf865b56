"""A whole iteration of `DevicePPO` on fixed tensors: rollout, learned reward and passes."""

from collections.abc import Callable, Iterable
from typing import Any, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.head import Head
from advlearn.imitation.on_device.rollout import FixedRollout, why_not
from advlearn.imitation.on_device.stage import (
    Numbers,
    Stage,
    kept_tensors,
    plain_numbers,
    settings_of,
)
from advlearn.imitation.on_device.update import (
    NAMES,
    Coefficients,
    Record,
    descend,
    flat_columns,
    losses,
    minibatches,
)


@final
class FixedIteration:
    """Hold the stages of an iteration, each one CUDA graph where it can be captured.

    The host reads once an iteration, and in several processes also before each stage, where they
    agree on its graph. `read` returns the episodes of the rollout and the losses of the passes
    before it.

    Args:
        algorithm: The algorithm, with its environment.
    """

    def __init__(self, algorithm: Any) -> None:
        self.algorithm = algorithm
        policy, device = algorithm.policy, algorithm.device
        self.policy = policy
        self.batch = algorithm.batch
        self.rollout = FixedRollout(
            policy,
            self.batch,
            algorithm.rollout_buffer,
            algorithm._bounds,
            algorithm._stats_window_size,
        )
        self.rate, self.clip, self.clip_values = torch.zeros(3, device=device).unbind()
        self.figures = torch.zeros(len(NAMES), dtype=torch.float64, device=device)
        self.collect = Stage(
            "the rollout",
            self.rollout.run,
            key=self._discounts,
            tensors=lambda: [*kept_tensors(policy, None), *self.rollout.tensors()],
            restore=self.rollout.kept,
            generators=_generators_of(self.rollout.environment, device),
            reason=why_not(self.rollout.environment),
        )
        self.learn = Stage(
            "the policy's training",
            self._passes,
            tensors=lambda: [*kept_tensors(policy, policy.optimizer), *self.rollout.tensors()],
            key=self._numbers,
            optimizers=[(policy.optimizer, self.rate)],
            # The algorithm then makes the passes itself.
            reason=_why_not_passes(algorithm),
        )
        # Whether the figures are those of passes that were not logged.
        self.unlogged = False

    def of_reward(
        self,
        reward: Any,
        run: Callable[[], None],
        tensors: Callable[[], Iterable[Tensor]],
        reason: str = "",
    ) -> Stage:
        """Return the stage of the learned reward.

        Args:
            reward: The `LearnedReward`.
            run: Trains its critic and writes the rewards into the buffer.
            tensors: Returns the tensors that `run` keeps.
            reason: Why it cannot be captured; empty if it can.
        """
        head: Head = reward.adversary

        def learn() -> None:
            # Also after a capture that failed, which has taken the steps.
            self.rollout.take()
            run()

        optimizers = [] if head.optimizer is None else [(head.optimizer, None)]
        return Stage(
            "the learned reward",
            learn,
            tensors=lambda: [
                *kept_tensors(head, head.optimizer),
                *self.rollout.tensors(),
                *tensors(),
            ],
            key=lambda: (
                *plain_numbers(head),
                *settings_of(head.optimizer, rates=True),
                *self._discounts(),
            ),
            optimizers=optimizers,
            reason=reason or _why_not_reward(reward),
        )

    def prepare(self, rate: float, clip: float, clip_values: float | None) -> None:
        """Write the scheduled numbers of the next passes to the device."""
        self.rate.fill_(rate)
        self.clip.fill_(clip)
        self.clip_values.fill_(0.0 if clip_values is None else clip_values)

    def read(self) -> tuple[list[list[float]], int, list[float]]:
        """Read what the log shows; the only place of an iteration that waits for the device.

        Returns:
            Return and length of the latest episodes, the number of log-probabilities that are not
            finite, and the figures of the latest passes.
        """
        report = self.rollout.report
        rows: list[float] = torch.cat((report.flatten(), self.figures)).tolist()
        pairs = [rows[i : i + 2] for i in range(0, report.numel(), 2)]
        *table, (count, _), (odd, _) = pairs
        kept = min(int(count), len(table))
        return table[len(table) - kept :], int(odd), rows[report.numel() :]

    def _passes(self) -> None:
        algorithm, policy = self.algorithm, self.algorithm.policy
        weights, record = self._weights(), Record()
        columns = flat_columns(self.rollout.buffer.columns())
        for _ in range(algorithm.n_epochs):
            record.start_pass()
            for batch in minibatches(columns, algorithm.batch_size):
                found = losses(policy, batch, weights)
                descend(policy, found.total, weights.max_grad_norm)
                record.add(found)
        # Graphs must not hold gradients of one another.
        policy.optimizer.zero_grad()
        values, returns = (self.rollout.buffer.values, self.rollout.buffer.returns)
        self.figures.copy_(record.figures(policy, values, returns, self.clip))

    def _weights(self) -> Coefficients:
        algorithm = self.algorithm
        return Coefficients(
            self.clip,
            None if algorithm.clip_range_vf is None else self.clip_values,
            algorithm.ent_coef,
            algorithm.vf_coef,
            algorithm.max_grad_norm,
            algorithm.normalize_advantage,
        )

    def _numbers(self) -> Numbers:
        a = self.algorithm
        names = ("ent_coef", "vf_coef", "max_grad_norm", "normalize_advantage")
        names += ("n_epochs", "batch_size")
        return (
            *((name, getattr(a, name)) for name in names),
            ("clip_range_vf", a.clip_range_vf is None),
            *settings_of(self.policy.optimizer, rates=False),
        )

    def _discounts(self) -> Numbers:
        buffer = self.rollout.buffer
        return ("gamma", buffer.gamma), ("gae_lambda", buffer.gae_lambda)


def _generators_of(environment: Any, device: torch.device) -> list[torch.Generator]:
    """Return the private generator of an environment that a graph on the device can register."""
    own = getattr(environment, "generator", None)
    if not isinstance(own, torch.Generator) or own.device.type != device.type:
        return []
    return [own]


def _why_not_passes(algorithm: Any) -> str:
    """Return why the passes cannot be captured; empty if they can."""
    reason = distributed.reason_against_capture([algorithm.policy], algorithm.device)
    if reason is not None:
        return reason
    return "" if algorithm.target_kl is None else "target_kl stops it on the host"


def _why_not_reward(reward: Any) -> str:
    """Return why the training of a learned reward cannot be captured; empty if it can."""
    head = reward.adversary
    device = reward.demonstrations.observations.device
    reason = distributed.reason_against_capture([head], device)
    if reason is not None:
        return reason
    if reward.absorbing:
        return "the number of absorbing states is known on the host only"
    if head.timing.sets_rate or not head.timing.trains_critic(0):
        return "the critic's timing counts steps on the host"
    return ""


def figures_by_name(figures: list[float], policy: Any) -> dict[str, float]:
    """Return the figures of the passes by the names of the log."""
    named: dict[str, float] = dict(zip(NAMES, figures, strict=True))
    return named if hasattr(policy, "log_std") else {k: v for k, v in named.items() if k != "std"}
