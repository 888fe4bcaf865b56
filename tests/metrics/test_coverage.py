import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from advlearn.metrics import density_coverage, precision_recall


def draw(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def radii(x: Tensor, k: int) -> np.ndarray:
    return NearestNeighbors(n_neighbors=k + 1).fit(x.numpy()).kneighbors(x.numpy())[0][:, -1]


def inside(balls: Tensor, points: Tensor, k: int) -> np.ndarray:
    """Return whether point j lies in ball i, by loops and scikit-learn's neighbours."""
    pairs = zip(balls.numpy(), radii(balls, k), strict=True)
    return np.array(
        [np.linalg.norm(points.numpy() - ball, axis=1) <= radius for ball, radius in pairs]
    )


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("d", [2, 80])
def test_both_pairs_agree_with_loops_over_scikit_learns_neighbours(d, k):
    real, fake = draw(40, d), 0.8 * draw(30, d, seed=1) + 0.5
    in_real, in_fake = inside(real, fake, k), inside(fake, real, k)
    precision, recall = precision_recall(real, fake, k)
    assert precision.item() == pytest.approx(in_real.any(axis=0).mean())
    assert recall.item() == pytest.approx(in_fake.any(axis=0).mean())
    density, coverage = density_coverage(real, fake, k)
    assert density.item() == pytest.approx(in_real.sum() / (k * 30))
    assert coverage.item() == pytest.approx(in_real.any(axis=1).mean())
    assert 0 < precision < 1 or d == 80  # the case is not trivial


def test_equal_sets_have_every_score_one():
    x = draw(50, 3)
    assert precision_recall(x, x.flip(0)) == (1.0, 1.0)
    # Each open ball holds its centre and k - 1 neighbours.
    density, coverage = density_coverage(x, x.flip(0))
    assert density.item() == pytest.approx(1.0) and coverage == 1.0


def test_sets_far_apart_have_every_score_zero():
    x = draw(50, 3)
    assert precision_recall(x, x + 100) == (0.0, 0.0)
    assert density_coverage(x, x + 100) == (0.0, 0.0)


def test_a_collapsed_generator_has_precision_without_recall():
    real = torch.arange(20.0)[:, None]
    narrow = torch.linspace(9.9, 10.1, 20)[:, None]
    assert precision_recall(real, narrow) == (1.0, 0.05)  # only the real 10 lies within the fakes
    assert precision_recall(narrow, real) == (0.05, 1.0)
    density, coverage = density_coverage(real, narrow, k=1)
    # The open balls have radius 1: that of 10 holds all 20 fakes, those of 9 and 11 hold half of
    # them each.
    assert density.item() == 2.0 and coverage.item() == 0.15


def test_a_point_on_the_boundary_counts_only_for_precision():
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [50.0]])
    assert precision_recall(real, fake, k=1).precision == 0.5
    assert density_coverage(real, fake, k=1) == (0.0, 0.0)


def test_repeated_samples_have_balls_of_radius_zero_that_hold_their_copies():
    x = torch.zeros(4, 2)
    assert precision_recall(x, x) == (1.0, 1.0)


@pytest.mark.parametrize("d", [3, 200, 2048])
def test_duplicates_give_the_same_scores_in_every_dimension(d):
    base = torch.rand(50, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    real = base.repeat(5, 1)
    assert precision_recall(real, base, 3) == (1.0, 1.0)
    # Each real sample has four copies: with k = 3 the open balls are empty, with k = 5 they reach
    # to another image.
    assert density_coverage(real, base, 3) == (0.0, 0.0)
    assert density_coverage(real, base, 5) == (1.0, 1.0)


@pytest.mark.parametrize("block", [1 << 20, 600])
@pytest.mark.parametrize("d", [30, 100, 400])
def test_ties_of_whole_numbers_are_exact(d, block, monkeypatch):
    monkeypatch.setattr("advlearn.functional.distances._BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randint(0, 3, (n, d), generator=generator) for n in (60, 50))
    fake[:20] = real[:20]

    def squares(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([(row - y).square().sum(1) for row in x])

    real_radius, fake_radius = (
        squares(x, x).fill_diagonal_(10**9).kthvalue(3, dim=1).values for x in (real, fake)
    )
    across = squares(real, fake)
    precision, recall = precision_recall(real.double(), fake.double(), 3)
    assert precision == (across <= real_radius[:, None]).any(0).double().mean()
    assert recall == (across <= fake_radius).any(1).double().mean()
    density, coverage = density_coverage(real.double(), fake.double(), 3)
    inside = across < real_radius[:, None]
    assert density.item() == pytest.approx(inside.sum().item() / 150)
    assert coverage == inside.any(1).double().mean()


def test_equal_distributions_have_density_one_and_the_expected_coverage():
    # No fake in a ball: the k nearest of N - 1 reals and M fakes, in exchangeable order, are all
    # real.
    n, m, k = 1000, 800, 5
    density, coverage = density_coverage(draw(n, 2), draw(m, 2, seed=1), k)
    expected = 1 - np.prod([(n - i) / (n + m - i) for i in range(1, k + 1)])
    assert density.item() == pytest.approx(1.0, abs=0.1)
    assert coverage.item() == pytest.approx(expected, abs=0.03)


def test_blocks_do_not_change_the_scores(monkeypatch):
    real, fake = draw(40, 2), draw(30, 2, seed=1)
    whole = precision_recall(real, fake), density_coverage(real, fake)
    monkeypatch.setattr("advlearn.functional.distances._BLOCK", 100)
    assert (precision_recall(real, fake), density_coverage(real, fake)) == whole


def test_bad_input_is_named():
    x = torch.zeros(3, 2)
    with pytest.raises(
        ValueError, match=r"real: expected at least 4 samples, got float32 \(3, 2\)"
    ):
        precision_recall(x, x)
    with pytest.raises(ValueError, match="real: expected more than k = 5 samples, got 3"):
        density_coverage(x, x)
    with pytest.raises(ValueError, match="k: expected a whole number of at least 1, got 0"):
        precision_recall(x, x, k=0)
    with pytest.raises(
        ValueError, match=r"fake: expected 2 columns like real, got float32 \(3, 1\)"
    ):
        density_coverage(x, x[:, :1], k=1)
