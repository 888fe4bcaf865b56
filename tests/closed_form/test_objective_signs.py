"""Test every objective: signs, loss at chance, printed forms and aliases."""

import math

import pytest
import torch

from advlearn.core import registry
from advlearn.core.grammar import resolve
from advlearn.core.objective import Objective, Pointwise
from tests.closed_form.objective_cases import critic_batch, normal

CLASSES = [c for c in registry.classes(Objective) if c.__module__.startswith("advlearn.objectives")]
classes = pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
NAMES = [
    "gan",
    "nsgan",
    "wgan",
    "wgan-gp",
    "sngan",
    "lsgan",
    "hinge",
    "f-gan",
    "f-gan-kl",
    "f-gan-reverse-kl",
    "f-gan-pearson",
    "f-gan-hellinger",
    "f-gan-js",
    "f-gan-tv",
    "ragan",
    "rpgan",
    "r3gan",
    "ebgan",
    "began",
    "ls-gan",
    "mmd",
    "mmd-gan",
    "energy-distance",
    "cramer-gan",
    "sinkhorn",
    "assignment",
    "ot-gan",
    "imle",
    "ebm",
    "vdb",
]


def batch_for(objective: Objective, shift: float):
    """Put real samples at a centre and fakes `shift` away; scores fall with the distance."""
    centre = torch.tensor([2.0, 0.0], dtype=torch.float64)
    real, fake = centre + normal(8, 2) / 2, centre + normal(8, 2, seed=1) / 2
    fake[:, 1] += shift
    if objective.critic_output == "vector":
        return critic_batch(real, fake)
    scores = (logits(objective, -(side - centre).square().sum(1) / 10) for side in (real, fake))
    return critic_batch(*scores, real, fake)


def logits(objective: Objective, scores: torch.Tensor) -> torch.Tensor:
    """Return the scores, or class logits with these totals for an objective that takes classes."""
    return (
        torch.stack([scores - math.log(2)] * 2, 1)
        if objective.critic_output == "classes"
        else scores
    )


@pytest.mark.parametrize("name", NAMES)
def test_common_names_resolve(name: str) -> None:
    chain = resolve(name)
    assert chain.objective is not None
    assert resolve(repr(chain)) == chain


@classes
def test_printed_form_parses_to_the_same_objective(cls) -> None:
    assert repr(resolve(repr(cls())).objective) == repr(cls())


@classes
def test_reward_is_high_where_fake_is_scored_as_real(cls) -> None:
    objective = cls()
    if "sign" in cls.EXEMPT:
        pytest.skip(cls.EXEMPT["sign"])
    near, far = (objective.reward(batch_for(objective, shift)) for shift in (0.0, 3.0))
    assert near.shape == far.shape == (8,)
    assert near.mean() > far.mean()


@classes
def test_generator_loss_is_low_where_fake_is_scored_as_real(cls) -> None:
    objective = cls()
    if "sign" in cls.EXEMPT:
        pytest.skip(cls.EXEMPT["sign"])
    near, far = (objective.player_loss(batch_for(objective, shift)) for shift in (0.0, 3.0))
    assert near < far


@classes
def test_critic_with_higher_real_scores_has_a_lower_loss(cls) -> None:
    objective = cls()
    if "sign" in cls.EXEMPT:
        pytest.skip(cls.EXEMPT["sign"])
    real, fake = batch_for(objective, 0.0), batch_for(objective, 3.0)
    if objective.critic_output == "vector":
        assert objective.critic_loss(fake) < objective.critic_loss(real)
    else:
        right = critic_batch(real.real_scores, fake.fake_scores, real.real, fake.fake)
        wrong = critic_batch(fake.fake_scores, real.real_scores, fake.fake, real.real)
        assert objective.critic_loss(right) < objective.critic_loss(wrong)


@classes
def test_loss_at_chance_is_the_loss_of_a_constant_critic(cls) -> None:
    objective = cls()
    if math.isnan(objective.loss_at_chance):
        return
    level = 0.0
    if isinstance(objective, Pointwise):
        optimum = objective.optimal_score(torch.zeros((), dtype=torch.float64))
        level = 0.0 if optimum is None else optimum.item()
    blind = torch.full(
        (6, 2) if objective.critic_output == "vector" else (6,), level, dtype=torch.float64
    )
    blind = logits(objective, blind)
    loss = objective.critic_loss(
        critic_batch(blind, blind.clone(), normal(6, 2), normal(6, 2, seed=1))
    )
    assert loss.item() == pytest.approx(objective.loss_at_chance, abs=1e-9)


@classes
def test_a_restricting_tag_has_a_reason(cls) -> None:
    for tag in ("pointwise", "decomposable", "moves_both_sides", "trains_critic"):
        assert getattr(cls, tag) or cls.reasons[tag]


@pytest.mark.parametrize(
    "cls", [c for c in CLASSES if issubclass(c, Pointwise)], ids=lambda c: c.__name__
)
def test_generator_loss_is_equal_for_mirrored_sides(cls) -> None:
    """Exchanging the sides and negating the scores does not change the learner's loss."""
    objective = cls()
    if cls.__name__ in ("FDivergence", "EnergyModel", "Predictive"):
        # Not symmetric: the two terms of an f-divergence differ, and entropy and predictions are
        # of the fake side.
        return
    centre = 0.0 if not hasattr(objective, "a") else objective.a + objective.b
    scores = normal(9)
    torch.testing.assert_close(
        objective.generator_real_loss(centre - scores), objective.generator_loss(scores)
    )
