import pytest
import torch

from advlearn.core.grammar import resolve
from advlearn.objectives.loss_sensitive import LossSensitive
from tests.closed_form.objective_cases import critic_batch, normal

REAL_SCORES, FAKE_SCORES = normal(4, seed=1), normal(3, seed=2)
REAL, FAKE = normal(4, 2, 3, seed=3), normal(3, 2, 3, seed=4)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_critic_loss_by_hand(norm: str) -> None:
    objective = LossSensitive(weight=0.7, margin_weight=0.2, norm=norm)
    violations = []
    for r, f, x, y in zip(REAL_SCORES[:3], FAKE_SCORES, REAL[:3], FAKE, strict=True):
        distance = (x - y).flatten().norm(p=1 if norm == "l1" else 2)
        violations.append(max(0.2 * distance - r + f, torch.zeros(())))
    assert sum(v > 0 for v in violations) > 0
    expected = -REAL_SCORES.mean() + 0.7 * sum(violations) / 3
    loss = objective.critic_loss(critic_batch(REAL_SCORES, FAKE_SCORES, REAL, FAKE))
    torch.testing.assert_close(loss, expected)


def test_pair_that_keeps_its_margin_costs_nothing() -> None:
    objective = LossSensitive()
    scores = torch.tensor([5.0]), torch.tensor([1.0])  # 4 apart
    near, far = torch.tensor([[3.9]]), torch.tensor([[4.1]])
    origin = torch.tensor([[0.0]])
    torch.testing.assert_close(
        objective.critic_loss(critic_batch(*scores, origin, near)), torch.tensor(-5.0)
    )
    torch.testing.assert_close(
        objective.critic_loss(critic_batch(*scores, origin, far)), torch.tensor(-5 + 0.1)
    )


def test_margin_of_tuples_does_not_count_labels() -> None:
    labels = torch.tensor([0, 1, 2, 3]), torch.tensor([7, 8, 9])
    with_labels = critic_batch(REAL_SCORES, FAKE_SCORES, (REAL, labels[0]), (FAKE, labels[1]))
    without = critic_batch(REAL_SCORES, FAKE_SCORES, REAL, FAKE)
    torch.testing.assert_close(
        LossSensitive().critic_loss(with_labels), LossSensitive().critic_loss(without)
    )


def test_generator_lowers_the_loss_of_fakes_and_raises_that_of_reals() -> None:
    objective = LossSensitive()
    torch.testing.assert_close(
        objective.player_loss(critic_batch(None, FAKE_SCORES)), -FAKE_SCORES.mean()
    )
    both = objective.player_loss(critic_batch(REAL_SCORES, FAKE_SCORES, REAL, FAKE))
    torch.testing.assert_close(both, REAL_SCORES.mean() - FAKE_SCORES.mean())
    torch.testing.assert_close(objective.reward(critic_batch(None, FAKE_SCORES)), FAKE_SCORES)


def test_a_hyphen_distinguishes_it_from_least_squares() -> None:
    assert repr(resolve("ls-gan")) == repr(LossSensitive())
    assert repr(resolve("lsgan")).startswith("LeastSquares(")
