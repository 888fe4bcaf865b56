"""Parzen-window log-likelihood of held-out data under a generator's samples."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from advlearn.core.arguments import Positive, checked
from advlearn.core.checks import check_number
from advlearn.functional.distances import distance_blocks
from advlearn.metrics._checks import pair


@checked
def kde_log_likelihood(samples: Tensor, test: Tensor, bandwidth: Positive) -> Tensor:
    r"""Compute the mean log-density of test data under a kernel density estimate on samples.

    .. math:: \log p(t) = \log \frac1N \sum_n N(t; x_n, h^2 I)

    Use it to compare with published tables, not to choose a model: in more than a few dimensions
    the estimate is far from the model's likelihood, ranks models in another order, and can rate
    k-means centres higher than samples of the true distribution.

    Args:
        samples: Float (N, d), drawn from the model.
        test: Float (M, d), data that was not used to choose the bandwidth.
        bandwidth: Standard deviation h of the kernel, positive, in the units of the data.

    Returns:
        Float64 scalar, nats per test point. Carries no gradient.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or a bandwidth that is not positive.

    Example:
        >>> round(kde_log_likelihood(torch.zeros(1, 1), torch.zeros(1, 1), bandwidth=1.0).item(), 4)
        -0.9189

    Reference: Breuleux et al., "Quickly Generating Representative Samples from an RBM-Derived
    Process", 2011 (the protocol); Theis et al., "A note on the evaluation of generative models",
    ICLR 2016, section 3.5, "Evaluation based on Parzen window estimates" (the caveat).
    """
    centres, points = pair(("samples", "test"), samples, test)
    h = check_number("bandwidth", bandwidth, low=0.0, open_low=True)
    log_sums = [
        torch.logsumexp(r.square() / (-2.0 * h * h), dim=1)
        for _, r in distance_blocks(points, centres)
    ]
    constant = math.log(centres.shape[0]) + centres.shape[1] * (
        math.log(h) + 0.5 * math.log(2.0 * math.pi)
    )
    return torch.cat(log_sums).mean() - constant


@checked
def kde_bandwidth(samples: Tensor, validation: Tensor, grid: Sequence[float]) -> float:
    r"""Choose the bandwidth with the highest log-likelihood of validation data.

    Args:
        samples: Float (N, d), drawn from the model.
        validation: Float (M, d), data disjoint from the test data.
        grid: Candidate bandwidths, positive, in the units of the data; ten on a log scale is usual.

    Returns:
        One of `grid`, the first of equally good ones. If it is an end of the grid, use a wider
        grid.

    Raises:
        TypeError: Not float tensors.
        ValueError: An empty grid, or as `kde_log_likelihood`.

    Example:
        >>> x = torch.linspace(-1.0, 1.0, 50)[:, None]
        >>> kde_bandwidth(x, x[::2] + 0.01, grid=[0.001, 0.1, 10.0])
        0.1

    Reference: Breuleux et al. 2011; Goodfellow et al., "Generative Adversarial Nets", 2014, section
    5.
    """
    if len(grid) == 0:
        raise ValueError("grid: expected at least one bandwidth, got none")
    scores = [float(kde_log_likelihood(samples, validation, h)) for h in grid]
    return float(grid[max(range(len(grid)), key=scores.__getitem__)])
