import torch

from advlearn.objectives.imle import IMLE
from tests.closed_form.objective_cases import critic_batch, normal

REAL, FAKE = normal(6, 3), normal(9, 3, seed=1)


def test_distance_agrees_with_brute_force() -> None:
    expected = sum(min((x - y).square().sum() for y in FAKE) for x in REAL) / 6
    torch.testing.assert_close(IMLE().distance(REAL, FAKE), expected)
    torch.testing.assert_close(IMLE().player_loss(critic_batch(REAL, FAKE)), expected)


def test_only_the_nearest_fakes_are_pulled_to_their_reals() -> None:
    fake = FAKE.clone().requires_grad_()
    IMLE().distance(REAL, fake).backward()
    expected = torch.zeros_like(FAKE)
    for x in REAL:
        nearest = (x - FAKE).square().sum(1).argmin()
        expected[nearest] += 2 * (FAKE[nearest] - x) / 6
    torch.testing.assert_close(fake.grad, expected)
    assert (expected == 0).all(1).any()


def test_zero_when_every_real_has_its_fake() -> None:
    fake = torch.cat([REAL, REAL + 5]).requires_grad_()
    distance = IMLE().distance(REAL, fake)
    distance.backward()
    assert distance == 0
    assert (fake.grad == 0).all()


def test_witness_is_high_near_real() -> None:
    real, fake = torch.zeros(2, 1), torch.full((2, 1), 4.0)
    points = torch.tensor([[0.0], [2.0], [4.0]])
    torch.testing.assert_close(IMLE().witness(points, real, fake), torch.tensor([16.0, 0.0, -16.0]))


def test_critic_is_not_trained() -> None:
    assert not IMLE.trains_critic
    assert IMLE.reasons["trains_critic"]
    assert IMLE().embedding == "identity"
