"""Zero-centred gradient penalties: R1 on real samples, R2 on fake ones."""

from typing import final

from torch import Tensor, nn

from advlearn.core.checks import check_choice, check_number
from advlearn.core.critic_batch import CriticBatch, weighted_mean
from advlearn.core.described import Reference
from advlearn.core.features import has_compiled_part
from advlearn.core.interval import Interval
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import Samples
from advlearn.functional.differences import ESTIMATES, Estimate, moved_samples, slopes
from advlearn.functional.gradients import Side, squared_gradients

REFERENCE = Reference(
    "Which Training Methods for GANs do actually Converge?",
    "Mescheder et al. 2018",
    "eq. 9",
    "https://arxiv.org/abs/1801.04406",
)


@final
class R1(Regularizer):
    r"""Penalise the squared gradient norm of the critic at real samples.

    .. math:: R = \frac{w}{2}\,E_r[\|\nabla_x D(x)\|_2^2]

    With ``every=16`` it is computed at the first critic step and every 16 steps, with 16 times its
    weight, as StyleGAN2 does: this saves time on large networks, and fails on small problems with
    few modes (Huang et al. 2024, R3GAN). A captured or compiled step then has two forms, with the
    penalty and without.

    With ``estimate="difference"`` the gradient is not differentiated again. Its norm is estimated
    from the change of the score along a random direction n, with a step of 0.01 in units of the
    samples:

    .. math:: \|\nabla_x D(x)\|_2^2 = E_n[v^2] + O(\epsilon^2), \qquad
              v = \frac{D(x + \epsilon n) - D(x)}{\epsilon}, \quad \epsilon = 0.01, \quad
              n \sim U(\|n\|_2 = \sqrt d)

    For a linear critic the expectation is exact. The moved samples are scored in one call with
    those of the loss, whose scores serve as D(x). Under autocast, and for critics with buffers, it
    costs a forward pass of both. It needs a critic with fp32 weights, without dropout, batch
    normalisation or noise.

    Args:
        weight: w.
        every: Critic steps from one penalty to the next.
        estimate: ``"exact"``, by double backward, or ``"difference"``.
        share: The share of the batch that is penalised, its first samples; the expectation is that
            of the whole batch.

    Raises:
        ValueError: If `weight` is negative or not finite, `every` is below 1, `share` is not in
            (0, 1] or `estimate` is unknown; in `penalty`, if the critic is unfit for differences.

    Example:
        >>> R1(weight=10, every=16)
        R1(weight=10, every=16, estimate='exact', share=1.0)

    Reference:
        Mescheder et al. 2018, eq. 9; for `every`, Karras et al. 2020, Analyzing and Improving the
        Image Quality of StyleGAN, appendix B (lazy regularization); for ``estimate="difference"``,
        Lin et al. 2025, Diffusion Adversarial Post-Training, the approximated R1 loss.

    Deviations:
        StyleGAN2 also changes Adam's settings with `every`; here they stay. The approximated R1
        loss draws n from a Gaussian; on the sphere the mean is the same and the variance lower.
    """

    def __init__(
        self,
        weight: float = 1.0,
        every: int = 1,
        estimate: Estimate = "exact",
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.interval = Interval(every)
        self.every = every
        self.estimate: Estimate = check_choice("estimate", estimate, ESTIMATES)
        self.share = check_number("share", share, low=0, high=1, open_low=True)
        self._shares_graph = estimate == "exact" and share == 1

    @property
    def needs_input_graph(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether this step's penalty differentiates the scores of the whole batch."""
        return self._shares_graph and self.interval.due

    def wrap(self, critic: nn.Module) -> nn.Module:
        # The graph of a compiled forward pass cannot be differentiated twice.
        self._shares_graph = self._shares_graph and not has_compiled_part(critic)
        return critic

    def points(self, critic: nn.Module, real: Samples, fake: Samples) -> Samples | None:
        return _points(self, critic, real)

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        return _penalty(self, batch, "real")

    def after_step(self, critic: nn.Module) -> None:
        self.interval.advance()


@final
class R2(Regularizer):
    r"""Penalise the squared gradient norm of the critic at fake samples.

    .. math:: R = \frac{w}{2}\,E_f[\|\nabla_x D(x)\|_2^2]

    It gives the generator no gradient. `every`, `estimate` and `share` are those of `R1`: one step
    in `every` with `every` times the weight, an estimate of the gradient's norm from differences of
    scores, and a share of the batch.

    Args:
        weight: w.
        every: Critic steps from one penalty to the next.
        estimate: ``"exact"``, by double backward, or ``"difference"``.
        share: The share of the batch that is penalised, its first samples.

    Raises:
        ValueError: As for `R1`.

    Example:
        >>> R2()
        R2(weight=1.0, every=1, estimate='exact', share=1.0)

    Reference:
        Mescheder et al. 2018, eq. 10.

    Deviations:
        As for `R1`.
    """

    REFERENCE = Reference(REFERENCE.title, REFERENCE.authors, "eq. 10", REFERENCE.url)

    def __init__(
        self,
        weight: float = 1.0,
        every: int = 1,
        estimate: Estimate = "exact",
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.interval = Interval(every)
        self.every = every
        self.estimate: Estimate = check_choice("estimate", estimate, ESTIMATES)
        self.share = check_number("share", share, low=0, high=1, open_low=True)
        self._shares_graph = estimate == "exact" and share == 1

    @property
    def needs_input_graph(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether this step's penalty differentiates the scores of the whole batch."""
        return self._shares_graph and self.interval.due

    def wrap(self, critic: nn.Module) -> nn.Module:
        # The graph of a compiled forward pass cannot be differentiated twice.
        self._shares_graph = self._shares_graph and not has_compiled_part(critic)
        return critic

    def points(self, critic: nn.Module, real: Samples, fake: Samples) -> Samples | None:
        return _points(self, critic, fake)

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        return _penalty(self, batch, "fake")

    def after_step(self, critic: nn.Module) -> None:
        self.interval.advance()


def _points(regularizer: R1 | R2, critic: nn.Module, side: Samples) -> Samples | None:
    if regularizer.estimate == "exact" or not regularizer.interval.due:
        return None
    return moved_samples(critic, side, regularizer.conditions, regularizer.share)


def _penalty(regularizer: R1 | R2, batch: CriticBatch, side: Side) -> Tensor | None:
    if not regularizer.interval.due:
        return None
    where = side, regularizer.conditions, regularizer.share
    squares = (
        squared_gradients(batch, *where)
        if regularizer.estimate == "exact"
        else slopes(batch, *where).square()
    )
    weights = batch.real_weights if side == "real" else batch.fake_weights
    mean = weighted_mean(squares, None if weights is None else weights[: len(squares)])
    return regularizer.weight * regularizer.every / 2 * mean
