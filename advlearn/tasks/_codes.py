"""Codes: checks, the KL divergence of Gaussian ones, draws of codes, and priors by name."""

from collections.abc import Sequence

from torch import Tensor

from advlearn.core import distributed
from advlearn.data.priors import COMPONENTS, Prior, prior

COMPARISONS = ("joint", "codes", "samples")


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Compute the KL divergence of diagonal Gaussians from the standard normal, in nats.

    .. math:: \tfrac12 \sum_j (\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2)

    Args:
        mean: Means (N, d).
        log_variance: Logarithms of the variances (N, d).

    Returns:
        One value per row, (N,).

    Example:
        >>> import torch
        >>> divergence(torch.ones(1, 2), torch.zeros(1, 2))
        tensor([1.])
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def check_codes(codes: Tensor, expected: tuple[int, int], sizes: Sequence[int]) -> None:
    """Raise a ValueError for codes of another shape, or with a class out of range.

    Args:
        codes: Codes: the class of each discrete code, then the value of each continuous one.
        expected: Their shape.
        sizes: Number of classes of each discrete code.
    """
    if tuple(codes.shape) != expected:
        raise ValueError(
            f"codes: expected shape {expected}, one column per code, got {tuple(codes.shape)}"
        )
    for k, size in enumerate(sizes):
        column = codes[:, k].long()
        if int(column.min()) < 0 or int(column.max()) >= size:
            raise ValueError(
                f"codes: expected classes below {size} in column {k}, got {column.tolist()}"
            )


def drawn(mean: Tensor, log_variance: Tensor | None) -> Tensor:
    """Draw one code (N, d) of each Gaussian, with gradient; without variances return the means."""
    if log_variance is None:
        return mean
    return mean + (log_variance / 2).exp() * distributed.randn(*mean.shape, like=mean)


def law_of(prior_or_name: str | Prior, latent: int, classes: int) -> Prior:
    """Return the prior of a name or an object, with a component for each class."""
    law = (
        prior(prior_or_name, latent, classes if classes > 0 else COMPONENTS)
        if isinstance(prior_or_name, str)
        else prior_or_name
    )
    if law.latent != latent:
        raise ValueError(f"prior: expected codes of size {latent}, got {law}")
    return law
