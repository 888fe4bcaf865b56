"""Agreement of an encoder's codes with their prior."""

from typing import NamedTuple

import torch
from torch import Tensor

from advlearn.core.arguments import Count, checked
from advlearn.core.checks import check_count
from advlearn.functional.distances import median_distance
from advlearn.metrics._checks import pair, rows
from advlearn.metrics.coverage import precision_recall
from advlearn.metrics.two_sample import mmd

# Bandwidths in units of the prior's median distance; the report has the mean over this mixture.
MULTIPLES = (0.25, 0.5, 1.0, 2.0, 4.0)


class PosteriorReport(NamedTuple):
    """Compare the aggregated posterior with the prior.

    Attributes:
        mmd: Float64 scalar, unbiased estimate of the squared maximum mean discrepancy; may be
            negative.
        holes: Float64 scalar in [0, 1], fraction of the prior's mass that is far from every code.
        strays: Float64 scalar in [0, 1], fraction of the codes far from the prior's mass.
    """

    mmd: Tensor
    holes: Tensor
    strays: Tensor


@checked
def posterior_report(codes: Tensor, prior: Tensor, k: Count = 3) -> PosteriorReport:
    r"""Compare codes of data with draws of the prior.

    A hole is a region where the prior has mass and the data has no code, so that its decoded
    samples were never trained. A draw of the prior lies in a hole if it is outside every ball that
    reaches from a code to its k-th nearest other code. For strays the two sets swap roles. Holes
    and strays are therefore 1 - recall and 1 - precision of Kynkaanniemi et al. 2019, with the
    prior as the real data. Equal distributions do not give zero: compare two sets of draws of the
    prior to find the lowest value to expect.

    Args:
        codes: Float (N, d), draws of q(z | x) for N samples x, N above k.
        prior: Float (M, d), draws of the prior, M above k, on the device of `codes`; M = N is
            usual.
        k: Neighbour that sets the radius. Values depend on k and N: compare only at equal k and N.

    Returns:
        Squared MMD (rbf mixture, bandwidths from the prior's median distance), holes and strays.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or not more than `k` samples.

    Example:
        >>> prior = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
        >>> report = posterior_report(prior[:3], prior, k=1)
        >>> report.holes.item(), report.strays.item()
        (0.25, 0.0)

    Reference: Makhzani et al., "Adversarial Autoencoders", 2016, figure 2 (holes, by eye);
    Tolstikhin et al., "Wasserstein Auto-Encoders", 2018, section 3 (MMD of the aggregated
    posterior).
    """
    first, second = pair(("codes", "prior"), codes, prior, at_least=check_count("k", k) + 1)
    within = precision_recall(second, first, k)
    return PosteriorReport(
        mmd(first, second, bandwidths=_bandwidths(second)) / len(MULTIPLES),
        1 - within.recall,
        1 - within.precision,
    )


@checked
def mutual_information(posterior: Tensor, labels: Tensor) -> Tensor:
    r"""Compute the mutual information of a discrete code and the class of labelled samples.

    .. math::
        I = \sum_{c, y} p(c, y) \log \frac{p(c, y)}{p(c)\,p(y)},
        \qquad p(c, y) = \frac1N \sum_{y_n = y} q(c|x_n)

    Args:
        posterior: Float (N, C), probabilities q(c | x_n) of the codes; each row sums to one.
        labels: Int64 (N,), class of each sample.

    Returns:
        Float64 scalar in nats, from 0 to the entropy of the classes.

    Raises:
        TypeError: `posterior` is not a float tensor.
        ValueError: Wrong shapes, rows that are not probabilities, or labels of another length.

    Example:
        >>> round(mutual_information(torch.eye(4), torch.tensor([0, 0, 1, 1])).item(), 4)
        0.6931
    """
    p = rows("posterior", posterior, dims="(N, C)")
    if bool((p < 0).any()) or not torch.allclose(p.sum(1), torch.ones_like(p[:, 0]), atol=1e-4):
        sums = p.sum(1)
        raise ValueError(
            "posterior: expected rows of probabilities that sum to 1, got sums from "
            f"{float(sums.min()):g} to {float(sums.max()):g} and a smallest value of "
            f"{float(p.min()):g}"
        )
    if labels.shape != p.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"labels: expected {len(p)} integers, got {tuple(labels.shape)} {labels.dtype}"
        )
    classes, place = labels.unique(return_inverse=True)
    joint = p.new_zeros(len(classes), p.shape[1]).index_add_(0, place, p) / len(p)
    independent = joint.sum(1, keepdim=True) * joint.sum(0)
    return torch.where(joint > 0, joint * (joint / independent).log(), 0.0).sum()


def _bandwidths(prior: Tensor) -> list[float]:
    """Compute bandwidths from the prior only, so that distances of two encoders are comparable."""
    half = len(prior) // 2
    median = median_distance(prior[:half], prior[half:])
    return [median * factor for factor in MULTIPLES]
