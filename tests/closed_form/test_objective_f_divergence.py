import pytest
import torch
from torch import Tensor

from advlearn.core.grammar import resolve
from advlearn.objectives.f_divergence import FDivergence
from tests.closed_form.objective_cases import critic_batch, normal

NAMES = ["kl", "reverse-kl", "pearson", "hellinger", "jensen-shannon", "total-variation"]
names = pytest.mark.parametrize("name", NAMES)

# The conjugates of the paper's table, before the activation is applied.
CONJUGATES = {
    "kl": lambda t: (t - 1).exp(),
    "reverse-kl": lambda t: -1 - (-t).log(),
    "pearson": lambda t: t**2 / 4 + t,
    "hellinger": lambda t: t / (1 - t),
    "jensen-shannon": lambda t: -(2 - t.exp()).log(),
    "total-variation": lambda t: t,
}
SCORES = torch.linspace(-3, 3, 13, dtype=torch.float64)


def activation(objective: FDivergence, scores: Tensor) -> Tensor:
    return -objective.real_loss(scores)


@names
def test_conjugate_agrees_with_the_table(name: str) -> None:
    objective = FDivergence(name)
    expected = CONJUGATES[name](activation(objective, SCORES))
    torch.testing.assert_close(objective.fake_loss(SCORES), expected)


@names
def test_conjugate_is_the_supremum(name: str) -> None:
    # f*(t) = sup_u t u - f(u). Pearson's row takes f on the whole line; on u > 0, from t = f'(0) =
    # -2.
    objective = FDivergence(name)
    scores = SCORES[SCORES > -2] if name == "pearson" else SCORES
    u = torch.linspace(-8, 8, 100_001, dtype=torch.float64).exp()
    t = activation(objective, scores)
    supremum = torch.stack([(value * u - objective.divergence(u)).max() for value in t])
    if name == "total-variation":  # reached at u = 1 and, for the least t, at u = 0
        torch.testing.assert_close(objective.fake_loss(scores), supremum, atol=1e-3, rtol=0)
    else:
        torch.testing.assert_close(objective.fake_loss(scores), supremum, atol=1e-6, rtol=1e-6)


@names
def test_higher_scores_mean_real(name: str) -> None:
    objective = FDivergence(name)
    assert (activation(objective, SCORES).diff() > 0).all()
    conjugate = objective.fake_loss(
        SCORES[SCORES > -2]
    )  # Pearson's falls below t = -2, which no optimal critic has
    assert (conjugate.diff() > 0).all()


@names
def test_generator_losses_by_hand(name: str) -> None:
    real, fake = normal(6, seed=1), normal(4, seed=2)
    minimax, mirrored = FDivergence(name, "minimax"), FDivergence(name)
    batch = critic_batch(real, fake)
    torch.testing.assert_close(minimax.player_loss(batch), -minimax.critic_loss(batch))
    swapped = critic_batch(fake, real)
    torch.testing.assert_close(mirrored.player_loss(batch), mirrored.critic_loss(swapped))
    torch.testing.assert_close(
        mirrored.reward(critic_batch(None, fake)), activation(mirrored, fake)
    )


def test_jensen_shannon_row_is_the_gan_loss_shifted() -> None:
    batch = critic_batch(normal(6), normal(5, seed=1))
    gan, row = resolve("nsgan").objective, FDivergence("jensen-shannon")
    torch.testing.assert_close(row.divergence_estimate(batch), gan.divergence_estimate(batch))


@names
def test_alias_and_unknown_name(name: str) -> None:
    short = {"jensen-shannon": "js", "total-variation": "tv"}.get(name, name)
    assert (
        resolve(f"f-gan-{short}")
        == resolve(f"f-gan(f={name!r})")
        == resolve(repr(FDivergence(name)))
    )
    with pytest.raises(ValueError, match="f: expected one of kl, "):
        FDivergence("renyi")
