"""The limits of each verdict: what it says just below and just above them."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from advlearn.core.adversary import Adversary
from advlearn.core.health_statistics import ranking_noise, spread, two_sample_p_value
from advlearn.core.health_verdict import Findings, verdict

# A critic of a non-saturating game that ranks somewhat rightly; its loss at chance is 2 ln 2.
BALANCED = Findings(
    samples=(64, 64),
    player_gradient=0.1,
    accuracy=0.8,
    noise=0.1,
    shared=False,
    critic_loss=1.2,
    loss_at_chance=1.386,
    spread=1.0,
    of_class="",
    p_value=0.001,
    gradient_ratio=math.nan,
    reward_spread=math.nan,
    step_cosine=math.nan,
    still="",
    detached_losses=0,
    own_accuracy=math.nan,
    earlier_accuracy=math.nan,
    steps_against_gradient=False,
)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({}, "in balance"),
        ({"accuracy": 0.98}, "in balance"),
        ({"accuracy": 0.985}, "critic winning"),
        ({"accuracy": 0.601}, "in balance"),
        ({"accuracy": 0.6}, "critic blind"),
        ({"accuracy": 0.6, "p_value": 0.0099}, "critic blind"),
        ({"accuracy": 0.6, "p_value": 0.01}, "indistinguishable"),
        # Where both sides are the same samples, only a dependence makes a ranking wrong.
        ({"accuracy": 0.2, "critic_loss": 1.3, "shared": True}, "critic inverted"),
        ({"accuracy": 0.2, "critic_loss": 1.3, "shared": True, "p_value": 0.5}, "indistinguish"),
        ({"accuracy": 0.5, "shared": True}, "critic blind"),
        # Where no test tells the sides apart, twice the noise is needed to be wrong.
        ({"accuracy": 0.4, "critic_loss": 1.3}, "critic blind"),
        ({"accuracy": 0.399, "critic_loss": 1.3}, "critic inverted"),
        ({"accuracy": 0.399, "critic_loss": 1.3, "p_value": 0.5}, "indistinguishable"),
        ({"accuracy": 0.301, "critic_loss": 1.3, "p_value": 0.5}, "indistinguishable"),
        ({"accuracy": 0.299, "critic_loss": 1.3, "p_value": 0.5}, "critic inverted"),
        ({"accuracy": 0.3, "critic_loss": 1.387}, "critic untrained or diverged"),
        ({"accuracy": 0.3, "critic_loss": 1.386}, "critic untrained or diverged"),
        ({"accuracy": 0.3, "critic_loss": 1.387, "own_accuracy": 0.601}, "critic inverted"),
        (
            {"accuracy": 0.3, "critic_loss": 1.387, "own_accuracy": 0.6},
            "critic untrained or diverged",
        ),
        ({"accuracy": 0.3, "critic_loss": 1.387, "earlier_accuracy": 0.601}, "critic lagging"),
        (
            {"accuracy": 0.3, "critic_loss": 1.387, "earlier_accuracy": 0.6},
            "critic untrained or diverged",
        ),
        (
            {"accuracy": 0.3, "critic_loss": 2.773, "earlier_accuracy": 0.9},
            "critic untrained or diverged",
        ),
        ({"critic_loss": 1.455}, "in balance"),
        ({"critic_loss": 1.456}, "critic untrained or diverged"),
        ({"accuracy": 0.5, "p_value": 0.5, "critic_loss": 2.77}, "indistinguishable"),
        ({"accuracy": 0.5, "p_value": 0.5, "critic_loss": 2.78}, "critic untrained or diverged"),
        ({"accuracy": 0.5, "p_value": 0.001, "critic_loss": 1.46}, "critic untrained or diverged"),
        ({"loss_at_chance": 0.0, "critic_loss": 5.0}, "in balance"),
        ({"loss_at_chance": -1.0, "critic_loss": -0.96}, "in balance"),
        ({"loss_at_chance": -1.0, "critic_loss": -0.94}, "critic untrained or diverged"),
        ({"player_gradient": 1e-6}, "in balance"),
        ({"player_gradient": 0.9e-6}, "critic dead"),
        ({"player_gradient": 0.9e-6, "accuracy": 0.9}, "critic dead"),
        ({"player_gradient": 0.9e-6, "accuracy": 0.91}, "critic saturated"),
        ({"reward_spread": 1e-6}, "in balance"),
        ({"reward_spread": 0.9e-6}, "rewards constant"),
        ({"spread": 0.1}, "in balance"),
        ({"spread": 0.099}, "learner collapsed"),
        ({"gradient_ratio": 1000.0}, "in balance"),
        ({"gradient_ratio": 1001.0}, "gradients apart: the adversarial gradient is 1001 times"),
        ({"gradient_ratio": 0.0}, "in balance"),
        ({"gradient_ratio": 0.00101}, "in balance"),
        ({"gradient_ratio": 0.0005}, "gradients apart: the task gradient is 2000 times"),
        ({"noise": 0.499}, "critic blind"),
        ({"noise": 0.5}, "too few samples"),
        ({"steps_against_gradient": True}, "critic unstable"),
        ({"still": "it has not moved"}, "critic still"),
        ({"detached_losses": 1}, "learner detached"),
        ({"critic_loss": math.inf}, "not finite"),
        ({"player_gradient": math.nan}, "not finite"),
        ({"accuracy": math.nan}, "not finite"),
    ],
)
def test_each_limit_decides_the_verdict(figures: dict[str, Any], words: str) -> None:
    assert verdict(replace(BALANCED, **figures)).startswith(words)


@pytest.mark.parametrize(
    ("at_chance", "words"),
    [
        (1.386, "loss 1.200 of 1.386 at chance"),
        (-1.0, "loss 1.200 of -1.000 at chance"),
        (0.0, "loss 1.200"),
        (math.nan, "loss 1.200"),
        (math.inf, "loss 1.200"),
    ],
)
def test_the_loss_at_chance_is_named_where_there_is_one(at_chance: float, words: str) -> None:
    assert replace(BALANCED, loss_at_chance=at_chance).sits == words


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_gradient_is_a_mean_over_samples_times_the_spread_of_the_data(scale: float) -> None:
    """A linear critic of slope (3, 4) has the gradient 5 sigmoid(-s) at each fake sample."""
    critic = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[3.0, 4.0]]))
    real = scale * torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    fake = torch.tensor([[0.0, 0.0], [0.4, -0.3], [-0.8, 0.6], [8.0, 6.0]])
    adversary = Adversary(critic, "nsgan")
    adversary.player_loss(real, fake.requires_grad_())
    scores = fake.detach() @ torch.tensor([3.0, 4.0])
    # The corners of a square, taken in turn, are one side apart.
    expected = scale * 5 * float((-scores).sigmoid().mean())
    assert adversary.health().player_gradient == pytest.approx(expected, rel=1e-5)


def test_the_spread_is_the_mean_distance_of_neighbours_in_the_batch() -> None:
    assert spread(torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 0.0]]), ()) == pytest.approx(4.0)


def test_the_p_value_counts_the_orders_whose_energy_distance_is_as_large() -> None:
    """Of 200 orders only those that keep each side together have the largest distance."""
    near = torch.tensor([[0.0], [0.1], [0.2], [0.3], [0.4], [0.5], [0.6], [0.7]])
    assert two_sample_p_value(near, near + 10) == pytest.approx(1 / 200)
    # No order has a smaller distance than two equal sets, which is zero.
    assert two_sample_p_value(near, near) == 1.0


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e3])
def test_a_part_in_another_unit_counts_as_much(unit: float) -> None:
    generator = torch.Generator().manual_seed(0)
    wide = [torch.randn(64, 8, generator=generator) for _ in range(2)]
    narrow = [torch.randn(64, 1, generator=generator) + shift for shift in (0.0, 2.0)]
    p = two_sample_p_value((wide[0], unit * narrow[0]), (wide[1], unit * narrow[1]))
    assert p == pytest.approx(1 / 200)


def test_equal_scores_of_a_pair_count_half_in_the_last_accuracy() -> None:
    adversary = Adversary(torch.nn.Linear(1, 1), "nsgan")
    with torch.no_grad():
        adversary.critic.weight.fill_(1.0)
    real = torch.tensor([[1.0], [2.0], [3.0], [0.0]])
    adversary.critic_loss(real, torch.tensor([[1.0], [2.0], [0.0], [3.0]]))
    assert float(adversary.last_scores["accuracy"]) == 0.5


def test_the_noise_of_a_ranking_is_that_of_mann_and_whitney() -> None:
    """The variance of U / (n m) is (n + m + 1) / (12 n m): 1/4 for n = m = 1."""
    assert ranking_noise(1, 1) == pytest.approx(2 * 0.25**0.5)
    assert ranking_noise(3, 8) == pytest.approx(2 * (12 / (12 * 24)) ** 0.5)
