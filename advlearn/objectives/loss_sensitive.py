"""The loss-sensitive GAN: the loss margin of a pair is the distance of its samples."""

from typing import ClassVar, Literal, final

from torch import Tensor
from torch.nn.functional import relu

from advlearn.core.chain import Chain
from advlearn.core.checks import check_choice, check_number
from advlearn.core.critic_batch import CriticBatch, per_sample
from advlearn.core.described import Reference
from advlearn.core.objective import CriticOutput, Objective
from advlearn.functional.distances import safe_sqrt
from advlearn.objectives._samples import flat, mean_over_pairs, pairs

REFERENCE = Reference(
    "Loss-Sensitive Generative Adversarial Networks on Lipschitz Densities",
    "Qi 2017",
    "the alternating objectives of critic and generator",
    "https://arxiv.org/abs/1701.06264",
)


@final
class LossSensitive(Objective):
    r"""Learn a loss ``l = -s`` whose margin between a real and a fake sample is their distance.

    .. math:: C = E_r[l(x)] + w\,E[\max(0, m \|x - x'\| + l(x) - l(x'))], \qquad P = E_f[l(x')]

    Real x and fake x' are paired in order of the batch. A pair whose margin is met gives the critic
    no gradient. The loss l must be bounded below, as the error of an autoencoder is.

    Least squares is another loss; its short name LSGAN differs only by the hyphen.

    Args:
        weight: w.
        margin_weight: m, the margin for a unit of distance.
        norm: Norm of the distance between samples, over all their dimensions: ``"l1"`` or ``"l2"``.

    Raises:
        ValueError: If a number is negative or not finite or `norm` is unknown.

    Example:
        >>> LossSensitive(norm="l2")
        LossSensitive(weight=1.0, margin_weight=1.0, norm='l2')

    Reference:
        Qi 2017, the alternating objectives of critic and generator.

    Deviations:
        The paper's margin has no `margin_weight`, which is the value 1 here. The Lipschitz
        regularity that its theory assumes is not built in: add a gradient penalty. The distance
        ignores integer parts of a tuple.
    """

    critic_output: ClassVar[CriticOutput] = "energy"
    reasons: ClassVar[dict[str, str]] = {
        "pointwise": "the margin depends on a pair of a real and a fake sample"
    }
    EXEMPT: ClassVar[dict[str, str]] = {
        "order": "a real and a fake sample are paired by their position in the batch"
    }

    def __init__(
        self, weight: float = 1.0, margin_weight: float = 1.0, norm: Literal["l1", "l2"] = "l1"
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.margin_weight = check_number("margin_weight", margin_weight, low=0)
        self.norm = check_choice("norm", norm, ("l1", "l2"))

    @property
    def loss_at_chance(self) -> float:
        return float("nan")

    def critic_loss(self, batch: CriticBatch) -> Tensor:
        n = pairs(batch)
        real_scores, fake_scores = batch.scores
        margin = self._margin(batch, n).view(-1, *[1] * (real_scores.ndim - 1))
        violation = relu(margin - real_scores[:n] + fake_scores[:n])
        return -batch.mean_real(real_scores) + self.weight * mean_over_pairs(batch, violation)

    def player_loss(self, batch: CriticBatch) -> Tensor:
        loss = -batch.mean_fake(batch.fake_scores)
        return loss if batch.real_scores is None else loss + batch.mean_real(batch.real_scores)

    def reward(self, batch: CriticBatch) -> Tensor:
        return per_sample(batch.fake_scores)

    def _margin(self, batch: CriticBatch, n: int) -> Tensor:
        difference = flat(batch.real)[:n] - flat(batch.fake)[:n]
        distance = (
            difference.abs().sum(1) if self.norm == "l1" else safe_sqrt(difference.square().sum(1))
        )
        return self.margin_weight * distance


def ls_gan() -> Chain:
    """Build the loss-sensitive LS-GAN; without the hyphen, ``lsgan`` is least squares."""
    return Chain(LossSensitive())


ALIASES = {"ls-gan": ls_gan}
