import math

import pytest
import torch

from advlearn.objectives.energy_model import EnergyModel, bhattacharyya_entropy
from tests.closed_form.objective_cases import GRID, critic_batch, log_normal, normal


def true_entropy(centres: list[float], sigma: float) -> float:
    components = torch.stack([log_normal(GRID, c, sigma) for c in centres])
    log_density = components.logsumexp(0) - math.log(len(centres))
    return -torch.trapezoid(log_density.exp() * log_density, GRID).item()


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_bound_is_below_the_true_entropy(spread: float) -> None:
    centres = [spread * c for c in (-1.0, 0.2, 0.9, 2.5)]
    bound = bhattacharyya_entropy(torch.tensor(centres, dtype=torch.float64)[:, None], 0.7).item()
    truth = true_entropy(centres, 0.7)
    assert bound <= truth + 1e-9
    assert truth - bound < 0.25


@pytest.mark.parametrize("d", [1, 2, 20])
def test_bound_is_tight_at_both_ends(d: int) -> None:
    one = d / 2 * math.log(2 * math.pi * math.e * 0.09)
    together = bhattacharyya_entropy(torch.ones(5, d, dtype=torch.float64), 0.3)
    apart = bhattacharyya_entropy(100 * torch.arange(5.0).double()[:, None].expand(5, d), 0.3)
    assert together.item() == pytest.approx(one)
    assert apart.item() == pytest.approx(one + math.log(5))


def test_weights_are_repetitions() -> None:
    samples, times = normal(4, 2), torch.tensor([1, 3, 2, 1])
    repeated = bhattacharyya_entropy(samples.repeat_interleave(times, 0), 0.5)
    torch.testing.assert_close(bhattacharyya_entropy(samples, 0.5, times.double()), repeated)


def test_losses_by_hand() -> None:
    objective = EnergyModel(entropy_weight=0.3, sigma=0.5, l2=0.2)
    real, fake, samples = normal(4, seed=1), normal(3, seed=2), normal(3, 2, seed=3)
    batch = critic_batch(real, fake, normal(4, 2, seed=4), samples)
    squares = real.square().mean() + fake.square().mean()
    torch.testing.assert_close(
        objective.critic_loss(batch), fake.mean() - real.mean() + 0.1 * squares
    )
    learner_loss = objective.player_loss(critic_batch(None, fake, samples, samples))
    torch.testing.assert_close(
        learner_loss, -fake.mean() - 0.3 * bhattacharyya_entropy(samples, 0.5)
    )
    torch.testing.assert_close(objective.reward(batch), fake)


def test_entropy_pushes_samples_apart() -> None:
    samples = torch.tensor([[-0.1], [0.1]], requires_grad=True)
    EnergyModel(sigma=0.2).player_loss(
        critic_batch(None, torch.zeros(2), samples, samples)
    ).backward()
    assert samples.grad[0] > 0  # a gradient step moves the left sample further left
    assert samples.grad[1] < 0


def test_gradient() -> None:
    samples = normal(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: bhattacharyya_entropy(x, 0.8), samples)
