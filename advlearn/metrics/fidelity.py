"""Scores of generated images: inception score, Frechet distance and kernel distance."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from advlearn.core.arguments import Count, Seed, checked
from advlearn.core.checks import check_choice, check_count, describe_value
from advlearn.metrics._checks import pair, rows
from advlearn.metrics._polynomial_mmd import mmds_of_subsets, polynomial_mmd


class MeanStd(NamedTuple):
    """Hold the mean and the standard deviation of a score.

    Attributes:
        mean: Float64 scalar, the mean over splits or subsets.
        std: Float64 scalar, the population standard deviation over them; not the standard error of
            the mean. NaN where the parts cannot differ.
    """

    mean: Tensor
    std: Tensor


@checked
def inception_score(
    predictions: Tensor, splits: Count = 10, kind: Literal["logits", "probabilities"] = "logits"
) -> MeanStd:
    r"""Compute the inception score over consecutive splits of the samples.

    .. math:: \exp E_x KL(p(c | x) \| p(c))

    Published values use the Inception-v3 of TensorFlow on 50 000 samples in 10 splits. Scores of
    different classifiers are not comparable.

    Args:
        predictions: Float (N, K), a classifier's outputs for N samples in random order, N at least
            `splits`.
        splits: Number of parts, whose sizes differ by at most one.
        kind: Whether rows are logits or probabilities.

    Returns:
        Mean and standard deviation over the splits; each score lies in [1, K].

    Raises:
        TypeError: Not a float tensor.
        ValueError: A wrong shape, values that are not finite, too few samples, rows that are not
            distributions, or probabilities passed as logits.

    Example:
        >>> score = inception_score(torch.eye(4), splits=1, kind="probabilities")
        >>> round(score.mean.item(), 6)
        4.0

    Reference: Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 4.
    """
    check_choice("kind", kind, ("logits", "probabilities"))
    values = rows("predictions", predictions, at_least=check_count("splits", splits), dims="(N, K)")
    if kind == "probabilities":
        sums = values.sum(dim=1)
        if bool((values < 0).any()) or bool(((sums - 1.0).abs() > 1e-3).any()):
            raise ValueError(
                f"predictions: expected probabilities, got a smallest value of "
                f"{float(values.min()):g} and row sums from {float(sums.min()):g} to "
                f"{float(sums.max()):g}"
            )
    elif _are_probabilities(values):
        raise ValueError(
            "predictions: expected logits, got rows of probabilities, at least 0 with a sum of "
            "1; pass kind='probabilities'"
        )
    if kind == "probabilities":
        p, own = values, torch.xlogy(values, values).sum(dim=1)
    else:
        # sum p log p without a second exponential of all values: log p = (x - max x) + log max p.
        p, top = values.softmax(dim=1), values.amax(dim=1, keepdim=True)
        own = (p * (values - top)).sum(dim=1) + p.amax(dim=1).log()
    parts = zip(_equal_parts(p, splits), _equal_parts(own[:, None], splits), strict=True)
    scores = torch.cat([_inception_scores(*part) for part in parts])
    return MeanStd(scores.mean(), scores.std(correction=0))


def _are_probabilities(values: Tensor) -> bool:
    """Return whether logits are rows of probabilities, which no classifier's logits are."""

    def fits(part: Tensor) -> bool:
        sums_to_one = ((part.sum(dim=1) - 1.0).abs() < 1e-3).all()
        return bool(sums_to_one & (part >= 0).all())

    # The first row settles it for real logits.
    return values.shape[1] > 1 and fits(values[:1]) and fits(values)


def _equal_parts(x: Tensor, splits: int) -> list[Tensor]:
    """Split rows like `tensor_split`, with all parts of one size in one tensor (splits, n, K)."""
    size, longer = divmod(len(x), splits)
    end = longer * (size + 1)
    parts = [(x[:end], longer, size + 1), (x[end:], splits - longer, size)]
    return [part.view(count, n, -1) for part, count, n in parts if count]


def _inception_scores(p: Tensor, own: Tensor) -> Tensor:
    # KL = E sum p log p - sum m log m, with 0 log 0 = 0.
    marginal = p.mean(dim=1)
    return (own.mean(dim=(1, 2)) - torch.xlogy(marginal, marginal).sum(dim=1)).exp()


@checked
def frechet_distance(real: Tensor, fake: Tensor) -> Tensor:
    r"""Compute the Frechet distance between Gaussians fitted to two sets of features.

    .. math:: \|\mu_r - \mu_f\|^2 + tr(C_r + C_f - 2 (C_r C_f)^{1/2})

    This is the squared W2 distance of the two Gaussians, and the FID for features of Inception. The
    covariances divide by N - 1. The estimate is biased upwards, more for smaller N: compare only
    values of equal N. With fewer samples than features the covariances are singular, and the value
    is still defined.

    Args:
        real: Float (N, d), features of real images.
        fake: Float (M, d), features of generated images, on the device of `real`.

    Returns:
        Float64 scalar, at least 0. Carries no gradient.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or fewer than two samples.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> round(frechet_distance(x, x + 2.0).item(), 6)
        8.0

    Reference: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium", NeurIPS 2017, equation 6; Dowson and Landau, "The Frechet distance between
    multivariate normal distributions", 1982.
    """
    first, second = pair(("real", "fake"), real, fake, at_least=2)
    if min(len(first), len(second)) < first.shape[1]:
        return _frechet_of_few(first, second)
    return frechet_from_moments(
        first.mean(0), _covariance(first), second.mean(0), _covariance(second)
    )


@checked
def frechet_from_moments(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> Tensor:
    r"""Compute the Frechet distance between two Gaussians from their moments.

    See `frechet_distance` for the formula. tr (C1 C2)^{1/2} is the sum of the roots of the
    eigenvalues of the symmetric C1^{1/2} C2 C1^{1/2}, which are those of C1 C2. Rounding can make
    eigenvalues negative; they count as 0, so that singular covariances need no jitter.

    Args:
        mean1: Float (d,).
        cov1: Float (d, d), symmetric, positive semi-definite.
        mean2: Float (d,).
        cov2: Float (d, d), symmetric, positive semi-definite.

    Returns:
        Float64 scalar, at least 0. Carries no gradient.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or a covariance that is not symmetric
            or has an eigenvalue below 0 by more than rounding.

    Example:
        >>> zero, one = torch.zeros(2), torch.eye(2)
        >>> frechet_from_moments(zero, one, zero + 1.0, 4.0 * one).item()
        4.0

    Reference: as `frechet_distance`.
    """
    m1, m2 = rows("mean1", mean1, dims="(d,)"), rows("mean2", mean2, dims="(d,)")
    if m1.shape != m2.shape:
        raise ValueError(
            f"mean2: expected shape {tuple(m1.shape)} like mean1, got {describe_value(mean2)}"
        )
    c1, c2 = _square("cov1", cov1, m1.shape[0]), _square("cov2", cov2, m1.shape[0])
    values, vectors = torch.linalg.eigh(c1)
    root = (vectors * _non_negative("cov1", values).sqrt()) @ vectors.T
    shared = _non_negative("cov2", torch.linalg.eigvalsh(_symmetric(root @ c2 @ root))).sqrt().sum()
    return ((m1 - m2).square().sum() + c1.trace() + c2.trace() - 2.0 * shared).clamp_min(0.0)


def _frechet_of_few(first: Tensor, second: Tensor) -> Tensor:
    """Return the Frechet distance of fewer samples than features, without their covariances.

    With centred samples X (N, d) and Y (M, d), tr (C1 C2)^{1/2} is the sum of the singular values
    of X Y^T, (N, M), over the root of (N - 1)(M - 1).
    """
    mean1, mean2 = first.mean(0), second.mean(0)
    x, y = first - mean1, second - mean2
    n, m = len(x) - 1, len(y) - 1
    shared = torch.linalg.svdvals(x @ y.T).sum() / (n * m) ** 0.5
    spread = sum((torch.linalg.vector_norm(z).square() / (len(z) - 1) for z in (x, y)), 0.0)
    return ((mean1 - mean2).square().sum() + spread - 2.0 * shared).clamp_min(0.0)


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=0)
    return centred.T @ centred / (x.shape[0] - 1)


def _symmetric(c: Tensor) -> Tensor:
    return 0.5 * (c + c.T)


def _square(name: str, value: Tensor, d: int) -> Tensor:
    c = rows(name, value, dims="(d, d)")
    if c.shape != (d, d):
        raise ValueError(
            f"{name}: expected a float tensor of shape ({d}, {d}) like the mean, "
            f"got {describe_value(value)}"
        )
    if not torch.allclose(c, c.T, rtol=1e-4, atol=1e-6 * float(c.abs().max())):
        raise ValueError(
            f"{name}: expected a symmetric matrix, got differences up to "
            f"{float((c - c.T).abs().max()):g}"
        )
    return _symmetric(c)


def _non_negative(name: str, eigenvalues: Tensor) -> Tensor:
    """Set eigenvalues that rounding made negative to 0; other negative ones raise a ValueError."""
    least = float(eigenvalues.min())
    if least < -1e-4 * float(eigenvalues.abs().max()):
        raise ValueError(
            f"{name}: expected a positive semi-definite matrix, got an eigenvalue of {least:g}"
        )
    return eigenvalues.clamp_min(0.0)


@checked
def kid(
    real: Tensor,
    fake: Tensor,
    subsets: Count = 100,
    subset_size: Count = 1000,
    degree: Count = 3,
    seed: Seed = 0,
) -> MeanStd:
    r"""Compute the kernel inception distance over random subsets.

    It is the unbiased estimate of the squared MMD with the kernel k(x, y) = (x y / d + 1)^degree.

    Args:
        real: Float (N, d), features of real images, N at least `subset_size`.
        fake: Float (M, d), features of generated images, M at least `subset_size`, on the device of
            `real`.
        subsets: Number of pairs of subsets, each drawn without replacement.
        subset_size: Samples of each subset.
        degree: Degree of the polynomial kernel.
        seed: Seed of a private generator on the CPU, which gives the same subsets on every device.

    Returns:
        Mean and standard deviation over the subsets; the mean is unbiased, so it can be negative.
        The standard deviation is that of one subset's estimate, not of the mean. It is NaN for one
        subset, and where a subset is the whole of either set: nothing then shows the spread of
        that set. With at least 2 `subset_size` samples of each it is close to the spread over
        independent draws of `subset_size` samples.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, fewer samples than `subset_size`, or a
            number out of its range.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> kid(x, x + 1.0, subsets=1, subset_size=2).mean.item()
        9.5

    Reference: Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4.
    """
    check_count("degree", degree)
    first, second = pair(
        ("real", "fake"), real, fake, at_least=check_count("subset_size", subset_size, low=2)
    )
    generator = torch.Generator().manual_seed(seed)

    whole = [len(x) == subset_size for x in (first, second)]
    if all(whole):
        return MeanStd(polynomial_mmd(first, second, degree), first.new_tensor(torch.nan))
    draws = [
        tuple(
            torch.randperm(len(x), generator=generator)[:subset_size].to(x.device)
            for x in (first, second)
        )
        for _ in range(check_count("subsets", subsets))
    ]
    values = mmds_of_subsets(first, second, draws, degree)
    spread = values.std(correction=0)
    return MeanStd(values.mean(), spread * torch.nan if any(whole) or subsets == 1 else spread)
