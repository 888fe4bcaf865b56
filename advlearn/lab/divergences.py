"""Divergences of two sets of points on a grid of cells, as in GAN Lab."""

import torch
from torch import Tensor

CELLS, BOUND, COUNT = 24, 1.4, 0.5


def histogram(x: Tensor) -> Tensor:
    """Return the share of the points (N, 2) in each cell, with half a count added to each."""
    cell = ((x.clamp(-BOUND, BOUND) + BOUND) / (2 * BOUND) * CELLS).long().clamp(max=CELLS - 1)
    counts = torch.bincount(cell[:, 1] * CELLS + cell[:, 0], minlength=CELLS**2).double() + COUNT
    return counts / counts.sum()


def kl_and_js(real: Tensor, fake: Tensor) -> tuple[float, float]:
    r"""Compute KL(real || fake) and the Jensen-Shannon divergence of histograms, in nats.

    .. math:: KL = \sum_i p_i \log(p_i / q_i), \qquad
        JS = (KL(p \| m) + KL(q \| m)) / 2, \quad m = (p + q) / 2

    Args:
        real: Points (N, 2).
        fake: Points (M, 2).

    Example:
        >>> x = torch.zeros(5, 2)
        >>> kl_and_js(x, x)
        (0.0, 0.0)

    Reference: Kahng et al., "GAN Lab", 2018, section 5 (divergences on a grid).
    """
    p, q = histogram(real), histogram(fake)
    m = (p + q) / 2
    js = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    return float((p * (p / q).log()).sum()), float(js)
