import math

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.critic_batch import CriticBatch
from advlearn.core.grammar import resolve
from advlearn.functional.kernels import ALPHAS, MULTIPLES
from advlearn.objectives.mmd import MMD, WitnessPenalty
from tests.closed_form.objective_cases import critic_batch, normal

KERNELS = ["rbf", "rational_quadratic", "energy"]
kernels = pytest.mark.parametrize("kernel", KERNELS)
dimensions = pytest.mark.parametrize("d", [1, 3, 9])  # 9 columns use matrix products


def kernel_value(kernel: str, x: Tensor, y: Tensor, real: Tensor) -> float:
    distance = math.dist(x.tolist(), y.tolist())
    if kernel == "energy":
        return -distance
    if kernel == "rational_quadratic":
        return sum((1 + distance**2 / (2 * a)) ** -a for a in ALPHAS)
    n = real.shape[0]
    pairs = sorted(
        math.dist(real[i].tolist(), real[j].tolist()) for i in range(n) for j in range(i)
    )
    median = pairs[(len(pairs) - 1) // 2]
    return sum(math.exp(-(distance**2) / (2 * (m * median) ** 2)) for m in MULTIPLES)


def brute_force(kernel: str, real: Tensor, fake: Tensor) -> float:
    def mean(a: Tensor, b: Tensor, *, apart: bool) -> float:
        values = [
            kernel_value(kernel, a[i], b[j], real)
            for i in range(len(a))
            for j in range(len(b))
            if not (apart and i == j)
        ]
        return sum(values) / len(values)

    across = mean(real, fake, apart=False)
    return mean(real, real, apart=True) + mean(fake, fake, apart=True) - 2 * across


@kernels
@dimensions
def test_distance_agrees_with_brute_force(kernel: str, d: int) -> None:
    real, fake = normal(6, d), normal(5, d, seed=1) + 0.5
    expected = brute_force(kernel, real, fake)
    assert MMD(kernel).distance(real, fake).item() == pytest.approx(expected, abs=1e-10)


def test_given_bandwidths() -> None:
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [5.0]])
    rbf = [math.exp(-d * d / 8) for d in (1, 2, 3, 5, 2, 4)]
    expected = rbf[0] + rbf[1] - 2 * sum(rbf[2:]) / 4
    torch.testing.assert_close(MMD("rbf", (2.0,)).distance(real, fake), torch.tensor(expected))


@kernels
def test_unbiased(kernel: str) -> None:
    # Over all ways to split four points into two pairs, the mean of an unbiased estimate of zero is
    # zero.
    points = normal(4, 2)
    objective = MMD(kernel, None if kernel == "energy" else (0.7, 2.0))
    splits = [([0, 1], [2, 3]), ([0, 2], [1, 3]), ([0, 3], [1, 2])]
    total = sum(objective.distance(points[a], points[b]) for a, b in splits)
    torch.testing.assert_close(total, torch.zeros((), dtype=torch.float64), atol=1e-12, rtol=0)


@kernels
@dimensions
def test_gradient(kernel: str, d: int) -> None:
    real, fake = normal(5, d).requires_grad_(), (normal(4, d, seed=1) + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(MMD(kernel).distance, (real, fake))


@kernels
@dimensions
def test_gradient_is_finite_where_points_coincide(kernel: str, d: int) -> None:
    real = normal(5, d)
    fake = real.clone().requires_grad_()
    MMD(kernel).distance(real, fake).backward()
    assert fake.grad is not None
    assert fake.grad.isfinite().all()
    same = torch.zeros(3, d, requires_grad=True)
    MMD(kernel).distance(torch.zeros(4, d), same).backward()
    assert (same.grad == 0).all()


@kernels
def test_witness_is_high_near_real(kernel: str) -> None:
    real, fake = normal(20, 2), normal(20, 2, seed=1) + 3
    objective = MMD(kernel)
    assert (objective.witness(torch.zeros(1, 2).double(), real, fake) > 0).all()
    assert (objective.witness(torch.full((1, 2), 3.0).double(), real, fake) < 0).all()


@kernels
def test_mean_difference_of_the_witness_is_the_biased_distance(kernel: str) -> None:
    # The biased distance is the difference of the mean witness between the sides.
    real, fake = normal(6, 2), normal(6, 2, seed=1) + 1
    objective = MMD(kernel)
    gap = objective.witness(real, real, fake).mean() - objective.witness(fake, real, fake).mean()
    values = [sum(kernel_value(kernel, a, b, real) for a in s for b in s) for s in (real, fake)]
    across = sum(kernel_value(kernel, a, b, real) for a in real for b in fake)
    assert gap.item() == pytest.approx((sum(values) - 2 * across) / 36, abs=1e-10)


@kernels
def test_large_offset_does_not_cost_precision(kernel: str) -> None:
    real, fake = normal(6, 20), normal(5, 20, seed=1)
    objective = MMD(kernel)
    torch.testing.assert_close(
        objective.distance((real + 100).float(), (fake + 100).float()).double(),
        objective.distance(real, fake),
        atol=2e-4,
        rtol=0,
    )


def test_energy_distance_between_points() -> None:
    # 2 |0 - 3| - 0 - 0 for two points repeated.
    real, fake = torch.zeros(2, 1), torch.full((2, 1), 3.0)
    assert MMD("energy").distance(real, fake) == 6


@kernels
def test_witness_penalty_by_finite_differences(kernel: str) -> None:
    bandwidths = None if kernel == "energy" else (0.8, 3.0)
    embed = nn.Sequential(nn.Linear(3, 2), nn.Tanh()).double()
    real, fake = normal(1, 3), normal(1, 3, seed=1)
    real, fake = real.expand(40, 3).clone(), fake.expand(40, 3).clone()
    batch = CriticBatch(embed, real, fake, embed(real), embed(fake))
    penalty = WitnessPenalty(2.0, kernel, bandwidths)
    torch.manual_seed(5)
    got = penalty.penalty(batch)
    torch.manual_seed(5)
    u = torch.rand(40, dtype=torch.float64)[:, None]
    points, step = u * real + (1 - u) * fake, 1e-6

    def witness(x: Tensor) -> Tensor:
        return MMD(kernel, bandwidths).witness(embed(x), embed(real), embed(fake))

    shifts = step * torch.eye(3, dtype=torch.float64)
    slopes = torch.stack(
        [(witness(points + s) - witness(points - s)) / (2 * step) for s in shifts], 1
    )
    torch.testing.assert_close(
        got, 2 * (slopes.norm(dim=1) - 1).square().mean(), atol=1e-6, rtol=1e-5
    )
    got.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in embed.parameters())


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="bandwidths: expected None, the energy kernel"):
        MMD("energy", (1.0,))
    with pytest.raises(ValueError, match="bandwidths: expected a finite number above 0"):
        MMD("rbf", (1.0, 0.0))
    with pytest.raises(ValueError, match="fake: the unbiased estimate needs 2 or more"):
        MMD().player_loss(critic_batch(torch.zeros(3, 2), torch.zeros(1, 2)))


def test_aliases() -> None:
    assert resolve("mmd") == resolve("MMD(kernel='rbf')")
    assert resolve("mmd").objective.embedding == "identity"
    assert resolve("mmd-gan").objective.embedding == "learned"
    assert resolve("energy-distance").objective.kernel == "energy"
    for name in ("mmd-gan", "cramer-gan"):
        chain = resolve(name)
        assert chain.regularizers[0].kernel == chain.objective.kernel
