import torch

from advlearn.objectives.coral import Coral
from tests.closed_form.objective_cases import normal


def test_distance_agrees_with_numpy_covariances() -> None:
    x, y = normal(7, 3), 2 * normal(9, 3, seed=1) + 5
    expected = (torch.cov(x.T) - torch.cov(y.T)).square().sum() / (4 * 9)
    torch.testing.assert_close(Coral().distance(x, y), expected)


def test_a_shift_costs_nothing() -> None:
    x = normal(7, 3)
    torch.testing.assert_close(
        Coral().distance(x, x + 3), torch.zeros((), dtype=x.dtype), atol=1e-20, rtol=0
    )


def test_witness_is_the_derivative_by_mass_on_the_fake_side() -> None:
    real, fake, point = (
        normal(6, 2),
        1.5 * normal(50, 2, seed=1),
        torch.tensor([[2.0, -1.0]], dtype=torch.float64),
    )

    def distance(mass: float) -> torch.Tensor:
        # A point of little mass, added to a fake side of mass 1 - mass: the covariance of the
        # mixture.
        weights = torch.tensor([(1 - mass) / 50] * 50 + [mass], dtype=torch.float64)
        all_ = torch.cat([fake, point])
        centred = all_ - weights @ all_
        cov = (weights[:, None] * centred).T @ centred * 50 / 49
        return (torch.cov(real.T) - cov).square().sum() / 16

    slope = (distance(1e-6) - distance(0.0)) / 1e-6
    # The derivative by the mass of the point, at constant total mass, is the witness minus its
    # mean over the fake side.
    witness = Coral().witness(torch.cat([point, fake]), real, fake)
    torch.testing.assert_close(
        -slope, (witness[0] - witness[1:].mean()) * 50 / 49, rtol=1e-3, atol=1e-6
    )
