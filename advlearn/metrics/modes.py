"""Coverage of the modes of a known mixture, or of the classes of a data set."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from advlearn.core.arguments import Count, Positive, checked
from advlearn.core.checks import check_count, check_number, describe_value
from advlearn.functional.distances import distance_blocks
from advlearn.metrics._checks import pair


class ModeReport(NamedTuple):
    """Hold the coverage of the modes of a mixture.

    Attributes:
        modes: Number of modes with at least one high-quality sample.
        high_quality: Fraction of the samples that are of high quality, in [0, 1].
        reverse_kl: KL(q || uniform) in nats, q the distribution of the high-quality samples over
            the modes.
        counts: High-quality samples of each mode, int64 (K,).
    """

    modes: int
    high_quality: float
    reverse_kl: float
    counts: Tensor


class ClassReport(NamedTuple):
    """Hold the coverage of the classes of a data set.

    Attributes:
        modes: Number of classes with at least one sample.
        reverse_kl: KL(q || target) in nats, q the distribution of the samples over the classes.
        counts: Samples of each class, int64 (K,).
    """

    modes: int
    reverse_kl: float
    counts: Tensor


@checked
def mode_report(
    samples: Tensor, centres: Tensor, sigma: Positive, threshold: Positive = 3.0
) -> ModeReport:
    r"""Compute the coverage of the known, isotropic, equally likely modes of a mixture.

    A sample belongs to its nearest centre, and is of high quality when its Euclidean distance to
    that centre is at most threshold * sigma. Only high-quality samples are counted: with n_k of
    them at mode k and q_k = n_k / sum n, reverse_kl = sum_k q_k log(K q_k), where 0 log 0 = 0. A
    sample far from every mode lowers only `high_quality`. Where no sample is of high quality, q is
    undefined, and reverse_kl is log K, the value for all samples at one mode.

    In two dimensions a perfect generator has a high_quality of 1 - exp(-threshold^2 / 2): 0.989 at
    3. Its reverse_kl is not 0 but about (K - 1) / (2 N), 0.005 for 25 modes and 2500 samples.

    Args:
        samples: Float (N, d), usually d = 2; the published protocol takes N = 2500.
        centres: Float (K, d), means of the modes, on the device of `samples`.
        sigma: Standard deviation of every mode, in the units of the data.
        threshold: Number of standard deviations.

    Returns:
        The report.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite (a generator that diverged), or a
            `sigma` or `threshold` that is not positive.

    Example:
        >>> centres = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
        >>> samples = torch.tensor([[0.1, 0.0], [0.0, 0.2], [4.0, 0.1], [2.0, 0.0]])
        >>> report = mode_report(samples, centres, sigma=0.1)
        >>> report.modes, report.high_quality, report.counts.tolist()
        (2, 0.75, [2, 1])

    Reference: Lin et al., "PacGAN: The power of two samples in generative adversarial networks",
    NeurIPS 2018, section 4.1, and for modes and quality Srivastava et al., "VEEGAN", NeurIPS 2017.

    Deviations: KL to the uniform distribution over the modes, not to the histogram of a real
    sample. The counting is that of the PacGAN authors' code, except for samples on the boundary,
    which that code excludes.
    """
    points, means = pair(("samples", "centres"), samples, centres)
    check_number("sigma", sigma, low=0.0, open_low=True)
    check_number("threshold", threshold, low=0.0, open_low=True)
    nearest = [block.min(dim=1) for _, block in distance_blocks(points, means)]
    radius, mode = torch.cat([n.values for n in nearest]), torch.cat([n.indices for n in nearest])
    good = radius <= threshold * sigma
    counts = torch.bincount(mode[good], minlength=means.shape[0])
    uniform = torch.full_like(counts, 1, dtype=torch.float64) / counts.numel()
    return ModeReport(
        modes=int((counts > 0).sum()),
        high_quality=float(good.double().mean()),
        reverse_kl=_reverse_kl(counts, uniform) if bool(good.any()) else math.log(counts.numel()),
        counts=counts,
    )


@checked
def class_report(labels: Tensor, n_classes: Count, target: Tensor | None = None) -> ClassReport:
    r"""Compute the coverage of classes by samples that a classifier has labelled.

    An example is the 1000 modes of Stacked MNIST.

    With n_k of N samples in class k and q_k = n_k / N, reverse_kl = sum_k q_k log(q_k / p_k), 0 log
    0 = 0. Even for N samples of p itself it is about (K - 1) / (2 N): 0.019 for the usual 1000
    classes and 26 000 samples.

    Args:
        labels: Integer (N,), predicted classes of the samples, in [0, n_classes).
        n_classes: Number K of classes.
        target: Float (K,), probabilities p of the real data, positive where q is; uniform by
            default.

    Returns:
        The report.

    Raises:
        TypeError: `labels` is not an integer tensor, or `target` not a float tensor.
        ValueError: A wrong shape, a label out of range, or a `target` that is not a distribution.

    Example:
        >>> report = class_report(torch.tensor([0, 0, 2, 2]), n_classes=4)
        >>> report.modes, round(report.reverse_kl, 4), report.counts.tolist()
        (2, 0.6931, [2, 0, 2, 0])

    Reference: Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017, section 3.3.1;
    Lin et al., "PacGAN", NeurIPS 2018, section 4.2 (1000 classes, 26 000 samples).
    """
    check_count("n_classes", n_classes)
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise TypeError(
            f"labels: expected an integer tensor of shape (N,), got {describe_value(labels)}"
        )
    if labels.ndim != 1 or labels.numel() == 0:
        raise ValueError(
            "labels: expected an integer tensor of shape (N,), N at least 1, "
            f"got {describe_value(labels)}"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n_classes:
        raise ValueError(f"labels: expected classes in 0..{n_classes - 1}, got {low}..{high}")
    counts = torch.bincount(labels, minlength=n_classes)
    return ClassReport(
        int((counts > 0).sum()), _reverse_kl(counts, _target(target, counts)), counts
    )


def _target(target: Tensor | None, counts: Tensor) -> Tensor:
    if target is None:
        return torch.full_like(counts, 1, dtype=torch.float64) / counts.numel()
    if not isinstance(target, Tensor) or not target.is_floating_point():
        raise TypeError(
            f"target: expected a float tensor of shape ({counts.numel()},), "
            f"got {describe_value(target)}"
        )
    if target.shape != counts.shape:
        raise ValueError(
            f"target: expected a float tensor of shape ({counts.numel()},), "
            f"got {describe_value(target)}"
        )
    p = target.detach().to(counts.device, torch.float64)
    if not bool((p >= 0).all()) or abs(float(p.sum()) - 1.0) > 1e-4:
        raise ValueError(
            f"target: expected probabilities that sum to 1, got a sum of {float(p.sum()):g}"
        )
    return p


def _reverse_kl(counts: Tensor, p: Tensor) -> float:
    q = counts.double() / counts.sum()
    positive = q > 0
    return float((q[positive] * (q[positive] / p[positive]).log()).sum().clamp_min(0.0))
