"""What tells the methods of learning codes apart, and the arithmetic of Gaussian codes that they share."""

from dataclasses import dataclass
from typing import Literal, final

from torch import Tensor

from advlearn.core import distributed
from advlearn.data.priors import COMPONENTS, Prior, prior

Contest = Literal["joint", "codes", "samples"]
CONTESTS = ("joint", "codes", "samples")


@final
@dataclass(frozen=True)
class Method:
    """What makes one method of learning codes.

    Args:
        contests: What is compared: ``"joint"``, ``"codes"``, ``"samples"``.
        stochastic: Whether the encoder gives a Gaussian of each sample instead of one code.
        marginal_terms: Whether the critic of pairs also scores sample and code alone.
        reconstruction: Weight of the reconstruction, 1 / sigma^2 of a Gaussian likelihood.
        kl: Weight of the KL divergence of the encoder's Gaussian from the prior.
        paper: Where it is from.
    """

    contests: tuple[Contest, ...]
    stochastic: bool = False
    marginal_terms: bool = False
    reconstruction: float = 0.0
    kl: float = 0.0
    paper: str = ""


METHODS = {
    "bigan": Method(("joint",), paper="Donahue et al. 2017, eq. 3"),
    "ali": Method(("joint",), stochastic=True, paper="Dumoulin et al. 2017, eq. 3"),
    "bigbigan": Method(
        ("joint",),
        stochastic=True,
        marginal_terms=True,
        paper="Donahue and Simonyan 2019, section 2",
    ),
    "aae": Method(("codes",), reconstruction=0.1, paper="Makhzani et al. 2016, section 2"),
    "vae": Method(
        (), stochastic=True, reconstruction=10.0, kl=1.0, paper="Kingma and Welling 2014, eq. 10"
    ),
    "vae-gan": Method(
        ("samples",),
        stochastic=True,
        reconstruction=10.0,
        kl=1.0,
        paper="Larsen et al. 2016, eq. 8",
    ),
    "alpha-gan": Method(
        ("codes", "samples"), reconstruction=0.1, paper="Rosca et al. 2017, section 3"
    ),
    "autoencoder": Method((), reconstruction=1.0, paper="Hinton and Salakhutdinov 2006"),
}


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""KL divergence of diagonal Gaussians from the standard normal law, in nats.

    .. math:: \tfrac12 \sum_j (\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2)

    Args:
        mean: Means (N, d).
        log_variance: Logarithms of the variances (N, d).

    Returns:
        One number a row, (N,).

    Example:
        >>> import torch
        >>> divergence(torch.ones(1, 2), torch.zeros(1, 2))
        tensor([1.])
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def drawn(mean: Tensor, log_variance: Tensor | None) -> Tensor:
    """Draw one code of each Gaussian, (N, d), with gradient to both; without variances, the means themselves."""
    if log_variance is None:
        return mean
    return mean + (log_variance / 2).exp() * distributed.randn(*mean.shape, like=mean)


def law_of(given: str | Prior, latent: int, classes: int) -> Prior:
    """The prior that a name or an object stands for, with a component for each class where there are classes."""
    law = prior(given, latent, classes or COMPONENTS) if isinstance(given, str) else given
    if law.latent != latent:
        raise ValueError(f"prior: expected codes of size {latent}, got {law}")
    return law
