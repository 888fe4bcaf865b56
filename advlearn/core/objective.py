"""Objectives: the losses of the critic and of the generator, as functions of scores."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor

from advlearn.core.critic_batch import CriticBatch, per_sample, rows
from advlearn.core.described import Described

CriticOutput = Literal["logit", "vector", "energy", "classes", "density"]


class Objective(Described, ABC):
    """Compute the losses of critic and learner from a critic's scores.

    High scores mean real, expert or source; both losses are minimised; no objective uses an
    optimiser. State, such as BEGAN's balance k, is a buffer, so that checkpoints carry it.

    Class attributes are the capability tags. A tag that removes a property has its reason in
    `reasons`.

    Attributes:
        critic_output: What the critic returns: a ``"logit"`` (N,), an embedding ``"vector"`` (N,
            d), a negated ``"energy"`` (N,), ``"classes"`` (N, K), or the log ratio of two
            normalised ``"density"`` values (N,).
        pointwise: Whether the loss is a mean of a function of single scores.
        decomposable: Whether the mean over a batch is the mean of the means over its parts. Where
            it is not, several processes gather their scores first.
        moves_both_sides: Whether `player_loss` moves both sides where both carry gradient.
        trains_critic: Whether a critic with parameters is trained at all.
        critic_needs_real: Whether the critic's loss needs the scores of the real side.
        player_needs_real: Whether the learner's loss needs the scores of the real side even if no
            gradient goes there.
        reasons: Tag name to the reason why it differs from the default.
        EXEMPT: Name of a check of `advlearn.testing.check_objective` that does not apply, to the
            reason.
    """

    critic_output: ClassVar[CriticOutput] = "logit"
    pointwise: ClassVar[bool] = False
    decomposable: ClassVar[bool] = True
    moves_both_sides: ClassVar[bool] = True
    trains_critic: ClassVar[bool] = True
    critic_needs_real: ClassVar[bool] = True
    player_needs_real: ClassVar[bool] = False
    reasons: ClassVar[dict[str, str]] = {}
    EXEMPT: ClassVar[dict[str, str]] = {}

    @property
    @abstractmethod
    def loss_at_chance(self) -> float:
        """Critic loss of a critic that cannot tell the sides apart; NaN if it is not constant."""

    @abstractmethod
    def critic_loss(self, batch: CriticBatch) -> Tensor:
        """Compute the critic's loss, a scalar."""

    @abstractmethod
    def player_loss(self, batch: CriticBatch) -> Tensor:
        """Compute the loss of the model that produced the samples, a scalar."""

    @abstractmethod
    def reward(self, batch: CriticBatch) -> Tensor:
        """Compute the reward of each fake sample, (M,): high where it resembles real samples."""

    def divergence_estimate(self, batch: CriticBatch) -> Tensor:
        """Estimate the divergence of the sides: ``loss_at_chance - critic_loss``, a scalar."""
        return self.loss_at_chance - self.critic_loss(batch)

    def ranking(self, batch: CriticBatch) -> tuple[Tensor, Tensor]:
        """Return one number per sample, real (N,) and fake (M,), high for samples judged real."""
        real, fake = batch.scores
        return per_sample(real), per_sample(fake)

    def note_outputs(self, batches: Sequence[CriticBatch]) -> None:
        """Note state from all outputs of a critic; called after `critic_loss` of several."""

    def update_state(self) -> None:
        """Update state from the last `critic_loss`; called without gradient after a critic step."""


class Pointwise(Objective):
    r"""Average a loss of each score.

    .. math:: C = E_r[real(s)] + E_f[fake(s)], \quad
        P = E_f[generator(s)] + E_r[generator\_real(s)]

    The real side enters P only where it carries gradient, as in adaptation.

    Attributes:
        symmetric: Whether ``fake_loss(s)`` equals ``real_loss(-s)`` for every score s.
    """

    pointwise = True
    symmetric: ClassVar[bool] = False

    @abstractmethod
    def real_loss(self, scores: Tensor) -> Tensor:
        """Compute the critic's loss of each real score; same shape."""

    @abstractmethod
    def fake_loss(self, scores: Tensor) -> Tensor:
        """Compute the critic's loss of each fake score; same shape."""

    @abstractmethod
    def generator_loss(self, scores: Tensor) -> Tensor:
        """Compute the generator's loss of each fake score; same shape."""

    def generator_real_loss(self, scores: Tensor) -> Tensor:
        """Compute the loss of each real score if the learner also produces the real side.

        It has the shape of the scores. The default is for losses that are symmetric under a change
        of sign of the score.
        """
        return self.generator_loss(-scores)

    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        """Return the optimal critic's score where log(p/q) is `log_ratio`, or None if unknown."""
        return None

    def divergence(self, ratio: Tensor) -> Tensor | None:
        """Return f(`ratio`), where the optimal estimate is ``E_q[f(p/q)]``, or None if unknown."""
        return None

    def critic_loss(self, batch: CriticBatch) -> Tensor:
        of_fake = batch.mean_fake(self.fake_loss(batch.fake_scores))
        if not self.critic_needs_real:
            return of_fake
        return batch.mean_real(self.real_loss(batch.scores[0])) + of_fake

    def player_loss(self, batch: CriticBatch) -> Tensor:
        loss = batch.mean_fake(self.generator_loss(batch.fake_scores))
        if batch.real_scores is None:
            return loss
        return loss + batch.mean_real(self.generator_real_loss(batch.real_scores))

    def reward(self, batch: CriticBatch) -> Tensor:
        return per_sample(-self.generator_loss(batch.fake_scores))


class Setwise(Objective):
    r"""Compute a distance between two sets of scores; the critic is an embedding.

    .. math:: P = d(\phi(real), \phi(fake)), \quad C = -P
    """

    critic_output: ClassVar[CriticOutput] = "vector"
    decomposable = False
    player_needs_real = True
    reasons: ClassVar[dict[str, str]] = {
        "pointwise": "a distance between sets is not a mean over samples",
        "decomposable": "a distance between sets is not a mean over the parts of a batch",
    }

    @abstractmethod
    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        """Compute the distance of `real` (N, d) and `fake` (M, d): a scalar, zero where equal."""

    @abstractmethod
    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """Score how far `points` (K, d) resemble `real` and not `fake`: (K,), high for real."""

    @property
    def loss_at_chance(self) -> float:
        return 0.0

    def critic_loss(self, batch: CriticBatch) -> Tensor:
        return -self._distance(batch)

    def player_loss(self, batch: CriticBatch) -> Tensor:
        return self._distance(batch)

    def reward(self, batch: CriticBatch) -> Tensor:
        real, fake = self._points(batch)
        return self.witness(fake, real, fake)

    def ranking(self, batch: CriticBatch) -> tuple[Tensor, Tensor]:
        real, fake = map(rows, batch.scores)
        return self.witness(real, real, fake), self.witness(fake, real, fake)

    def _distance(self, batch: CriticBatch) -> Tensor:
        return self.distance(*self._points(batch))

    def _points(self, batch: CriticBatch) -> tuple[Tensor, Tensor]:
        if batch.real_weights is not None or batch.fake_weights is not None:
            raise ValueError(
                f"weights: expected None, since {type(self).__name__} compares unweighted sets, "
                "got weights"
            )
        real, fake = batch.scores
        return real.reshape(real.shape[0], -1), fake.reshape(fake.shape[0], -1)
