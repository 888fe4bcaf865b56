"""The losses of a head as functions of a critic and two sets of samples."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor, nn

from advlearn.core import samples, stacked
from advlearn.core.contracts import check_comparable, check_mask
from advlearn.core.critic_batch import (
    CriticBatch,
    batches_of_outputs,
    joined_batch,
    mean_of,
    per_sample,
)
from advlearn.core.modules import double_backward_attention
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import Samples
from advlearn.core.scores import Outputs, outputs, outputs_in_one_call, outputs_of_both

Losses = dict[str, Tensor]
Weights = Tensor | None
Terms = tuple[Losses, Losses]


@final
class LossFunctions:
    """Compute the terms of the critic's and of the learner's loss.

    Args:
        objective: The objective; its losses are averaged over the outputs of the critic.
        regularizers: Regularizers, whose penalties see all outputs joined.
        apart: Whether real and fake samples are scored separately.
        compiled: Whether ``torch.compile`` compiles both functions.
    """

    def __init__(
        self,
        objective: Objective,
        regularizers: Sequence[Regularizer],
        *,
        apart: bool,
        compiled: bool,
    ) -> None:
        self.objective = objective
        self.regularizers = list(regularizers)
        self.names = term_names(regularizers)
        self.apart = apart
        self.compiled = compiled
        self._compiled: dict[str, Callable[..., Terms]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # A compiled function belongs to the object it was compiled for; a copy compiles its own.
        return {**self.__dict__, "_compiled": {}}

    def critic(
        self, critic: nn.Module, real: Samples, fake: Samples, rw: Weights, fw: Weights
    ) -> Terms:
        """Return the terms of the critic's loss by name, and the scores for `figures`."""
        return self._function("_critic")(critic, real, fake, rw, fw)

    def learner(
        self, critic: nn.Module, real: Samples, fake: Samples, rw: Weights, fw: Weights
    ) -> Terms:
        """Return the terms of the learner's loss by name, and no scores."""
        return self._function("_learner")(critic, real, fake, rw, fw)

    def _function(self, name: str) -> Callable[..., Terms]:
        function: Callable[..., Terms] = getattr(self, name)
        if not self.compiled:
            return function
        if name not in self._compiled:
            self._compiled[name] = torch.compile(function)
        return self._compiled[name]

    def _critic(
        self, critic: nn.Module, real: Samples, fake: Samples, rw: Weights, fw: Weights
    ) -> Terms:
        needed = self.objective.critic_needs_real or bool(self.regularizers)
        moved = samples.carries_gradient(real) or samples.carries_gradient(fake)
        sides, differentiable = (real, fake), False
        if self._can_share_graph(real) and not moved:
            sides, differentiable = (self._leaves(real), self._leaves(fake)), True
        points = {} if moved else self._points(critic, real, fake)
        of_points: Losses = {}
        with _attention(differentiable):
            if points:
                first, second, *others = outputs_in_one_call(critic, *sides, *points.values())
                scored = first, second
                of_points = {n: o.joined() for n, o in zip(points, others, strict=True)}
            else:
                scored = self._scores(critic, *sides, needed)
        _check(scored, rw, fw, self.objective)
        terms = {"critic_loss": self._mean_loss(critic, sides, scored, rw, fw)}
        if self.regularizers:
            if moved:
                # A (reversed) gradient of the penalties must not reach the samples.
                sides = samples.detach(real), samples.detach(fake)
                scored = outputs_of_both(critic, *sides, apart=self.apart)
            batch = joined_batch(
                critic, sides, scored, (rw, fw), inputs_require_grad=differentiable
            )
            for name, regularizer in zip(self.names, self.regularizers, strict=True):
                penalty = regularizer.penalty(replace(batch, point_scores=of_points.get(name)))
                if penalty is not None:
                    terms[name] = penalty
        return terms, _plain(scored)

    def _points(self, critic: nn.Module, real: Samples, fake: Samples) -> dict[str, Samples]:
        """Return the samples that penalties want scored in one call with both sides, by name."""
        if self.apart or not samples.joinable(real, fake):
            return {}
        named = zip(self.names, self.regularizers, strict=True)
        found = {name: regularizer.points(critic, real, fake) for name, regularizer in named}
        return {name: points for name, points in found.items() if points is not None}

    def _learner(
        self, critic: nn.Module, real: Samples, fake: Samples, rw: Weights, fw: Weights
    ) -> Terms:
        moved = self.objective.moves_both_sides and samples.carries_gradient(real)
        needed = (
            self.objective.player_needs_real
            or moved
            or any(r.player_needs_real for r in self.regularizers)
        )
        if needed and not moved:
            # In one call with the fake samples, the backward pass would go through both.
            with torch.no_grad():
                of_real = outputs(critic, real)
            scored = of_real, outputs(critic, fake)
        else:
            scored = self._scores(critic, real, fake, needed)
        _check(scored, rw, fw, self.objective)
        batches = batches_of_outputs(critic, (real, fake), scored, (rw, fw))
        losses = [self._weighted(self.objective.player_loss, batch) for batch in batches]
        terms = {"player_loss": mean_of(losses)}
        if self.regularizers:
            batch = joined_batch(critic, (real, fake), scored, (rw, fw))
            for name, regularizer in zip(self.names, self.regularizers, strict=True):
                penalty = regularizer.player_penalty(batch)
                if penalty is not None:
                    terms[f"player_{name}"] = penalty
        return terms, {}

    def _mean_loss(
        self,
        critic: nn.Module,
        sides: tuple[Samples, Samples],
        scored: tuple[Outputs | None, Outputs],
        rw: Weights,
        fw: Weights,
    ) -> Tensor:
        batches = batches_of_outputs(critic, sides, scored, (rw, fw))
        losses = [self._weighted(self.objective.critic_loss, batch) for batch in batches]
        if len(batches) > 1:
            self.objective.note_outputs(batches)
        return mean_of(losses)

    def _weighted(self, loss: Callable[[CriticBatch], Tensor], batch: CriticBatch) -> Tensor:
        """Compute a loss of scores, which is zero where all weights of a side are zero."""
        if not self.objective.decomposable:
            batch = batch.gathered()
        if self.objective.pointwise:
            return loss(batch)
        batch, valid = batch.with_positive_weights()
        return loss(batch) if valid is None else loss(batch) * valid

    def _scores(
        self, critic: nn.Module, real: Samples, fake: Samples, needed: bool
    ) -> tuple[Outputs | None, Outputs]:
        """Score both sides, or only the fake one where the real scores are not needed."""
        if needed:
            return outputs_of_both(critic, real, fake, apart=self.apart)
        return None, outputs(critic, fake)

    def _can_share_graph(self, real: Samples) -> bool:
        """Return whether penalties on the input gradient may use the graph of the loss's scores."""
        if not any(r.needs_input_graph for r in self.regularizers):
            return False
        wide = all(x.dtype in (torch.float32, torch.float64) for x in samples.moving(real))
        device = samples.device_of(real).type
        return wide and not torch.is_autocast_enabled(device) and not torch.compiler.is_compiling()

    def _leaves(self, side: Samples) -> Samples:
        conditions = next((r.conditions for r in self.regularizers), samples.NO_CONDITIONS)
        return samples.map_moving(stacked.leaf, side, conditions=conditions)

    @torch.no_grad()
    def figures(self, critic: nn.Module, sides: tuple[Samples, Samples], scores: Losses) -> Losses:
        """Return mean scores of both sides and the share of pairs that are ranked rightly.

        Equal scores count half.

        Args:
            critic: The critic.
            sides: The samples.
            scores: Their scores, as `critic` returns them.
        """
        real, fake = (
            Outputs(tuple(s for name, s in scores.items() if name.startswith(side)))
            for side in ("real", "fake")
        )
        means = [mean_of([per_sample(s).mean() for s in side.scores]) for side in (real, fake)]
        batch = batches_of_outputs(critic, sides, (real, fake), (None, None))[0]
        better, worse = self.objective.ranking(batch)
        n = min(len(better), len(worse))
        # Pairs of one sample, of which a permutation moves only a part, are often equal.
        ahead, equal = better[:n] > worse[:n], better[:n] == worse[:n]
        ranked = (ahead + 0.5 * equal).mean(dtype=torch.float32)
        return {"real_score": means[0], "fake_score": means[1], "accuracy": ranked}


def term_names(regularizers: Sequence[Regularizer]) -> list[str]:
    """Return a name for each regularizer: its class, with a number from the second of one class on.

    Example:
        >>> from advlearn.regularizers import R1, R2
        >>> term_names([R1(), R2(), R1()])
        ['R1', 'R2', 'R1_2']
    """
    kinds = [type(r).__name__ for r in regularizers]
    numbers = [kinds[: i + 1].count(kind) for i, kind in enumerate(kinds)]
    return [k if n == 1 else f"{k}_{n}" for k, n in zip(kinds, numbers, strict=True)]


def _plain(scored: tuple[Outputs | None, Outputs]) -> Losses:
    """Return the scores of both sides by name, without graph; none where a side has none."""
    real, fake = scored
    if real is None or any(not s.numel() for s in fake.scores):
        return {}
    named = (("real", real.scores), ("fake", fake.scores))
    return {f"{side}_{i}": s.detach() for side, found in named for i, s in enumerate(found)}


def _attention(differentiable: bool) -> AbstractContextManager[Any]:
    return double_backward_attention() if differentiable else nullcontext()


def _check(
    scored: tuple[Outputs | None, Outputs], rw: Weights, fw: Weights, objective: Objective
) -> None:
    real, fake = scored
    check_mask("fake_weights", fw, fake.scores)
    if real is not None:
        check_mask("real_weights", rw, real.scores)
        check_comparable(real.scores, fake.scores, objective)
