import math

import pytest
import torch
from scipy import stats

from advlearn.data.priors import Gaussian, Mixture, Ring, prior

LIKE = torch.zeros(1, dtype=torch.float64)
LAWS = [
    Gaussian(2),
    Ring(2),
    Ring(2, radius=0.5, sigma=0.3),
    Mixture(2),
    Mixture(2, 3, radius=1.0, along=0.2),
]
N = 20_000


def plane(side: float = 5.0, points: int = 501):
    """Return a square grid of the plane and the area of its cells."""
    axis = torch.linspace(-side, side, points, dtype=torch.float64)
    # Half a cell from the origin, where the density of the ring has a pole.
    grid = torch.cartesian_prod(axis, axis) + side / points
    return grid, float((axis[1] - axis[0]) ** 2)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_the_density_matches_the_draws(law):
    grid, area = plane()
    density = law.log_density(grid).exp()
    assert float(density.sum() * area) == pytest.approx(1, abs=5e-3)
    z = law.draw(N, LIKE)
    # Compare the whole distribution of the density at a draw, not only its mean.
    order = law.log_density(grid).sort()
    expected = (density[order.indices] * area).cumsum(0)
    actual = torch.searchsorted(law.log_density(z).sort().values, order.values, right=True) / N
    assert (expected - actual).abs().max() < 0.025
    for place in range(2):
        # Marginal means and squares agree too.
        mean = float((density * grid[:, place]).sum() * area)
        square = float((density * grid[:, place].square()).sum() * area)
        assert float(z[:, place].mean()) == pytest.approx(mean, abs=0.05)
        assert float(z[:, place].square().mean()) == pytest.approx(square, abs=0.1)


@pytest.mark.parametrize("law", [Ring(4), Mixture(4)], ids=str)
def test_further_dimensions_are_standard_normal(law):
    z = law.draw(N, LIKE)
    assert stats.kstest(z[:, 2].numpy(), "norm").statistic < 0.02
    two = type(law)(2)
    apart = two.log_density(z[:, :2]) + Gaussian(2).log_density(z[:, 2:])
    torch.testing.assert_close(law.log_density(z), apart)


def test_a_component_lies_at_its_angle():
    law = Mixture(2, 4, radius=3.0, along=0.5, across=0.1)
    y = torch.arange(4).repeat_interleave(5000)
    z = law.draw(len(y), LIKE, y).unflatten(0, (4, 5000))
    centres = 3 * torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]], dtype=torch.float64)
    torch.testing.assert_close(z.mean(1), centres, rtol=0, atol=0.03)
    spreads = torch.tensor([[0.5, 0.1], [0.1, 0.5], [0.5, 0.1], [0.1, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(z.std(1), spreads, rtol=0.05, atol=0)


def test_components_are_equally_likely_by_default():
    law = Mixture(2, 5, across=0.01)
    z = law.draw(N, LIKE)
    part = torch.round(torch.atan2(z[:, 1], z[:, 0]) / (2 * math.pi / 5)).long() % 5
    assert stats.chisquare(torch.bincount(part, minlength=5).numpy()).pvalue > 1e-3


def test_draws_have_the_requested_precision():
    for law in LAWS:
        assert law.draw(3, torch.zeros(1)).dtype == torch.float32
        assert law.draw(3, LIKE).dtype == torch.float64


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Gaussian(0), "latent: expected a finite number of at least 1, got 0"),
        (lambda: Ring(1), "latent: expected a finite number of at least 2, got 1"),
        (lambda: Mixture(2, 0), "count: expected a finite number of at least 1, got 0"),
        (lambda: Mixture(2, across=0.0), "across: expected a finite number above 0, got 0.0"),
        (lambda: prior("disc", 2), "prior: expected one of gaussian, ring, mixture, got 'disc'"),
        (
            lambda: Ring(2).draw(2, LIKE, torch.zeros(2)),
            "y: expected None for a distribution without components, got a tensor",
        ),
    ],
)
def test_bad_input_is_one_line(make, line):
    with pytest.raises(ValueError, match=line):
        make()
