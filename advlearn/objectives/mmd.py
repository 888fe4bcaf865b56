"""Maximum mean discrepancy: the distance between mean embeddings in a kernel's space."""

from dataclasses import replace
from typing import Any, ClassVar, Literal, final

from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.chain import Chain, Defaults
from advlearn.core.checks import check_choice, check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.interval import Interval
from advlearn.core.objective import Setwise
from advlearn.core.regularizer import Regularizer
from advlearn.core.scores import read
from advlearn.functional import kernels
from advlearn.functional.gradients import gradient_norms_between
from advlearn.objectives._references import cites

REFERENCE = Reference(
    "A Kernel Two-Sample Test",
    "Gretton et al. 2012",
    "eq. 3",
    "https://jmlr.org/papers/v13/gretton12a.html",
)
DEMYSTIFYING = Reference(
    "Demystifying MMD GANs",
    "Binkowski et al. 2018",
    "sections 2 and 5",
    "https://arxiv.org/abs/1801.01401",
)


@final
class MMD(Setwise):
    r"""Compute the unbiased squared maximum mean discrepancy, which can be slightly negative.

    .. math:: P = \frac{1}{N(N-1)} \sum_{i \ne j} k(x_i, x_j)
        + \frac{1}{M(M-1)} \sum_{i \ne j} k(y_i, y_j)
        - \frac{2}{NM} \sum_{i,j} k(x_i, y_j), \qquad C = -P

    Kernels, summed over the scales of a mixture:

    - rbf: ``exp(-d^2 / (2 b^2))``; without `bandwidths`, 1/4, 1, 4 and 16 times the median distance
      between two real samples.
    - rational_quadratic: ``(1 + d^2 / (2 a))^-a``; without `bandwidths`, a = 0.2, 0.5, 1, 2, 5.
    - energy: ``-d``, which makes P the energy distance; it has no scale.

    Args:
        kernel: One of the above.
        bandwidths: Scales b of the rbf mixture, in units of the samples, or a of the rational
            quadratic one; None as above.
        embedding: The critic that a task proposes: ``"identity"`` compares the samples as they
            are, ``"learned"`` trains an embedding to tell them apart. A critic that the user passes
            takes precedence.

    Raises:
        ValueError: If a name is unknown, a bandwidth is not positive, or a side has fewer than two
        samples.

    Example:
        >>> import torch
        >>> real = torch.tensor([[0.0], [2.0]])
        >>> MMD("energy").distance(real, real + 1)
        tensor(-1.)

    Reference:
        Gretton et al. 2012, eq. 3 (unbiased estimate); energy distance: Szekely and Rizzo 2013;
        mixtures: Li et al. 2015 and Binkowski et al. 2018.

    Deviations:
        The median is over real samples only, not over both sides, so that the kernel does
        not depend on the generator. Li et al. minimise the square root, whose gradient is infinite
        at zero; this is the square.
    """

    def __init__(
        self,
        kernel: kernels.Kernel = "rbf",
        bandwidths: tuple[float, ...] | None = None,
        embedding: Literal["identity", "learned"] = "identity",
    ) -> None:
        super().__init__()
        self.kernel, self.bandwidths = kernels.check(kernel, bandwidths)
        self.embedding = check_choice("embedding", embedding, ("identity", "learned"))

    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        for name, side in (("real", real), ("fake", fake)):
            if side.shape[0] < 2:
                raise ValueError(
                    f"{name}: the unbiased estimate needs 2 or more samples, got {side.shape[0]}"
                )
        mixture = kernels.scales(self.kernel, self.bandwidths, real)
        within_real = kernels.mean_within(self.kernel, mixture, real)
        within_fake = kernels.mean_within(self.kernel, mixture, fake)
        return (
            within_real + within_fake - 2 * kernels.values(self.kernel, mixture, real, fake).mean()
        )

    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        mixture = kernels.scales(self.kernel, self.bandwidths, real)
        return kernels.witness(self.kernel, mixture, points, real, fake)


@final
class WitnessPenalty(Regularizer):
    r"""Penalise slopes of the MMD's witness function that differ from one.

    .. math:: R = w\,E[(\|\nabla_x h(x)\|_2 - 1)^2], \qquad
        h(x) = \frac1N \sum_i k(\phi(x), \phi(x_i)) - \frac1M \sum_j k(\phi(x), \phi(y_j))

    It bounds a learned embedding phi, whose scale could otherwise enlarge any distance. The points
    x are those of ``gradient_penalty``. The kernel must be that of the objective.

    Args:
        weight: w.
        kernel: As for `MMD`.
        bandwidths: As for `MMD`.
        every: Critic steps from one penalty to the next, as for ``gradient_penalty``.

    Raises:
        ValueError: If `weight` is negative, `every` is below 1 or the kernel is refused.

    Example:
        >>> WitnessPenalty()
        WitnessPenalty(weight=1.0, kernel='rational_quadratic', bandwidths=None, every=1)

    Reference:
        Binkowski et al. 2018, section 2.2 (gradient penalty on the witness of an MMD GAN).

    Deviations:
        None.
    """

    REFERENCE = DEMYSTIFYING
    decomposable = False
    reasons: ClassVar[dict[str, str]] = {
        "decomposable": "the witness is a mean over the whole batch"
    }
    EXEMPT: ClassVar[dict[str, str]] = {"weights": "points between two samples have no weight"}

    def __init__(
        self,
        weight: float = 1.0,
        kernel: kernels.Kernel = "rational_quadratic",
        bandwidths: tuple[float, ...] | None = None,
        every: int = 1,
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.kernel, self.bandwidths = kernels.check(kernel, bandwidths)
        self.interval = Interval(every)
        self.every = every

    def after_step(self, critic: nn.Module) -> None:
        self.interval.advance()

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        if not self.interval.due:
            return None
        # The witness depends on both whole sets, so on the scores of all processes.
        real, fake = (
            distributed.gather(side).reshape(distributed.world_size() * side.shape[0], -1)
            for side in batch.scores
        )
        mixture = kernels.scales(self.kernel, self.bandwidths, real)

        def witness(*samples: Any, **named: Any) -> Tensor:
            points = read(batch.critic(*samples, **named)).joined()
            return kernels.witness(
                self.kernel, mixture, points.reshape(points.shape[0], -1), real, fake
            )

        norms = gradient_norms_between(replace(batch, critic=witness), self.conditions)
        return self.weight * self.every * (norms - 1).square().mean()


def energy_distance() -> Chain:
    """Build the energy distance between samples, without a critic."""
    return Chain(MMD("energy"))


@cites(DEMYSTIFYING)
def mmd_gan(weight: float = 1.0) -> Chain:
    """Build MMD GAN: rational quadratic MMD of a learned embedding, with the witness penalty."""
    penalty = WitnessPenalty(weight, "rational_quadratic")
    defaults = Defaults(critic_steps=5, lr=1e-4, betas=(0.5, 0.9))
    return Chain(MMD("rational_quadratic", embedding="learned"), (penalty,), defaults)


@cites(
    Reference(
        "The Cramer Distance as a Solution to Biased Wasserstein Gradients",
        "Bellemare et al. 2017",
        "section 4 and algorithm 1",
        "https://arxiv.org/abs/1705.10743",
    )
)
def cramer_gan(weight: float = 10.0) -> Chain:
    """Build Cramer GAN: energy distance of a learned embedding, with the witness penalty.

    Deviation: the published critic loss drops one sample's term, which makes it blind to some
    differences (Binkowski et al. 2018, section 2.3); this is the whole energy distance.
    """
    penalty = WitnessPenalty(weight, "energy")
    defaults = Defaults(critic_steps=5, lr=1e-4, betas=(0.5, 0.9))
    return Chain(MMD("energy", embedding="learned"), (penalty,), defaults)


ALIASES = {
    "energy-distance": energy_distance,
    "mmd-gan": mmd_gan,
    "cramer": cramer_gan,
    "cramer-gan": cramer_gan,
}
