"""One training step: critic steps, then a step of the learner, on whole batches or in parts."""

# pyright: reportUnknownMemberType=false
# (PyTorch's own annotations are partial)

from collections.abc import Iterator, Mapping, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.adversary import Adversary
from advlearn.core.balance import times
from advlearn.core.optim import added, backward, clear
from advlearn.core.task import Batch, Task, TaskOutput
from advlearn.core.turns import InTurn, Pairs, Turns

Weight = Tensor | float


@final
class Learning:
    """Compute the steps of a `Trainer` from their batches.

    Args:
        task: The task.
        adversaries: Its adversaries, by name.
        turns: How critics and learner are moved.
        parameters: The parameters of the learner.
        critic_steps: Critic steps in a step of the learner.
        accumulate: Parts of a batch whose gradients are added before critics or learner move.

    Raises:
        ValueError: If gradients of the parts of a batch do not add up to that of the batch.
    """

    def __init__(
        self,
        task: Task,
        adversaries: Mapping[str, Adversary],
        turns: Turns,
        parameters: Sequence[nn.Parameter],
        critic_steps: int,
        accumulate: int,
    ) -> None:
        self._task = task
        self._adversaries = adversaries
        self._turns = turns
        self._parameters = parameters
        self._critic_steps = critic_steps
        self._parts = accumulate
        reason = None if accumulate == 1 else _reason_against_parts(task, adversaries, turns)
        if reason is not None:
            raise ValueError(f"accumulate: expected 1, got {accumulate}: {reason}")

    def step(self, batches: Iterator[Batch], weight: Weight) -> Tensor | None:
        """Make a step from `critic_steps` batches, and return the detached loss of the task.

        Args:
            batches: The batches.
            weight: Weight of the adversarial losses.
        """
        if self._parts > 1:
            return self._step_in_parts(batches, weight)
        for k in range(self._critic_steps - 1):
            for _ in range(self._turns.passes):
                with torch.no_grad():
                    output = self._output(next(batches))
                self._turns.critics(self._pairs(output, k))
        loss = None
        for _ in range(self._turns.passes):
            loss = self._move_learner(next(batches), weight)
        return loss

    def _move_learner(self, batch: Batch, weight: Weight) -> Tensor | None:
        """Make the last critic step and the learner's step on one batch; return the task loss."""
        output, reversal = self._output(batch), self._task.gradient_reversal
        if not reversal:
            self._turns.last_critics(self._pairs(output, self._critic_steps - 1))
        clear(self._parameters)
        self._task.backward(output.loss, self._adversarial(output, weight), self._parameters)
        self._end_of_learner()
        return None if output.loss is None else output.loss.detach()

    def _step_in_parts(self, batches: Iterator[Batch], weight: Weight) -> Tensor | None:
        """Make a step that holds the activations of one part of a batch at a time.

        The learner runs again on each part of the last batch, since its outputs for the critics
        are not kept.
        """
        parts = list[tuple[Batch, float]]()
        for k in range(self._critic_steps):
            parts = split(next(batches), self._parts)
            if k < self._critic_steps - 1 or not self._task.gradient_reversal:
                self._move_critics(parts, k)
        clear(self._parameters)
        losses = list[Tensor]()
        for part, share in parts:
            output = self._output(part)
            loss = None if output.loss is None else share * output.loss
            adversarial = share * self._adversarial(output, weight)
            self._task.backward(loss, adversarial, self._parameters)
            losses += [] if loss is None else [loss.detach()]
        self._end_of_learner()
        return added(losses) if losses else None

    def _move_critics(self, parts: Sequence[tuple[Batch, float]], k: int) -> None:
        """Make critic step k on the parts of a batch."""
        moved = list[Adversary]()
        for part, share in parts:
            with torch.no_grad():
                output = self._output(part)
            pairs = [(a, pair) for a, pair in self._pairs(output, k) if a.optimizer is not None]
            if not moved:
                moved = [adversary for adversary, _ in pairs]
                clear(p for adversary in moved for p in adversary.critic.parameters())
            for adversary, pair in pairs:
                backward(share * adversary.critic_loss(*pair))
        for adversary in moved:
            adversary.step()

    def _end_of_learner(self) -> None:
        """Move the learner, and the critics whose gradient was reversed."""
        distributed.average_gradients(self._parameters)
        reversal = self._task.gradient_reversal
        self._turns.learner(self._adversaries.values() if reversal else ())

    def _adversarial(self, output: TaskOutput, weight: Weight) -> Tensor:
        """Return the weighted sum of the adversarial losses of the learner."""
        if not self._adversaries:
            return cast(Tensor, output.loss).new_zeros(())
        pairs = output.pairs
        if self._task.gradient_reversal:
            return added(
                a.reversed_loss(*pairs[name], adversarial_weight=weight * a.weighting.fixed())
                for name, a in self._adversaries.items()
            )
        losses = (
            a.player_loss(*pairs[name], task_loss=a.weighting.needed(output.loss))
            for name, a in self._adversaries.items()
        )
        return times(weight, added(losses))

    def _output(self, batch: Batch) -> TaskOutput:
        output = cast(TaskOutput, self._task(batch))
        output.check(self._adversaries)
        return output

    def _pairs(self, output: TaskOutput, k: int) -> Pairs:
        """Return the adversaries that make critic step k, with their samples; all make the last."""
        return [
            (adversary, output.pairs[name])
            for name, adversary in self._adversaries.items()
            if self._critic_steps - k <= cast(int, adversary.defaults.critic_steps)
        ]


def split(batch: Batch, parts: int) -> list[tuple[Batch, float]]:
    """Return parts of a batch as views, and the share of its samples in each.

    Args:
        batch: Tensors of samples.
        parts: The number of parts; fewer where a tensor has fewer samples.

    Example:
        >>> [(x.tolist(), share) for (x,), share in split((torch.arange(4),), 2)]
        [([0, 1], 0.5), ([2, 3], 0.5)]
    """
    parts = min(parts, *map(len, batch))
    columns = [x.tensor_split(parts) for x in batch]
    pieces = [tuple(column[i] for column in columns) for i in range(parts)]
    return [(piece, len(piece[0]) / len(batch[0])) for piece in pieces]


def _reason_against_parts(
    task: Task, adversaries: Mapping[str, Adversary], turns: Turns
) -> str | None:
    """Return why gradients of the parts of a batch do not add up to that of the batch, or None."""
    if not isinstance(turns, InTurn):
        return f"{turns}, at the same weights"
    if not task.adds_gradients:
        return f"{type(task).__name__} combines the gradients of a whole batch"
    for adversary in adversaries.values():
        if isinstance(adversary.adversarial_weight, str):
            return f"the weight {adversary.adversarial_weight!r} is that of a whole batch"
        for term in (adversary.objective, *adversary.chain.regularizers):
            if not term.decomposable:
                return f"{term!r}: {term.reasons['decomposable']}"
    return None
