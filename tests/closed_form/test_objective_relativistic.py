import math

import pytest
import torch
from torch.nn.functional import softplus

from advlearn.core.grammar import resolve
from advlearn.objectives.hinge import Hinge
from advlearn.objectives.jensen_shannon import JensenShannon
from advlearn.objectives.least_squares import LeastSquares
from advlearn.objectives.relativistic import RelativisticAverage, RelativisticPairing
from advlearn.regularizers.zero_centred import R1, R2
from tests.closed_form.objective_cases import critic_batch, normal

REAL, FAKE = normal(7, seed=1), normal(5, seed=2)
both = pytest.mark.parametrize("kind", [RelativisticPairing, RelativisticAverage])


def test_pairing_with_jensen_shannon_is_r3gans_loss() -> None:
    objective, batch = RelativisticPairing(), critic_batch(REAL, FAKE)
    difference = REAL[:5] - FAKE
    torch.testing.assert_close(objective.critic_loss(batch), softplus(-difference).mean())
    torch.testing.assert_close(objective.player_loss(batch), softplus(difference).mean())
    assert objective.loss_at_chance == pytest.approx(math.log(2))


def test_pairing_takes_both_terms_of_an_asymmetric_base() -> None:
    objective = RelativisticPairing("least_squares")
    expected = (
        sum(
            0.5 * (r - f - 1) ** 2 + 0.5 * (f - r) ** 2 for r, f in zip(REAL[:5], FAKE, strict=True)
        )
        / 10
    )
    torch.testing.assert_close(objective.critic_loss(critic_batch(REAL, FAKE)), expected)


def test_average_by_hand() -> None:
    objective, batch = RelativisticAverage("hinge"), critic_batch(REAL, FAKE)
    real, fake = REAL - FAKE.mean(), FAKE - REAL.mean()
    critic = torch.relu(1 - real).mean() + torch.relu(1 + fake).mean()
    torch.testing.assert_close(objective.critic_loss(batch), critic)
    torch.testing.assert_close(objective.player_loss(batch), real.mean() - fake.mean())
    assert objective.loss_at_chance == 2


def test_average_treats_each_output_of_a_patch_critic_separately() -> None:
    real, fake = normal(4, 2, 3), normal(6, 2, 3, seed=1)
    expected = softplus(-(real - fake.mean(0))).mean() + softplus(fake - real.mean(0)).mean()
    torch.testing.assert_close(
        RelativisticAverage().critic_loss(critic_batch(real, fake)), expected
    )


@both
@pytest.mark.parametrize(
    "base", ["jensen_shannon", "hinge", "least_squares", "wasserstein", "f-gan-kl"]
)
def test_shift_of_all_scores_changes_nothing(kind, base: str) -> None:
    objective = kind(base)
    for loss in (objective.critic_loss, objective.player_loss):
        torch.testing.assert_close(
            loss(critic_batch(REAL + 3, FAKE + 3)), loss(critic_batch(REAL, FAKE))
        )
    torch.testing.assert_close(
        objective.reward(critic_batch(REAL + 3, FAKE + 3)),
        objective.reward(critic_batch(REAL, FAKE)),
    )


@both
def test_generator_loss_has_gradients_for_both_sides(kind) -> None:
    real, fake = REAL[:5].clone().requires_grad_(), FAKE.clone().requires_grad_()
    kind().player_loss(critic_batch(real, fake)).backward()
    assert (real.grad > 0).all()
    assert (fake.grad < 0).all()


def test_pairing_reward_is_the_mean_over_all_reals() -> None:
    objective = RelativisticPairing()
    expected = torch.stack([-softplus(REAL - f).mean() for f in FAKE])
    torch.testing.assert_close(objective.reward(critic_batch(REAL, FAKE)), expected)
    weights = torch.arange(1.0, 8, dtype=torch.float64)
    weighted = torch.stack([-(weights * softplus(REAL - f)).sum() / weights.sum() for f in FAKE])
    torch.testing.assert_close(
        objective.reward(critic_batch(REAL, FAKE, real_weights=weights)), weighted
    )


@both
def test_integer_weights_are_repetitions(kind) -> None:
    real, fake = REAL[:3], FAKE[:3]
    times = torch.tensor([1, 3, 2])
    weights = times.double()
    repeated = critic_batch(real.repeat_interleave(times), fake.repeat_interleave(times))
    if kind is RelativisticPairing:
        weighted = critic_batch(
            real, fake, fake_weights=weights
        )  # a pair's weight is the product of its samples'
    else:
        weighted = critic_batch(real, fake, real_weights=weights, fake_weights=weights)
    torch.testing.assert_close(kind().critic_loss(weighted), kind().critic_loss(repeated))
    torch.testing.assert_close(kind().player_loss(weighted), kind().player_loss(repeated))


@both
def test_base_is_stored_as_its_spec(kind) -> None:
    objective = kind(LeastSquares(b=2.0))
    assert objective.base == "LeastSquares(a=0.0, b=2.0, c=1.0)"
    assert repr(resolve(repr(objective)).objective) == repr(objective)
    assert kind("hinge").base == repr(Hinge())


@both
@pytest.mark.parametrize("base", ["mmd", "began", "ebm", "wgan-gp", "r1"])
def test_other_bases_are_refused(kind, base: str) -> None:
    with pytest.raises(ValueError, match=r"^base: expected"):
        kind(base)


def test_r3gan_is_an_alias_of_its_chain() -> None:
    chain = resolve("r3gan(weight=0.5)")
    assert repr(chain).endswith(repr(R1(0.5) + R2(0.5)))
    assert chain.defaults.betas == (0.0, 0.99)


@both
def test_gradient_flows_through_both_scores_of_a_difference(kind) -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    for loss in (kind().critic_loss, kind().player_loss):
        assert torch.autograd.gradcheck(
            lambda r, f, loss=loss: loss(critic_batch(r, f)), (real, fake)
        )


def test_a_base_that_declares_symmetry_has_it() -> None:
    """Compare both losses of every pointwise objective that a pairing computes once."""
    scores = torch.linspace(-5, 5, 101, dtype=torch.float64)
    for base in (Hinge(), JensenShannon(), JensenShannon("minimax")):
        assert base.symmetric
        assert torch.equal(base.real_loss(scores), base.fake_loss(-scores))
