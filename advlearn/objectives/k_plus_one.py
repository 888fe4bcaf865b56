"""A classifier of K classes that is also the critic: the extra class means fake."""

from dataclasses import replace
from typing import ClassVar, final

from torch import Tensor
from torch.nn.functional import cross_entropy

from advlearn.core import distributed
from advlearn.core.chain import Chain, Defaults
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch, as_tuple
from advlearn.core.described import Reference
from advlearn.core.grammar import resolve
from advlearn.core.objective import CriticOutput, Objective, Pointwise
from advlearn.objectives._references import cites
from advlearn.regularizers.feature_matching import FeatureMatching
from advlearn.regularizers.low_density import REFERENCE as BAD_GAN
from advlearn.regularizers.low_density import LowDensity
from advlearn.regularizers.pulling_away import PullingAway

REFERENCE = Reference(
    "Improved Techniques for Training GANs",
    "Salimans et al. 2016",
    "section 5",
    "https://arxiv.org/abs/1606.03498",
)


@final
class KPlusOne(Objective):
    r"""Compute a pointwise loss of the log-sum-exp of class logits, plus a loss of the labels.

    .. math:: s(x) = \log \sum_k e^{l_k(x)}, \qquad
        P = v\,P_{base}(s), \qquad
        C = C_{base}(s) + w\,E_{labelled}[-\log softmax(l)_y] + e\,E_{unlabelled}[H(softmax(l))]

    Real samples are pairs (x, y) with y = -1 where there is no label; without labels the second
    term is absent, and the third, the entropy of the classes, is over all real samples.

    Args:
        base: A pointwise objective of logits without state: a spec such as ``"hinge"``, or the
            object. Stored as its spec.
        label_weight: w.
        generator_weight: v; 0 if only a regularizer such as feature matching trains the generator.
        entropy: e; above 0, uncertain predictions of the classes are penalised.

    Attributes:
        inner: The base as a module.

    Raises:
        ValueError: If `base` is another kind of objective or has regularizers, or a weight is
            negative.

    Example:
        >>> KPlusOne("hinge")
        KPlusOne(base='Hinge()', label_weight=1.0, generator_weight=1.0, entropy=0.0)

    Reference:
        Salimans et al. 2016, section 5; the entropy: Dai et al. 2017, section 5.4.

    Deviations:
        The fake class's logit is fixed at zero, as in the paper's code. Any pointwise objective can
        replace the paper's Jensen-Shannon loss.
    """

    critic_output: ClassVar[CriticOutput] = "classes"
    reasons: ClassVar[dict[str, str]] = {
        "pointwise": "samples with a label add their cross-entropy"
    }

    def __init__(
        self,
        base: str | Pointwise = "JensenShannon()",
        label_weight: float = 1.0,
        generator_weight: float = 1.0,
        entropy: float = 0.0,
    ) -> None:
        super().__init__()
        chain = resolve(base)
        if (
            not isinstance(chain.objective, Pointwise)
            or chain.objective.critic_output != "logit"
            or chain.regularizers
        ):
            raise ValueError(
                f"base: expected a pointwise objective of logits without regularizers, got {base!r}"
            )
        self.inner = chain.objective
        self.base = repr(self.inner)
        self.label_weight = check_number("label_weight", label_weight, low=0)
        self.generator_weight = check_number("generator_weight", generator_weight, low=0)
        self.entropy = check_number("entropy", entropy, low=0)

    @property
    def loss_at_chance(self) -> float:
        return self.inner.loss_at_chance

    def critic_loss(self, batch: CriticBatch) -> Tensor:
        loss = self.inner.critic_loss(_totals(batch))
        parts = as_tuple(batch.real)
        y = parts[-1] if len(parts) > 1 and not parts[-1].is_floating_point() else None
        if y is not None:
            loss = loss + self.label_weight * _labelled_cross_entropy(batch.scores[0], y)
        return (
            loss + self.entropy * _unlabelled_entropy(batch.scores[0], y) if self.entropy else loss
        )

    def player_loss(self, batch: CriticBatch) -> Tensor:
        if not self.generator_weight:
            # Without a graph: a backward pass of zeros through the classifier is as expensive as
            # any other.
            return batch.fake_scores.new_zeros(())
        return self.generator_weight * self.inner.player_loss(_totals(batch))

    def reward(self, batch: CriticBatch) -> Tensor:
        return self.inner.reward(_totals(batch))

    def divergence_estimate(self, batch: CriticBatch) -> Tensor:
        return self.inner.divergence_estimate(_totals(batch))

    def ranking(self, batch: CriticBatch) -> tuple[Tensor, Tensor]:
        return _totals(batch).scores


def _totals(batch: CriticBatch) -> CriticBatch:
    """Return the batch with one score per sample."""
    real = None if batch.real_scores is None else batch.real_scores.logsumexp(1)
    return replace(batch, real_scores=real, fake_scores=batch.fake_scores.logsumexp(1))


def _labelled_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    return _mean_where(y >= 0, cross_entropy(logits, y.clamp(min=0), reduction="none"))


def _unlabelled_entropy(logits: Tensor, y: Tensor | None) -> Tensor:
    logarithms = logits.log_softmax(1)
    entropies = -(logarithms.exp() * logarithms).sum(1)
    return entropies.mean() if y is None else _mean_where(y < 0, entropies)


def _mean_where(chosen: Tensor, values: Tensor) -> Tensor:
    chosen = chosen.to(values.dtype)
    # Divided by the mean of the processes' counts, so that averaged gradients are those of the
    # joined batch.
    return (chosen * values).sum() / distributed.mean(chosen.sum()).clamp(min=1)


def improved_gan(label_weight: float = 2.0) -> Chain:
    """Build Improved GAN: K+1 classes, with feature matching as the generator's only loss."""
    chain = Chain(KPlusOne(label_weight=label_weight, generator_weight=0.0), (FeatureMatching(),))
    return chain + Chain(defaults=Defaults(lr=3e-3, betas=(0.5, 0.999)))


@cites(replace(BAD_GAN, equation="section 5"))
def bad_gan(
    label_weight: float = 2.0, entropy: float = 0.1, pulling: float = 0.8, density: float = 0.1
) -> Chain:
    """Build Bad GAN: a diverse generator of low-density samples (Dai et al. 2017, section 5)."""
    objective = KPlusOne(label_weight=label_weight, generator_weight=0.0, entropy=entropy)
    chain = Chain(
        objective, (FeatureMatching(), PullingAway(weight=pulling), LowDensity(weight=density))
    )
    return chain + Chain(defaults=Defaults(lr=3e-3, betas=(0.5, 0.999)))


ALIASES = {"improved-gan": improved_gan, "bad-gan": bad_gan}
