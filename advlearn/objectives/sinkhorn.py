"""The Sinkhorn divergence: debiased entropic optimal transport."""

from typing import Literal, final

import torch
from torch import Tensor

from advlearn.core.checks import check_choice, check_number
from advlearn.core.described import Reference
from advlearn.core.objective import Setwise
from advlearn.functional import transport
from advlearn.functional.distances import squared_distances

REFERENCE = Reference(
    "Interpolating between Optimal Transport and MMD using Sinkhorn Divergences",
    "Feydy et al. 2019",
    "eq. 1 and 3",
    "https://arxiv.org/abs/1810.08278",
)


@final
class Sinkhorn(Setwise):
    r"""Compute the Sinkhorn divergence with squared Euclidean cost.

    .. math:: P = OT_\epsilon(p, q) - \tfrac12 OT_\epsilon(p, p) - \tfrac12 OT_\epsilon(q, q),
        \qquad C = -P, \qquad
        OT_\epsilon = \min_\pi \langle \pi, c \rangle + \epsilon\,KL(\pi \| p \otimes q)

    It interpolates between the squared Wasserstein-2 distance (epsilon to 0) and the squared
    distance of means (epsilon to infinity). Potentials are computed in the log domain by a fixed
    number of iterations and carry no gradient (envelope theorem), so the backward pass costs one
    product. The witness is the difference of dual potentials, the derivative of the divergence with
    respect to mass on the fake side, negated.

    Args:
        epsilon: The temperature, in units of the mean cost between two real samples.
        iterations: Fixed number of Sinkhorn iterations; the number needed grows as
            ``1 / epsilon``.
        embedding: The critic that a task proposes: ``"identity"`` compares the samples as they
            are, ``"learned"`` trains an embedding to tell them apart, and needs a constraint such
            as ``spectral_norm``.

    Raises:
        ValueError: If a number is not positive and finite, or `embedding` is unknown.

    Example:
        >>> import torch
        >>> real = torch.tensor([[0.0], [1.0], [2.0]])
        >>> Sinkhorn().distance(real, real + 3).round(decimals=3)
        tensor(9.)

    Reference:
        Feydy et al. 2019, eq. 1 and 3; for generative models Genevay et al. 2018.

    Deviations:
        Epsilon is relative to the data's scale. Genevay et al. leave the entropy out of the value
        (a "sharp" divergence), for which the envelope theorem does not hold.
    """

    def __init__(
        self,
        epsilon: float = 0.1,
        iterations: int = 100,
        embedding: Literal["identity", "learned"] = "identity",
    ) -> None:
        super().__init__()
        self.epsilon = check_number("epsilon", epsilon, low=0, open_low=True)
        self.iterations = int(check_number("iterations", iterations, low=1))
        self.embedding = check_choice("embedding", embedding, ("identity", "learned"))

    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        across, of_real, of_fake = (
            squared_distances(*s) for s in ((real, fake), (real, real), (fake, fake))
        )
        epsilon = self._temperature(of_real)
        own_real, own_fake = transport.together(
            lambda costs: transport.self_potential(costs, epsilon, self.iterations),
            (of_real, of_fake),
        )
        f, g = transport.potentials(across, epsilon, self.iterations, own_fake)
        return (
            transport.value(across, f, g, epsilon)
            - transport.value(of_real, own_real, own_real, epsilon) / 2
            - transport.value(of_fake, own_fake, own_fake, epsilon) / 2
        )

    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        epsilon = self._temperature(squared_distances(real, real))
        own = transport.self_potential(squared_distances(fake, fake), epsilon, self.iterations)
        f, _ = transport.potentials(squared_distances(real, fake), epsilon, self.iterations, own)
        to_real, to_fake = squared_distances(points, real), squared_distances(points, fake)
        return transport.debiased_witness(to_real, to_fake, f, own, epsilon)

    def _temperature(self, of_real: Tensor) -> Tensor:
        # One real sample, or equal ones, have no scale; any small temperature works.
        return (self.epsilon * of_real.mean()).clamp(min=torch.finfo(of_real.dtype).eps)
