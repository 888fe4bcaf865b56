"""One-sided label smoothing: the critic's target for real samples is below 1."""

from typing import final

from torch import Tensor

from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer

REFERENCE = Reference(
    "Improved Techniques for Training GANs",
    "Salimans et al. 2016",
    "section 3.4",
    "https://arxiv.org/abs/1606.03498",
)


@final
class LabelSmoothing(Regularizer):
    r"""Lower the critic's target for real samples from 1 to 1 - a; fake samples keep the target 0.

    .. math:: R = a\,E_r[s]

    For the logits s of ``jensen_shannon`` this is exactly label smoothing. Cross-entropy against
    the target 1 - a is (1 - a) softplus(-s) + a softplus(s), and softplus(s) = softplus(-s) + s, so
    it is softplus(-s) + a s: the original loss plus the term above. The optimal logit falls from
    log(p / q) to log((1 - a) p / (q + a p)), at most log((1 - a) / a). For scores of another kind
    the term only lowers real scores.

    Args:
        amount: a.

    Raises:
        ValueError: If `amount` is not from 0 to below 1.

    Example:
        >>> LabelSmoothing()
        LabelSmoothing(amount=0.1)

    Reference:
        Salimans et al. 2016, section 3.4.

    Deviations:
        Written as a term added to the loss, which is equal.
    """

    def __init__(self, amount: float = 0.1) -> None:
        super().__init__()
        self.amount = check_number("amount", amount, low=0)
        if amount >= 1:
            raise ValueError(f"amount: expected a number below 1, got {amount!r}")

    def penalty(self, batch: CriticBatch) -> Tensor:
        real_scores, _ = batch.scores
        return self.amount * batch.mean_real(real_scores)
