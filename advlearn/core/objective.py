"""What critics and players minimise: scores in, losses out."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor

from advlearn.core.contest import Contest, per_sample, rows
from advlearn.core.described import Described

Score = Literal["logit", "vector", "energy", "classes", "density"]


class Objective(Described, ABC):
    """A game's two losses, as functions of a contest's scores.

    High scores mean real, expert or source; both losses are minimised; nothing here sees an optimiser. State, such as
    BEGAN's balance k, is a buffer, so that checkpoints carry it.

    Class attributes are the capability tags. A tag that takes something away has its reason in `reasons`.

    Attributes:
        score: What the critic returns: a ``"logit"`` (N,), an embedding ``"vector"`` (N, d), a negated ``"energy"``
            (N,), ``"classes"`` (N, K), or the log ratio of two normalised ``"density"`` values (N,).
        pointwise: Whether the loss is a mean of a function of single scores.
        decomposable: Whether the mean over a batch is the mean of the means over its parts. Where it is not, several
            processes gather their scores first.
        two_sided: Whether the player's loss moves both sides where both carry gradient.
        trains_critic: Whether a critic with parameters is trained at all.
        critic_sees_real: Whether the critic's loss needs the scores of the real side.
        player_sees_real: Whether the player's loss needs the scores of the real side even if no gradient goes there.
        exchangeable: Whether the order of the samples of a side does not matter.
        sees_shift: Whether moving all samples of a side by one vector changes the loss.
        host_sync: Whether the loss waits for the device; only a solver that runs on the host may.
        reasons: Tag name to the reason why it differs from the default.
    """

    score: ClassVar[Score] = "logit"
    pointwise: ClassVar[bool] = False
    decomposable: ClassVar[bool] = True
    two_sided: ClassVar[bool] = True
    trains_critic: ClassVar[bool] = True
    critic_sees_real: ClassVar[bool] = True
    player_sees_real: ClassVar[bool] = False
    exchangeable: ClassVar[bool] = True
    sees_shift: ClassVar[bool] = True
    host_sync: ClassVar[bool] = False
    reasons: ClassVar[dict[str, str]] = {}

    @property
    @abstractmethod
    def chance(self) -> float:
        """The critic's loss when it cannot tell the sides apart; NaN where there is no such constant."""

    @abstractmethod
    def critic_loss(self, contest: Contest) -> Tensor:
        """Loss of the critic, a scalar."""

    @abstractmethod
    def player_loss(self, contest: Contest) -> Tensor:
        """Loss of whoever made the samples, a scalar."""

    @abstractmethod
    def reward(self, contest: Contest) -> Tensor:
        """Reward of each fake sample, (M,): high where it passes for real."""

    def estimate(self, contest: Contest) -> Tensor:
        """The divergence between the sides that the critic has found so far: ``chance - critic_loss``, a scalar."""
        return self.chance - self.critic_loss(contest)

    def ranking(self, contest: Contest) -> tuple[Tensor, Tensor]:
        """One number a sample, real (N,) and fake (M,): higher the more real the critic takes it for."""
        real, fake = contest.scores
        return per_sample(real), per_sample(fake)

    def advance(self) -> None:
        """Called without gradient after each critic step: update state from what the last `critic_loss` saw."""


class Pointwise(Objective):
    r"""An objective that is a mean of a loss of each score.

    .. math:: C = E_real[real(s)] + E_fake[fake(s)], \quad P = E_fake[player(s)] + E_real[player\_real(s)]

    The real side enters P only where it carries gradient, as in adaptation.
    """

    pointwise = True

    @abstractmethod
    def real(self, scores: Tensor) -> Tensor:
        """The critic's loss of each real score; same shape."""

    @abstractmethod
    def fake(self, scores: Tensor) -> Tensor:
        """The critic's loss of each fake score; same shape."""

    @abstractmethod
    def player(self, scores: Tensor) -> Tensor:
        """The player's loss of each fake score; same shape."""

    def player_real(self, scores: Tensor) -> Tensor:
        """The player's loss of each real score where the player also makes the real side; same shape.

        The default serves losses that are symmetric under a change of sign of the score.
        """
        return self.player(-scores)

    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        """The score of the optimal critic where the log density ratio log(p/q) is `log_ratio`, or None if unknown."""
        return None

    def divergence(self, ratio: Tensor) -> Tensor | None:
        """The convex f with ``estimate = E_q[f(p/q)]`` at the optimal critic, at p/q = `ratio`; None if unknown."""
        return None

    def critic_loss(self, contest: Contest) -> Tensor:
        of_fake = contest.mean_fake(self.fake(contest.fake_scores))
        if not self.critic_sees_real:
            return of_fake
        return contest.mean_real(self.real(contest.scores[0])) + of_fake

    def player_loss(self, contest: Contest) -> Tensor:
        loss = contest.mean_fake(self.player(contest.fake_scores))
        if contest.real_scores is None:
            return loss
        return loss + contest.mean_real(self.player_real(contest.real_scores))

    def reward(self, contest: Contest) -> Tensor:
        return per_sample(-self.player(contest.fake_scores))


class Setwise(Objective):
    r"""An objective that is a distance between two sets of scores; the critic, if it learns, is an embedding.

    .. math:: P = d(\phi(real), \phi(fake)), \quad C = -P
    """

    score: ClassVar[Score] = "vector"
    decomposable = False
    player_sees_real = True
    reasons: ClassVar[dict[str, str]] = {
        "pointwise": "a distance between sets is no mean over samples",
        "decomposable": "a distance between sets is no mean over parts of a batch",
    }

    @abstractmethod
    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        """Distance between `real` (N, d) and `fake` (M, d), a scalar that is zero in expectation for equal laws."""

    @abstractmethod
    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """How much each of `points` (K, d) looks like `real` rather than `fake`: (K,), high for real."""

    @property
    def chance(self) -> float:
        return 0.0

    def critic_loss(self, contest: Contest) -> Tensor:
        return -self._distance(contest)

    def player_loss(self, contest: Contest) -> Tensor:
        return self._distance(contest)

    def reward(self, contest: Contest) -> Tensor:
        real, fake = self._points(contest)
        return self.witness(fake, real, fake)

    def ranking(self, contest: Contest) -> tuple[Tensor, Tensor]:
        real, fake = map(rows, contest.scores)
        return self.witness(real, real, fake), self.witness(fake, real, fake)

    def _distance(self, contest: Contest) -> Tensor:
        return self.distance(*self._points(contest))

    def _points(self, contest: Contest) -> tuple[Tensor, Tensor]:
        if contest.real_weights is not None or contest.fake_weights is not None:
            raise ValueError(f"weights: {type(self).__name__} compares sets of equal weights, got sample weights")
        real, fake = contest.scores
        return real.reshape(real.shape[0], -1), fake.reshape(fake.shape[0], -1)
