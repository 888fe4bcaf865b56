"""PPO's passes over a rollout, whose losses stay on the device until the log reads them."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast, final

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor
from torch.nn.functional import mse_loss

from advlearn.core import agreement, distributed
from advlearn.imitation.on_device.buffer import DeviceRolloutBuffer
from advlearn.imitation.on_device.stage import free_graphs

# Names in the log, in the order of `Record.figures`.
NAMES = (
    "policy_gradient_loss",
    "value_loss",
    "entropy_loss",
    "loss",
    "clip_fraction",
    "approx_kl",
    "explained_variance",
    "std",
)


@final
class Coefficients(NamedTuple):
    """Hold the numbers of PPO's loss.

    Args:
        clip_range: Largest distance of the ratio of probabilities from 1; a number or a scalar.
        clip_range_vf: Largest distance of a value from the old one; None: no limit.
        ent_coef: Weight of the entropy.
        vf_coef: Weight of the value's loss.
        max_grad_norm: Largest norm of a gradient.
        normalize_advantage: Standardise the advantages of a minibatch.
    """

    clip_range: float | Tensor
    clip_range_vf: float | Tensor | None
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    normalize_advantage: bool


@final
class Losses(NamedTuple):
    """Hold the losses of a minibatch, as tensors on the device.

    Args:
        total: The loss to minimise, with graph.
        parts: The losses of the policy, the value and the entropy, and their sum; detached scalars.
        log_ratio: Logarithms of the ratio of new and old probabilities, detached (m,).
    """

    total: Tensor
    parts: tuple[Tensor, ...]
    log_ratio: Tensor


def losses(policy: ActorCriticPolicy, batch: RolloutBufferSamples, weights: Coefficients) -> Losses:
    r"""Compute PPO's losses of a minibatch.

    .. math:: -E[\min(\rho A, clip(\rho, 1 - \epsilon, 1 + \epsilon) A)]
        + c_v E[(V - R)^2] - c_e H, \qquad \rho = \pi(a \mid o) / \pi_{old}(a \mid o)

    Args:
        policy: The policy.
        batch: Flat columns of the minibatch, m rows each.
        weights: The numbers of the loss.

    Reference: Schulman et al., "Proximal Policy Optimization Algorithms", 2017, eq. 7 and 9.
    """
    actions = batch.actions
    actions = actions if actions.is_floating_point() else actions.flatten()
    values, log_prob, entropy = policy.evaluate_actions(batch.observations, actions)
    values, clip, advantages = values.flatten(), weights.clip_range, batch.advantages
    # A minibatch of one row has no standard deviation.
    if weights.normalize_advantage and len(advantages) > 1:
        advantages = standardised(advantages)
    log_ratio = log_prob - batch.old_log_prob
    ratio = log_ratio.exp()
    clipped = advantages * torch.clamp(ratio, cast(Any, 1 - clip), cast(Any, 1 + clip))
    policy_loss = -torch.min(advantages * ratio, clipped).mean()
    if weights.clip_range_vf is not None:
        limit: Any = weights.clip_range_vf
        values = batch.old_values + torch.clamp(values - batch.old_values, -limit, limit)
    value_loss = mse_loss(batch.returns, values)
    entropy_loss = -torch.mean(-log_prob if entropy is None else entropy)
    total = policy_loss + weights.vf_coef * value_loss
    if weights.ent_coef:
        total = total + weights.ent_coef * entropy_loss
    parts = tuple(part.detach() for part in (policy_loss, value_loss, entropy_loss, total))
    return Losses(total, parts, log_ratio.detach())


def standardised(advantages: Tensor) -> Tensor:
    """Subtract the mean and divide by the standard deviation of the minibatch of all processes.

    Args:
        advantages: Those of this process's part, (m,); m is the same in every process.
    """
    processes = distributed.world_size()
    if processes == 1:
        return (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    centred = advantages - distributed.mean(advantages.mean())
    squares = processes * distributed.mean(centred.square().sum())
    return centred / ((squares / (processes * len(advantages) - 1)).sqrt() + 1e-8)


def divergence(log_ratio: Tensor) -> Tensor:
    """Return the mean over the last dimension of an estimate of the divergence, never negative.

    Reference: Schulman, "Approximating KL Divergence", 2020.
    """
    return ((log_ratio.exp() - 1) - log_ratio).mean(-1)


def diverges(log_ratio: Tensor, target_kl: float) -> bool:
    """Return whether the minibatch of all processes diverges; waits for the device.

    Args:
        log_ratio: Log-ratios of this process's part.
        target_kl: The passes stop at 1.5 times this divergence.
    """
    return float(distributed.mean(divergence(log_ratio))) > 1.5 * target_kl


@contextmanager
def together(policy: ActorCriticPolicy, *, capture: bool) -> Generator[None]:
    """Train one policy in all processes in the block; with one process nothing changes.

    Args:
        policy: The policy; every process gets that of the first one.
        capture: Whether parts are captured; the same in every process.

    Raises:
        ValueError: If `capture` differs between processes.
    """
    agreement.require_same({"capture": capture})
    share_policy(policy)
    try:
        yield
    finally:
        if distributed.world_size() > 1:
            free_graphs()


def share_policy(policy: ActorCriticPolicy) -> None:
    """Give every process the weights and the optimizer's state of the first one."""
    if distributed.world_size() == 1:
        return
    distributed.share(policy)
    policy.optimizer.load_state_dict(distributed.gather_objects(policy.optimizer.state_dict())[0])


def descend(policy: ActorCriticPolicy, loss: Tensor, max_grad_norm: float) -> None:
    """Make one step of the policy's optimizer against the gradient of the loss of all processes."""
    policy.optimizer.zero_grad()
    loss.backward()
    distributed.average_gradients(policy.parameters())
    torch.nn.utils.clip_grad_norm_(policy.parameters(), max_grad_norm)
    policy.optimizer.step()


@final
class Record:
    """Collect the losses of the minibatches of a rollout, for the log."""

    def __init__(self) -> None:
        self._parts: list[tuple[Tensor, ...]] = []
        self._log_ratios: list[Tensor] = []
        self._last_pass = 0

    def start_pass(self) -> None:
        """Begin a pass; the log shows the divergence of the last one."""
        self._last_pass = len(self._parts)

    def add(self, found: Losses) -> None:
        """Add the losses of a minibatch."""
        self._parts.append(found.parts)
        self._log_ratios.append(found.log_ratio)

    @torch.no_grad()
    def figures(
        self,
        policy: ActorCriticPolicy,
        values: Tensor,
        returns: Tensor,
        clip_range: float | Tensor,
    ) -> Tensor:
        """Return the figures of the log, float32 (8,) in the order of `NAMES`.

        Args:
            policy: The policy after the passes.
            values: Values of the rollout.
            returns: Returns of the rollout, of the same shape.
            clip_range: Largest distance of the ratio of probabilities from 1.
        """
        means = [torch.stack(parts).mean() for parts in zip(*self._parts, strict=True)]
        means[-1] = self._parts[-1][-1]  # the sum is that of the last minibatch
        clipped = [
            ((rows.exp() - 1).abs() > clip_range).float().mean(-1)
            for rows in _joined(self._log_ratios)
        ]
        diverged = [divergence(rows) for rows in _joined(self._log_ratios[self._last_pass :])]
        means += [torch.cat(parts).mean() for parts in (clipped, diverged)]
        # The variance of constant returns is 0, and the quotient is then not defined.
        variance = returns.var(correction=0)
        explained = 1 - (returns - values).var(correction=0) / variance
        explained = torch.where(variance > 0, explained, torch.nan)
        log_std: Any = getattr(policy, "log_std", None)
        std = torch.zeros_like(explained) if log_std is None else log_std.exp().mean()
        return torch.stack((*means, explained, std))


def _joined(rows: Sequence[Tensor]) -> list[Tensor]:
    """Stack rows of equal length in one tensor, which launches fewer kernels."""
    if len({len(row) for row in rows}) == 1:
        return [torch.stack(tuple(rows))]
    return [row[None] for row in rows]


def eager_passes(
    policy: ActorCriticPolicy,
    buffer: DeviceRolloutBuffer,
    weights: Coefficients,
    *,
    n_epochs: int,
    batch_size: int,
    target_kl: float | None,
) -> tuple[Tensor, int]:
    """Make passes over a full rollout, until a minibatch diverges.

    Several processes make the same passes, each over its own rollout.

    Args:
        policy: The policy.
        buffer: The full buffer.
        weights: The numbers of the loss.
        n_epochs: Largest number of passes.
        batch_size: Size of a minibatch.
        target_kl: The passes stop at 1.5 times this divergence, which is then read for each
            minibatch; None: no limit.

    Returns:
        The figures of the log, and the number of passes that were begun.
    """
    record, done = Record(), 0
    for _ in range(n_epochs):
        record.start_pass()
        done += 1
        for batch in buffer.get(batch_size):
            found = losses(policy, batch, weights)
            record.add(found)
            if target_kl is not None and diverges(found.log_ratio, target_kl):
                break
            descend(policy, found.total, weights.max_grad_norm)
        else:
            continue
        break
    return record.figures(policy, buffer.values, buffer.returns, weights.clip_range), done


def flat_columns(columns: Iterable[Tensor]) -> list[Tensor]:
    """Flatten columns (T, n, ...) of a rollout to (T n, ...), ordered by step."""
    return [column.flatten(0, 1) for column in columns]


def minibatches(columns: Sequence[Tensor], batch_size: int) -> Iterable[RolloutBufferSamples]:
    """Yield minibatches of all rows of flat columns, in an order drawn on the device.

    The rows are sorted by random numbers, since a CUDA graph can hold that.
    """
    # Of float64, since many thousand numbers of 24 bits are not all different.
    numbers = torch.rand(len(columns[0]), dtype=torch.float64, device=columns[0].device)
    order = numbers.argsort()
    # One gather for each column, and then views, launch fewer kernels.
    shuffled = [column[order] for column in columns]
    for parts in zip(*(column.split(batch_size) for column in shuffled), strict=True):
        yield RolloutBufferSamples(*parts)
