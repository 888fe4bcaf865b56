"""Relativistic losses: the critic compares a real sample with a fake one."""

from typing import ClassVar, final

import torch
from torch import Tensor

from advlearn.core.chain import Chain, Defaults
from advlearn.core.critic_batch import CriticBatch, per_sample, weighted_mean
from advlearn.core.described import Reference
from advlearn.core.grammar import resolve
from advlearn.core.objective import Objective, Pointwise
from advlearn.objectives._references import cites
from advlearn.objectives._samples import mean_over_pairs, pairs
from advlearn.regularizers.zero_centred import R1, R2

REFERENCE = Reference(
    "The relativistic discriminator: a key element missing from standard GAN",
    "Jolicoeur-Martineau 2018",
    "section 4",
    "https://arxiv.org/abs/1807.00734",
)


@final
class RelativisticPairing(Objective):
    r"""Apply a pointwise loss to the difference of the scores of a real and a fake sample.

    With the base's losses r (real), f (fake), g (generator) and g' (generator on the real side):

    .. math:: C = \tfrac12 E[r(s - s') + f(s' - s)], \qquad P = \tfrac12 E[g(s' - s) + g'(s - s')]

    s is the score of a real and s' of a fake sample, paired in order of the batch; if the sides
    differ in size, the first min(N, M) of each are paired. For a base that is symmetric under a
    change of sign, such as Jensen-Shannon, both terms are equal and ``C = E[r(s - s')]``. The
    generator lowers real scores and raises fake ones, so its loss always needs both sides. The
    reward of a fake sample is the mean over all reals of the batch.

    Args:
        base: A pointwise objective without state: a spec such as ``"hinge"``, or the object. Stored
            as its spec.

    Attributes:
        inner: The base as a module.

    Raises:
        ValueError: If `base` is not a pointwise objective, has state, or has regularizers.

    Example:
        >>> RelativisticPairing("hinge")
        RelativisticPairing(base='Hinge()')

    Reference:
        Jolicoeur-Martineau 2018, section 4.2 (RGANs); with Jensen-Shannon it is eq. 2 of Huang et
        al. 2024 (R3GAN).

    Deviations:
        The factor 1/2, which makes symmetric bases equal the papers' single term. A hinge base
        keeps its linear generator loss, where the paper mirrors the critic's.
    """

    player_needs_real = True
    reasons: ClassVar[dict[str, str]] = {
        "pointwise": "the loss depends on the difference of a real and a fake score"
    }
    EXEMPT: ClassVar[dict[str, str]] = {
        "order": "a real and a fake sample are paired by their position in the batch"
    }

    def __init__(self, base: str | Pointwise = "JensenShannon()") -> None:
        super().__init__()
        self.inner = _pointwise(base)
        self.base = repr(self.inner)
        self._chance = _at_zero(self.inner) / 2

    @property
    def loss_at_chance(self) -> float:
        return self._chance

    def critic_loss(self, batch: CriticBatch) -> Tensor:
        difference = self._differences(batch)
        losses = self.inner.real_loss(difference)
        if self.inner.symmetric:
            return mean_over_pairs(batch, losses)
        return mean_over_pairs(batch, losses + self.inner.fake_loss(-difference)) / 2

    def player_loss(self, batch: CriticBatch) -> Tensor:
        difference = self._differences(batch)
        losses = self.inner.generator_loss(-difference)
        # Unless a base has its own, the loss of the real side equals that of the fake one.
        if type(self.inner).generator_real_loss is Pointwise.generator_real_loss:
            return mean_over_pairs(batch, losses)
        return mean_over_pairs(batch, losses + self.inner.generator_real_loss(difference)) / 2

    def reward(self, batch: CriticBatch) -> Tensor:
        real_scores, fake_scores = batch.scores
        against_all = fake_scores[None] - real_scores[:, None]
        rewards = -self.inner.generator_loss(against_all)
        if batch.real_weights is None:
            return per_sample(rewards.mean(0))
        return per_sample(
            torch.tensordot(batch.real_weights / batch.real_weights.sum(), rewards, dims=1)
        )

    def _differences(self, batch: CriticBatch) -> Tensor:
        real_scores, fake_scores = batch.scores
        if len(real_scores) == len(fake_scores):
            return real_scores - fake_scores
        n = pairs(batch)
        return real_scores[:n] - fake_scores[:n]


@final
class RelativisticAverage(Objective):
    r"""Apply a pointwise loss to scores relative to the mean score of the other side.

    With the base's losses r (real), f (fake), g (generator) and g' (generator on the real side):

    .. math:: C = E_r[r(s - E_f s')] + E_f[f(s' - E_r s)], \qquad
        P = E_f[g(s' - E_r s)] + E_r[g'(s - E_f s')]

    Gradient flows through the means. Prefer ``rpgan``: the theory of pairing is better (Sun et al.
    2020).

    Args:
        base: A pointwise objective without state: a spec such as ``"hinge"``, or the object. Stored
            as its spec.

    Attributes:
        inner: The base as a module.

    Raises:
        ValueError: If `base` is not a pointwise objective, has state, or has regularizers.

    Example:
        >>> RelativisticAverage()
        RelativisticAverage(base="JensenShannon(generator='nonsaturating')")

    Reference:
        Jolicoeur-Martineau 2018, section 4.3 (RaGANs).

    Deviations:
        A hinge base keeps its linear generator loss, where the paper mirrors the critic's.
    """

    decomposable = False
    player_needs_real = True
    reasons: ClassVar[dict[str, str]] = {
        "pointwise": "the loss depends on each score minus the other side's mean",
        "decomposable": "the other side's mean is that of the whole batch",
    }

    def __init__(self, base: str | Pointwise = "JensenShannon()") -> None:
        super().__init__()
        self.inner = _pointwise(base)
        self.base = repr(self.inner)
        self._chance = _at_zero(self.inner)

    @property
    def loss_at_chance(self) -> float:
        return self._chance

    def critic_loss(self, batch: CriticBatch) -> Tensor:
        real, fake = self._relative(batch)
        return batch.mean_real(self.inner.real_loss(real)) + batch.mean_fake(
            self.inner.fake_loss(fake)
        )

    def player_loss(self, batch: CriticBatch) -> Tensor:
        real, fake = self._relative(batch)
        return batch.mean_fake(self.inner.generator_loss(fake)) + batch.mean_real(
            self.inner.generator_real_loss(real)
        )

    def reward(self, batch: CriticBatch) -> Tensor:
        _, fake = self._relative(batch)
        return per_sample(-self.inner.generator_loss(fake))

    def _relative(self, batch: CriticBatch) -> tuple[Tensor, Tensor]:
        """Subtract the other side's mean score from each score, for each output separately."""
        real_scores, fake_scores = batch.scores
        real_mean = _mean_of_samples(real_scores, batch.real_weights)
        fake_mean = _mean_of_samples(fake_scores, batch.fake_weights)
        return real_scores - fake_mean, fake_scores - real_mean


def _mean_of_samples(scores: Tensor, weights: Tensor | None) -> Tensor:
    if scores.ndim == 1:
        return weighted_mean(scores, weights)
    return (
        scores.mean(0)
        if weights is None
        else torch.tensordot(weights / weights.sum(), scores, dims=1)
    )


def _pointwise(base: str | Pointwise) -> Pointwise:
    chain = resolve(base)
    inner = chain.objective
    if (
        not isinstance(inner, Pointwise)
        or not inner.pointwise
        or any(True for _ in inner.buffers())
    ):
        raise ValueError(f"base: expected a pointwise objective without state, got {base!r}")
    if chain.regularizers:
        raise ValueError(
            f"base: expected no regularizers, got {base!r}; add them to the relativistic objective"
        )
    return inner


def _at_zero(inner: Pointwise) -> float:
    """Return the base's critic loss at score zero, the loss of a constant critic."""
    zero = torch.zeros(1, dtype=torch.float64, device="cpu")
    return (inner.real_loss(zero) + inner.fake_loss(zero)).item()


def rpgan(base: str = "JensenShannon()") -> Chain:
    """Build the relativistic pairing GAN."""
    return Chain(RelativisticPairing(base))


def ragan(base: str = "JensenShannon()") -> Chain:
    """Build the relativistic average GAN with the paper's Adam (section 5)."""
    return Chain(RelativisticAverage(base), defaults=Defaults(lr=2e-4, betas=(0.5, 0.999)))


@cites(
    Reference(
        "The GAN is dead; long live the GAN! A Modern GAN Baseline",
        "Huang et al. 2024",
        "eq. 2, 4 and section 2",
        "https://arxiv.org/abs/2501.05441",
    )
)
def r3gan(weight: float = 1.0) -> Chain:
    """Build R3GAN's loss: pairing, R1 and R2, Adam without momentum, cosine schedule.

    The paper's weight depends on the data: 0.05 to 150 in its table. 1 suits small networks on
    standardised data. R1 and R2 are applied at every step: applied every few steps ("lazy"), the
    loss fails on small problems, as its authors report.
    """
    defaults = Defaults(lr=2e-4, betas=(0.0, 0.99), schedule="cosine", ema=0.999)
    return Chain(RelativisticPairing(), (R1(weight), R2(weight)), defaults)


ALIASES = {"relativistic": rpgan, "rpgan": rpgan, "ragan": ragan, "r3gan": r3gan}
