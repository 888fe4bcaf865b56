"""What holds for every objective: signs, chance, printed forms, aliases."""

import math

import pytest
import torch

from advlearn.core import registry
from advlearn.core.grammar import resolve
from advlearn.core.objective import Objective, Pointwise
from tests.closed_form.objective_cases import met, normal

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


def contest_for(objective: Objective, shift: float):
    """Real samples around a centre, fake ones `shift` away from it; scores fall with the distance from it."""
    centre = torch.tensor([2.0, 0.0], dtype=torch.float64)
    real, fake = centre + normal(8, 2) / 2, centre + normal(8, 2, seed=1) / 2
    fake[:, 1] += shift
    if objective.critic_output == "vector":
        return met(real, fake)
    scores = (logits(objective, -(side - centre).square().sum(1) / 10) for side in (real, fake))
    return met(*scores, real, fake)


def logits(objective: Objective, scores: torch.Tensor) -> torch.Tensor:
    """The same scores as the objective takes them: class logits whose total they are, where it takes classes."""
    return (
        torch.stack([scores - math.log(2)] * 2, 1)
        if objective.critic_output == "classes"
        else scores
    )


@pytest.mark.parametrize("name", NAMES)
def test_names_people_type(name: str) -> None:
    chain = resolve(name)
    assert chain.objective is not None
    assert resolve(repr(chain)) == chain


@classes
def test_printed_form_reads_back(cls) -> None:
    assert repr(resolve(repr(cls())).objective) == repr(cls())


@classes
def test_reward_is_high_where_fake_passes_for_real(cls) -> None:
    objective = cls()
    if "sign" in cls.EXEMPT:
        pytest.skip(cls.EXEMPT["sign"])
    near, far = (objective.reward(contest_for(objective, shift)) for shift in (0.0, 3.0))
    assert near.shape == far.shape == (8,)
    assert near.mean() > far.mean()


@classes
def test_player_loss_is_low_where_fake_passes_for_real(cls) -> None:
    objective = cls()
    if "sign" in cls.EXEMPT:
        pytest.skip(cls.EXEMPT["sign"])
    near, far = (objective.player_loss(contest_for(objective, shift)) for shift in (0.0, 3.0))
    assert near < far


@classes
def test_critic_that_gives_real_higher_scores_loses_less(cls) -> None:
    objective = cls()
    if "sign" in cls.EXEMPT:
        pytest.skip(cls.EXEMPT["sign"])
    real, fake = contest_for(objective, 0.0), contest_for(objective, 3.0)
    if objective.critic_output == "vector":
        assert objective.critic_loss(fake) < objective.critic_loss(real)
    else:
        right = met(real.real_scores, fake.fake_scores, real.real, fake.fake)
        wrong = met(fake.fake_scores, real.real_scores, fake.fake, real.real)
        assert objective.critic_loss(right) < objective.critic_loss(wrong)


@classes
def test_chance_is_what_a_blind_critic_loses(cls) -> None:
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
    loss = objective.critic_loss(met(blind, blind.clone(), normal(6, 2), normal(6, 2, seed=1)))
    assert loss.item() == pytest.approx(objective.loss_at_chance, abs=1e-9)


@classes
def test_tag_that_takes_away_has_a_reason(cls) -> None:
    for tag in ("pointwise", "decomposable", "moves_both_sides", "trains_critic"):
        assert getattr(cls, tag) or cls.reasons[tag]


@pytest.mark.parametrize(
    "cls", [c for c in CLASSES if issubclass(c, Pointwise)], ids=lambda c: c.__name__
)
def test_player_is_indifferent_between_sides_in_mirror_image(cls) -> None:
    """Where the player makes both sides, exchanging the sides and mirroring the scores changes nothing."""
    objective = cls()
    if cls.__name__ in ("FDivergence", "EnergyModel", "Predictive"):
        return  # not symmetric: the two f of a divergence differ; entropy and what is predicted are of the fake side
    centre = 0.0 if not hasattr(objective, "a") else objective.a + objective.b
    scores = normal(9)
    torch.testing.assert_close(
        objective.generator_real_loss(centre - scores), objective.generator_loss(scores)
    )
