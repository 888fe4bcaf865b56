"""Statistics of two sets of samples that need no critic: their spread, and a test between them.

They look at up to `SAMPLES` samples of a side and `COLUMNS` numbers of a sample, in fp32.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from advlearn.core.independence import p_value_of_independence, shared_sides
from advlearn.core.samples import Conditions, Samples, count, moving, rows, tensors

SAMPLES = 256
COLUMNS = 1024
# Distinct values up to which an integer part is taken for classes, and numbers of it looked at.
CLASSES = 64
CODES = 16
PERMUTATIONS = 199
TINY = 1e-12


def relative_spread(real: Samples, fake: Samples, conditions: Conditions) -> tuple[float, str]:
    """Compute how far the fake samples spread, relative to the real ones, and say how.

    Of several parts, it is that of the part that spreads least. Compared are samples of one class
    where both sides have two of one, else any samples.

    Returns:
        The ratio of the mean distances, NaN with fewer than two samples; and the words for it.
    """
    if min(count(real), count(fake)) < 2:
        return math.nan, ""
    labels = _labels(real), _labels(fake)
    pairs = list(zip(_parts(real, conditions), _parts(fake, conditions), strict=True))
    if all(label is not None for label in labels):
        ratios = [
            _ratio(_gaps(f, labels[1]), _gaps(r, labels[0]))
            for r, f in pairs
            if len(_gaps(r, labels[0])) and len(_gaps(f, labels[1]))
        ]
        if ratios:
            return min(ratios), ", class by class"
    ratios = [_ratio(_gaps(f, None), _gaps(r, None)) for r, f in pairs]
    # A part that is constant in the data cannot collapse.
    return min(ratios, default=math.nan), ""


def spread(samples: Samples, conditions: Conditions) -> float:
    """Compute the mean distance of two samples over all their numbers; NaN for a single sample."""
    if count(samples) < 2:
        return math.nan
    squares = [
        _gaps(sampled(x), None).square() * (rows(x).shape[1] / sampled(x).shape[1])
        for x in moving(samples, conditions)
        if x.numel()
    ]
    if not squares:
        return 0.0
    return float(torch.stack(squares).sum(0).sqrt().mean())


def two_sample_p_value(real: Samples, fake: Samples) -> float:
    """Compute the permutation p-value of the energy distance between both sides.

    Where both sides are the same samples, one of them with a permuted part, it is that of the
    distance covariance of the two parts: the sides themselves are never two independent samples.

    Returns:
        The p-value; NaN with fewer than two samples of a side.
    """
    if min(count(real), count(fake)) < 2:
        return math.nan
    shared = shared_sides(real, fake)
    if shared is not None:
        return p_value_of_independence(shared.first, shared.second, shared.given)
    joined = torch.cat(_points(real, fake))
    n, total = min(count(real), SAMPLES), len(joined)
    distances = torch.cdist(joined, joined)
    generator = torch.Generator().manual_seed(0)
    orders = torch.stack(
        [torch.arange(total)]
        + [torch.randperm(total, generator=generator) for _ in range(PERMUTATIONS)]
    )
    sides = torch.cat([torch.full((n,), 1 / n), torch.full((total - n,), -1 / (total - n))])
    signs = torch.empty(len(orders), total).scatter_(1, orders, sides.expand(len(orders), -1))
    signs = signs.to(distances)
    energies = -((signs @ distances) * signs).sum(1)
    slack = 1e-6 * float(distances.mean())
    return float((energies >= energies[0] - slack).float().mean())


def ranking_noise(n: int, m: int) -> float:
    """Compute two standard errors of the share of rightly ranked pairs if the sides are alike.

    It is that of the Mann-Whitney statistic of `n` and `m` samples.
    """
    return 2 * math.sqrt((n + m + 1) / (12 * n * m))


def sampled(x: Tensor, columns: int = COLUMNS, length: int | None = None) -> Tensor:
    """Return up to `SAMPLES` rows and `columns` numbers of each, fp32: (n, c).

    The numbers are those at the multiples of the golden ratio, which fall in no pattern of an
    image.

    Args:
        x: Values (N, ...).
        columns: Largest number of columns.
        length: Length of the rows from which to count the columns; that of `x` if None.
    """
    values = rows(x.detach()[:SAMPLES])
    width = values.shape[1]
    wanted = min(columns, width if length is None else min(width, length))
    if wanted < width:
        places = torch.arange(wanted, dtype=torch.float64) * ((math.sqrt(5) - 1) / 2) % 1
        values = values[:, (places * width).long().to(x.device)]
    return values.float() if x.is_floating_point() else values


def _parts(samples: Samples, conditions: Conditions) -> list[Tensor]:
    return [sampled(x) for x in moving(samples, conditions) if x.numel()]


def _gaps(points: Tensor, label: Tensor | None) -> Tensor:
    """Return distances of neighbours in the batch; of one class, where there are classes."""
    if label is None:
        return (points - points.roll(1, 0)).norm(dim=1)
    label, order = label.sort(stable=True)
    points = points[order]
    return (points[1:] - points[:-1]).norm(dim=1)[label[1:] == label[:-1]]


def _ratio(fake: Tensor, real: Tensor) -> float:
    scale = float(real.mean())
    return float(fake.mean()) / scale if scale > TINY else math.inf


def _labels(samples: Samples) -> Tensor | None:
    """Return one class for each sample from its integer parts of one number, None without such."""
    parts = [rows(x[:SAMPLES]) for x in tensors(samples) if not x.is_floating_point()]
    parts = [x.long() for x in parts if x.shape[1] == 1]
    if not parts:
        return None
    return torch.unique(torch.cat(parts, 1), dim=0, return_inverse=True)[1]


def _points(real: Samples, fake: Samples) -> tuple[Tensor, Tensor]:
    """Return the samples of both sides as points, (n, d) and (m, d), classes as one-hot vectors.

    Each part of numbers counts as much as another one, in whatever unit it is. All classes together
    count as much as all numbers together: where the sides differ only in how the two go together,
    neither would tell by itself.
    """
    pairs = list(zip(tensors(real), tensors(fake), strict=True))
    pairs = [(r, f) for r, f in pairs if r.numel() and f.numel()]
    numbers = [_numbers(r, f) for r, f in pairs if r.is_floating_point()]
    codes = [_codes(r, f) for r, f in pairs if not r.is_floating_point()]
    n = min(count(real), SAMPLES)
    if len(numbers) > 1:
        numbers = [x / x.std(0).norm().nan_to_num().clamp(min=TINY) for x in numbers]
    points = torch.cat(numbers, 1) if numbers else None
    if not codes:
        joined = points if points is not None else torch.zeros(n + min(count(fake), SAMPLES), 1)
    elif points is None:
        joined = torch.cat(codes, 1)
    else:
        scale = points[:n].std(0).norm().nan_to_num().clamp(min=TINY)
        joined = torch.cat([points, *(scale * code for code in codes)], 1)
    return joined[:n], joined[n:]


def _numbers(real: Tensor, fake: Tensor) -> Tensor:
    shorter = min(rows(real).shape[1], rows(fake).shape[1])
    return torch.cat([sampled(real, length=shorter), sampled(fake, length=shorter)])


def _codes(real: Tensor, fake: Tensor) -> Tensor:
    """Return integer parts of both sides as one-hot vectors, or as numbers where they are many."""
    shorter = min(rows(real).shape[1], rows(fake).shape[1])
    both = torch.cat([sampled(real, CODES, shorter), sampled(fake, CODES, shorter)]).long()
    values, codes = torch.unique(both, return_inverse=True)
    if len(values) <= CLASSES:
        return one_hot(codes, len(values)).flatten(1).float()
    return (both - both.float().mean(0)) / both.float().std(0).clamp(min=1)
