"""Hold other implementations of the metrics: of packages, or their formulas written by hand.

Each takes features (N, d) of real and of generated images as float64 arrays, and returns numbers.
Distances are computed in blocks of rows where the original keeps a matrix that does not fit into
memory.
"""

import importlib
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm, svdvals
from scipy.special import logsumexp, softmax
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from advlearn import _optional_imports

Array = NDArray[np.float64]
ROWS = 1000


def blocks(x: Array, y: Array) -> Iterator[Array]:
    """Yield blocks of rows of the distance matrix, as prdc computes it."""
    for start in range(0, len(x), ROWS):
        yield pairwise_distances(x[start : start + ROWS], y)


def clean_fid(real: Array, fake: Array) -> list[float]:
    """Compute the Frechet distance as clean-fid and pytorch-fid do, by a matrix root."""
    mean, covariance = zip(
        *((x.mean(0), np.cov(x, rowvar=False)) for x in (real, fake)), strict=True
    )
    root = sqrtm(covariance[0] @ covariance[1])
    shift = mean[0] - mean[1]
    traces = np.trace(covariance[0]) + np.trace(covariance[1])
    return [float(shift @ shift + traces - 2 * np.trace(root.real))]


def few_fid(real: Array, fake: Array) -> list[float]:
    """Compute the Frechet distance of few samples by the N x M product, with numpy and scipy."""
    x, y = real - real.mean(0), fake - fake.mean(0)
    n, m = len(x) - 1, len(y) - 1
    shift = real.mean(0) - fake.mean(0)
    spread = (x * x).sum() / n + (y * y).sum() / m
    return [float(shift @ shift + spread - 2 * svdvals(x @ y.T).sum() / np.sqrt(n * m))]


def torchmetrics_fid(real: Array, fake: Array) -> list[float]:
    """Compute the Frechet distance by the function of torchmetrics, from moments."""
    module = _torchmetrics("fid")
    moments = []
    for x in (torch.from_numpy(real), torch.from_numpy(fake)):
        moments += [x.mean(0), torch.cov(x.T)]
    return [float(module._compute_fid(*moments))]


def torchmetrics_kid(real: Array, fake: Array, subsets: int, size: int) -> list[float]:
    """Compute KID by the function of torchmetrics, on the subsets that advlearn draws."""
    module, generator = _torchmetrics("kid"), torch.Generator().manual_seed(0)
    values = []
    for _ in range(subsets):
        parts = [
            torch.from_numpy(x)[torch.randperm(len(x), generator=generator)[:size]]
            for x in (real, fake)
        ]
        values.append(float(module.poly_mmd(*parts)))
    return [float(np.mean(values)), float(np.std(values))]


def radii(x: Array, k: int) -> Array:
    """Compute the distance of each row to its k-th nearest other row, as prdc does."""
    # The row itself is at distance zero, so k + 1 are sorted.
    return np.concatenate([np.partition(block, k, axis=1)[:, k] for block in blocks(x, x)])


def prdc(real: Array, fake: Array, k: int) -> dict[str, float]:
    """Compute precision, recall, density and coverage by the formulas of prdc."""
    real_radius, fake_radius = radii(real, k), radii(fake, k)
    inside_real = np.zeros(len(fake), bool)
    recall, coverage, density, start = 0.0, 0.0, 0.0, 0
    for block in blocks(real, fake):
        radius = real_radius[start : start + len(block), None]
        start += len(block)
        inside = block < radius
        inside_real |= inside.any(0)
        recall += float((block < fake_radius).any(1).sum())
        density += float(inside.sum())
        coverage += float((block.min(1) < radius[:, 0]).sum())
    return {
        "precision": float(inside_real.mean()),
        "recall": recall / len(real),
        "density": density / (k * len(fake)),
        "coverage": coverage / len(real),
    }


def mmd(real: Array, fake: Array, bandwidth: float) -> list[float]:
    """Compute the unbiased squared MMD with a Gaussian kernel."""

    def total(x: Array, y: Array) -> float:
        return sum(float(np.exp(-(b**2) / (2 * bandwidth**2)).sum()) for b in blocks(x, y))

    n, m = len(real), len(fake)
    within = (total(real, real) - n) / (n * (n - 1)) + (total(fake, fake) - m) / (m * (m - 1))
    return [within - 2 * total(real, fake) / (n * m)]


def energy_distance(real: Array, fake: Array) -> list[float]:
    """Compute the energy distance over all pairs."""

    def mean(x: Array, y: Array) -> float:
        return sum(float(b.sum()) for b in blocks(x, y)) / (len(x) * len(y))

    return [2 * mean(real, fake) - mean(real, real) - mean(fake, fake)]


def nearest(real: Array, fake: Array) -> list[float]:
    """Compute the mean distance of each fake row to its nearest real row, with scikit-learn."""
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(real)
    return [float(search.kneighbors(fake)[0].mean())]


def parzen(real: Array, fake: Array, bandwidth: float) -> list[float]:
    """Compute the Parzen-window log-likelihood of the real rows under the fake ones."""
    d = real.shape[1]
    sums = [logsumexp(-(b**2) / (2 * bandwidth**2), axis=1) for b in blocks(real, fake)]
    constant = np.log(len(fake)) + d * (np.log(bandwidth) + 0.5 * np.log(2 * np.pi))
    return [float(np.concatenate(sums).mean() - constant)]


def inception_score(real: Array, splits: int) -> list[float]:
    """Compute the inception score of rows of logits by its formula."""
    scores = []
    for part in np.array_split(softmax(real, axis=1), splits):
        ratio = np.log(part) - np.log(part.mean(0))
        scores.append(np.exp((part * ratio).sum(1).mean()))
    return [float(np.mean(scores)), float(np.std(scores))]


def _torchmetrics(name: str) -> object:
    # torchmetrics imports torchvision, which fails with a CPU build of torch.
    _optional_imports.torchvision()
    return importlib.import_module(f"torchmetrics.image.{name}")
