"""Test whether two parts of the same samples are independent, by permuting one of them."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from advlearn.core.samples import Samples, rows, tensors

PERMUTATIONS = 199
# Samples that a test looks at, and numbers of the permuted part.
MOST = 512
WIDEST = 64
CLASSES = 64


@final
@dataclass(frozen=True, slots=True)
class SharedSides:
    """Hold two sides that are the same samples, one of them with a permuted part.

    Args:
        first: The part that both sides have, float (n, p), without repeated samples.
        second: The part that is permuted, as it is observed: float (n, q) or codes (n,).
        given: Class within which it is permuted, int64 (n,).
        effective: Number of samples that count as much as the repeated ones of the batch.
    """

    first: Tensor
    second: Tensor
    given: Tensor
    effective: int


def p_value_of_independence(
    first: Tensor, second: Tensor, given: Tensor | None = None, *, seed: int = 0
) -> float:
    """Compute the permutation p-value of the distance covariance of two parts.

    Args:
        first: Numbers (n, p).
        second: Numbers (n, q), or the group of each sample, int64 (n,).
        given: Class of each sample, int64 (n,): the parts are compared, and permuted, within each.
        seed: Seed of the permutations.

    Returns:
        The p-value, uniform for independent parts; NaN where nothing can be compared.

    Example:
        >>> x = torch.arange(40.0)[:, None]
        >>> p_value_of_independence(x, (x > 20).long()[:, 0])
        0.005

    References:
        Szekely, Rizzo and Bakirov 2007, "Measuring and testing dependence by correlation of
        distances", eq. 2.8.
    """
    generator = torch.Generator().manual_seed(seed)
    cells = torch.zeros(len(first), dtype=torch.int64) if given is None else given.cpu()
    totals = torch.zeros(PERMUTATIONS + 1, dtype=torch.float64)
    compared = False
    for cell in cells.unique().tolist():
        inside = (cells == cell).nonzero()[:, 0].to(first.device)
        if len(inside) > 2:
            totals += _covariances(first[inside], second[inside], generator)
            compared = True
    if not compared:
        return math.nan
    slack = 1e-9 * float(totals.abs().max())
    return round(float((totals >= totals[0] - slack).double().mean()), 12)


def shared_sides(real: Samples, fake: Samples) -> SharedSides | None:
    """Return the parts of sides that share their samples; None for sides of different samples.

    Both sides share samples where a part of numbers is equal in both, and each other part is equal
    or permuted.
    """
    pairs = [
        (rows(r.detach()), rows(f.detach()))
        for r, f in zip(tensors(real), tensors(fake), strict=True)
    ]
    if len(pairs) < 2 or any(r.shape != f.shape or not r.numel() for r, f in pairs):
        return None
    equal = [torch.equal(r, f) for r, f in pairs]
    same = [f for (_, f), e in zip(pairs, equal, strict=True) if e]
    moved = [(r, f) for (r, f), e in zip(pairs, equal, strict=True) if not e]
    numbers = [f for f in same if f.is_floating_point()]
    if not numbers or not moved or any(f.shape[1] > WIDEST for _, f in moved):
        return None
    if not all(torch.equal(r.sort(0).values, f.sort(0).values) for r, f in moved):
        return None
    h, a = torch.cat(numbers, 1).double(), torch.cat([f.double() for _, f in moved], 1)
    classes = [f.double() for f in same if not f.is_floating_point() and f.shape[1] == 1]
    fixed = torch.stack([(r == f).all(1) for r, f in moved]).all(0)
    return _distinct(h, a, classes, fixed, all(not f.is_floating_point() for _, f in moved))


def _distinct(
    h: Tensor, a: Tensor, classes: list[Tensor], fixed: Tensor, coded: bool
) -> SharedSides:
    """Keep each sample once: a balanced batch repeats the samples of small groups."""
    given = torch.cat(classes, 1) if classes else torch.zeros(len(h), 1).to(h)
    cells = torch.unique(given, dim=0, return_inverse=True)[1]
    # A class whose pairs are equal on both sides is not compared.
    still = torch.zeros(int(cells.max()) + 1, device=h.device).scatter_add_(
        0, cells, (~fixed).float()
    )
    compared = still[cells] > 0
    joined = torch.cat([h, a, cells[:, None].to(h)], 1)[compared]
    units, counts = torch.unique(joined, dim=0, return_counts=True)
    effective = float(counts.sum()) ** 2 / float(counts.square().sum())
    order = torch.randperm(len(units), generator=torch.Generator().manual_seed(0))[:MOST]
    units = units[order.to(units.device)]
    first, second, within = units.split([h.shape[1], a.shape[1], 1], 1)
    if coded:
        second = torch.unique(second, dim=0, return_inverse=True)[1]
        if int(second.max()) >= CLASSES:
            second = second.double()[:, None]
    return SharedSides(first, second, within[:, 0].long(), max(1, int(effective)))


def _covariances(first: Tensor, second: Tensor, generator: torch.Generator) -> Tensor:
    """Return n times the distance covariance, observed and permuted: float64 (P + 1,)."""
    n = len(first)
    distances = _centred(_distances(first))
    orders = torch.stack(
        [torch.arange(n)] + [torch.randperm(n, generator=generator) for _ in range(PERMUTATIONS)]
    ).to(first.device)
    if not second.is_floating_point():
        codes = torch.unique(second, return_inverse=True)[1]
        sides = one_hot(codes).to(distances)  # distance 1 between groups, 0 within
        totals = torch.zeros(len(orders), dtype=distances.dtype, device=first.device)
        for side in sides.T:
            signs = side[orders]
            totals -= ((signs @ distances) * signs).sum(1)
        return totals.cpu() / n
    others = _centred(_distances(second))
    return torch.stack([(distances * others[o][:, o]).sum() for o in orders]).cpu() / n


def _distances(points: Tensor) -> Tensor:
    points = points.double()
    scale = points.std(0)
    # Each number counts equally, in whatever unit it is.
    points = (points - points.mean(0)) / torch.where(scale > 0, scale, 1.0)
    return torch.cdist(points, points)


def _centred(distances: Tensor) -> Tensor:
    mean = distances.mean(0)
    return distances - mean[None] - mean[:, None] + mean.mean()
