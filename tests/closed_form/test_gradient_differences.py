"""Estimates of gradient norms from differences of scores, against the gradients themselves."""

import math

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary, resolve
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.regularizer import Regularizer
from advlearn.functional import differences
from advlearn.functional.differences import (
    EPSILON,
    dimension,
    directions,
    mean_projection,
    slopes,
    slopes_at,
)
from advlearn.regularizers.dragan import DraganPenalty
from advlearn.regularizers.gradient_penalty import GradientPenalty, OneSidedGradientPenalty
from advlearn.regularizers.zero_centred import R1, R2
from tests.closed_form.regularizer_cases import Pair, critic_batch, linear, pairs, samples, smooth

SLOPE = [1.0, 2.0, 2.0, 4.0]  # of length 5
FOUR = torch.eye(4, dtype=torch.float64)


def repeated(critic: nn.Module, draws: int) -> CriticBatch:
    """One real and one fake sample, each many times: a draw of the direction for each copy."""
    return critic_batch(
        critic, samples(1, 4).expand(draws, 4), samples(1, 4, seed=1).expand(draws, 4)
    )


@pytest.mark.parametrize("epsilon", [1e-4, 0.01, 10.0])
def test_linear_critic_is_exact_on_average_over_orthogonal_directions(
    epsilon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean over all directions is that over any orthogonal set: E[n n^T] = I for both."""
    monkeypatch.setattr(differences, "EPSILON", epsilon)
    monkeypatch.setattr(differences, "directions", lambda *_: (2 * FOUR,))
    batch = critic_batch(linear(SLOPE), samples(4, 4), samples(4, 4))
    for value in (slopes(batch, "real"), slopes_at(batch.critic, batch.fake)):
        torch.testing.assert_close(value.square().mean().item(), 25.0)


@pytest.mark.parametrize("regularizer", ["r1", "r2", "gradient_penalty", "dragan_penalty"])
def test_each_draw_is_exact_for_a_linear_critic_of_one_dimension(regularizer: str) -> None:
    batch = critic_batch(linear([-3.0]), samples(5, 1), samples(5, 1, seed=1))
    exact, estimate = (
        resolve(f"{regularizer}(estimate={kind!r})").regularizers[0].penalty(batch)
        for kind in ("exact", "difference")
    )
    torch.testing.assert_close(estimate, exact)


@pytest.mark.parametrize("make", [R1, R2, GradientPenalty, DraganPenalty])
def test_a_thousand_draws_are_within_two_percent_for_a_linear_critic(
    make: type[R1 | R2 | GradientPenalty | DraganPenalty],
) -> None:
    torch.manual_seed(0)
    batch = repeated(linear(SLOPE), 64)
    exact = make().penalty(batch)
    drawn = [make(estimate="difference").penalty(batch) for _ in range(1000)]
    torch.testing.assert_close(torch.stack(drawn).mean(), exact, rtol=0.02, atol=0)


@pytest.mark.parametrize("make", [R1, R2, GradientPenalty])
def test_a_smooth_critic_is_estimated_within_two_percent(
    make: type[R1 | R2 | GradientPenalty],
) -> None:
    torch.manual_seed(0)
    critic = smooth()
    batch = critic_batch(critic, samples(64, 2), samples(64, 2, seed=1))
    exact = torch.stack([make().penalty(batch) for _ in range(200)]).mean()
    drawn = torch.stack([make(estimate="difference").penalty(batch) for _ in range(1000)]).mean()
    torch.testing.assert_close(drawn, exact, rtol=0.02, atol=0)


def test_parameters_get_the_gradient_of_the_exact_penalty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(differences, "directions", lambda *_: (2 * FOUR,))
    critic = linear(SLOPE)
    batch = critic_batch(critic, samples(4, 4), samples(4, 4))
    value = R1(estimate="difference", weight=2).penalty(batch)
    (gradient,) = torch.autograd.grad(value, critic[1].weight)
    torch.testing.assert_close(gradient, 2 * critic[1].weight.detach())


@pytest.mark.parametrize("d", [1, 2, 3, 10])
def test_directions_have_the_stated_moments(d: int) -> None:
    torch.manual_seed(0)
    (n,) = directions(torch.zeros(200_000, d, dtype=torch.float64))
    torch.testing.assert_close(n.square().sum(1), torch.full((200_000,), float(d)).double())
    moments = n.T @ n / len(n)
    torch.testing.assert_close(moments, torch.eye(d).double(), rtol=0, atol=0.02)
    torch.testing.assert_close(n[:, 0].abs().mean().item(), mean_projection(d), rtol=0.01, atol=0)


def test_mean_projection_by_hand() -> None:
    # sqrt(2) * 2 / pi on the circle of radius sqrt(2), sqrt(3) / 2 on the sphere of sqrt(3).
    assert mean_projection(2) == pytest.approx(2 * math.sqrt(2) / math.pi)
    assert mean_projection(3) == pytest.approx(math.sqrt(3) / 2)


def test_a_share_is_the_first_samples_and_their_weights() -> None:
    real = torch.cat([samples(2, 1), 1000 + samples(6, 1)])
    critic = nn.Sequential(nn.Linear(1, 1, dtype=torch.float64), nn.Tanh())
    weights = torch.tensor([1.0, 3.0, *[100.0] * 6], dtype=torch.float64)
    batch = critic_batch(critic, real, real, weights, weights)
    part = critic_batch(critic, real[:2], real[:2], weights[:2], weights[:2])
    for make in (R1, R2, DraganPenalty):
        small = make(scale=0.0) if make is DraganPenalty else make()
        shared = type(small)(**({"scale": 0.0} if make is DraganPenalty else {}), share=0.25)
        torch.testing.assert_close(shared.penalty(batch), small.penalty(part))
    torch.manual_seed(0)
    value = R1(estimate="difference", share=0.25).penalty(batch)
    torch.manual_seed(0)
    torch.testing.assert_close(value, R1(estimate="difference").penalty(part))


class Counting(nn.Module):
    """A linear critic that counts the samples it scores."""

    def __init__(self, buffer: bool = False) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1, dtype=torch.float64)
        self.scored = 0
        if buffer:
            self.register_buffer("table", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.scored += len(x)
        return self.layer(x)


@pytest.mark.parametrize(("buffer", "extra"), [(False, 2), (True, 4)])
def test_scores_of_the_batch_are_used_again(buffer: bool, extra: int) -> None:
    """With buffers, a second forward pass may score differently: spectral norm's vectors move."""
    critic = Counting(buffer)
    batch = critic_batch(critic, samples(8, 2), samples(8, 2, seed=1))
    critic.scored = 0
    R1(estimate="difference", share=0.25).penalty(batch)
    assert critic.scored == extra


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_power_iterations_of_spectral_norm_do_not_enter_the_difference(old: bool) -> None:
    normed = nn.utils.spectral_norm if old else nn.utils.parametrizations.spectral_norm
    torch.manual_seed(0)
    critic = nn.Sequential(normed(nn.Linear(8, 8)), nn.Linear(8, 1))
    x = torch.randn(4000, 8)
    exact, found = (
        R1(estimate=e).penalty(critic_batch(critic, x, x)) for e in ("exact", "difference")
    )
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0)


def test_autocast_does_not_round_the_difference() -> None:
    torch.manual_seed(0)
    critic = smooth(torch.float32)
    x = torch.randn(20_000, 2)
    exact = R1().penalty(critic_batch(critic, x, x))
    with torch.autocast("cpu", torch.bfloat16):
        found = R1(estimate="difference").penalty(critic_batch(critic, x, x))
    torch.testing.assert_close(found, exact, rtol=0.03, atol=0)


def test_labels_and_conditions_are_not_moved() -> None:
    critic = Pair()
    (n,) = directions(pairs())
    assert n.shape == (6, 2)
    x = (samples(6, 2), samples(6, 3, seed=1))
    assert [n.shape for n in directions(x, frozenset({0}))] == [(6, 3)]
    assert (dimension(x), dimension(x, frozenset({0}))) == (5, 3)
    value = R1(estimate="difference", weight=2)
    assert value.penalty(critic_batch(critic, pairs(), pairs())).isfinite()


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (nn.Dropout(0.2), "Dropout at '1'"),
        (nn.BatchNorm1d(2), "BatchNorm1d at '1'"),
        (nn.MultiheadAttention(2, 1, dropout=0.1), "MultiheadAttention at '1'"),
    ],
)
def test_a_critic_that_is_not_a_fixed_function_is_refused(layer: nn.Module, name: str) -> None:
    critic = nn.Sequential(nn.Linear(2, 2), layer, nn.Linear(2, 1))
    batch = CriticBatch(
        critic, torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(2), torch.zeros(2)
    )
    with pytest.raises(ValueError, match=rf"estimate: expected a critic .* got {name}; use"):
        R1(estimate="difference").penalty(batch)
    critic.eval()
    if not isinstance(layer, nn.MultiheadAttention):
        R1(estimate="difference").penalty(batch)


def test_noise_and_low_precision_are_refused() -> None:
    adversary = Adversary(nn.Linear(2, 1), "hinge + r1(estimate='difference') + instance_noise")
    with pytest.raises(ValueError, match="got Noisy at 'the top'"):
        adversary.update(torch.zeros(2, 2), torch.zeros(2, 2))
    low = Adversary(nn.Linear(2, 1).bfloat16(), "hinge + r1(estimate='difference')")
    x = torch.zeros(2, 2, dtype=torch.bfloat16)
    with pytest.raises(
        ValueError, match=r"expected a critic with fp32 or fp64 weights .* bfloat16"
    ):
        low.update(x, x)


def test_a_one_sided_penalty_has_no_difference_estimate() -> None:
    with pytest.raises(ValueError, match="estimate: expected one of exact, got 'difference'"):
        resolve("wgan + one_sided_gradient_penalty(estimate='difference')")


@pytest.mark.parametrize("share", [0.0, 1.5, -1.0])
@pytest.mark.parametrize("make", [R1, R2, GradientPenalty, OneSidedGradientPenalty, DraganPenalty])
def test_a_share_out_of_range_is_refused(make: type[Regularizer], share: float) -> None:
    with pytest.raises(ValueError, match="share: expected a finite number above 0 and at most 1"):
        make(share=share)
    assert vars(make(share=1.0))["share"] == 1


def test_the_grammar_takes_every_option() -> None:
    chain = resolve("hinge + r1(every=16, estimate='difference', share=0.25)")
    assert repr(chain.regularizers[0]) == repr(R1(1.0, 16, "difference", 0.25))


def test_epsilon_is_a_hundredth_of_data_of_unit_scale() -> None:
    assert EPSILON == 0.01


class Counted(nn.Module):
    """Count the calls of a critic and the samples of each."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        return self.critic(x)


@pytest.mark.parametrize(
    ("spec", "seen"),
    [
        ("hinge + r1(estimate='difference')", [24]),
        ("hinge + r1(estimate='difference') + r2(estimate='difference', share=0.25)", [26]),
        ("hinge + r1(estimate='difference', share=0.5) + r2", [20]),
    ],
)
def test_moved_samples_are_scored_in_the_pass_of_the_loss(spec: str, seen: list[int]) -> None:
    critic = Counted(smooth())
    real, fake = samples(8, 2), samples(8, 2, seed=1)
    head = Adversary(critic, spec)
    torch.manual_seed(3)
    loss = head.critic_loss(real, fake)
    assert critic.seen[-1:] == seen
    # The same draws, with a separate forward pass for each penalty.
    batch = head.critic_batch(real, fake)
    torch.manual_seed(3)
    regularizers = resolve(spec).regularizers
    penalties = [r.penalty(batch) for r in regularizers]
    expected = [r(batch) for r in (head.objective.critic_loss,)] + penalties
    torch.testing.assert_close(loss, torch.stack(expected).sum())
    gradients = torch.autograd.grad(loss, list(critic.parameters()))
    others = torch.autograd.grad(torch.stack(expected).sum(), list(critic.parameters()))
    torch.testing.assert_close(gradients, others)
