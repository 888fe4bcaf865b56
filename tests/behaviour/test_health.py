"""Test the verdict in situations with a known answer, and that asking for it changes nothing."""

import copy
import inspect
import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advlearn.core import health_verdict
from advlearn.core.adversary import Adversary
from advlearn.core.health import Health

N = 128


def points(seed: int, shift: float = 0.0) -> Tensor:
    x = torch.randn(N, 2, generator=torch.Generator().manual_seed(seed))
    return x + torch.tensor([shift, 0.0])


def linear(first: float, second: float = 0.0) -> nn.Module:
    """D(x) = first x_0 + second x_1."""
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[first, second]]))
        layer.bias.zero_()
    return layer


def health_of(critic: nn.Module, real: Tensor, fake: Tensor, objective: str = "nsgan") -> Health:
    adversary = Adversary(critic, objective)
    with torch.no_grad():
        adversary.player_loss(real, fake)
    return adversary.health()


def report_on(adversary: Adversary, real: Any, fake: Any) -> Health:
    """What the head reports after one loss of the learner."""
    parts = fake if isinstance(fake, tuple) else (fake,)
    parts[0].requires_grad_()
    adversary.player_loss(real, fake)
    return adversary.health()


def test_a_far_winning_minimax_critic_is_saturated() -> None:
    health = health_of(linear(1000.0), points(0, 5.0), points(1, -5.0), "gan")
    assert health.verdict.startswith("critic saturated: gradient to the learner")
    assert health.player_gradient < 1e-6 and health.accuracy == 1.0


def test_the_nonsaturating_generator_still_learns_there() -> None:
    health = health_of(linear(1000.0), points(0, 5.0), points(1, -5.0), "nsgan")
    assert health.verdict.startswith("critic winning")
    assert health.player_gradient > 1.0


def test_a_constant_critic_is_dead() -> None:
    health = health_of(linear(0.0), points(0, 1.0), points(1))
    assert health.verdict.startswith("critic dead: gradient to the learner")
    assert health.accuracy == 0.5 and health.critic_loss == pytest.approx(health.loss_at_chance)


def test_samples_at_one_point_are_a_collapse() -> None:
    health = health_of(linear(1.0), points(0), 0.001 * points(1))
    assert health.verdict.startswith("learner collapsed: its samples spread 0% of the data's")
    assert health.spread == pytest.approx(0.001, rel=0.3)


class IgnoreClasses(nn.Module):
    """A critic that takes classes and scores only the samples."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x[:, 0]


def test_one_sample_per_class_is_a_collapse() -> None:
    # All fakes together are far apart, but those of one class are one point.
    y = torch.arange(N) % 4
    centres = 9 * points(2)[:4]
    adversary = Adversary(IgnoreClasses(), "nsgan")
    with torch.no_grad():
        adversary.player_loss((centres[y] + points(0), y), (centres[y] + 0.01 * points(1), y))
    health = adversary.health()
    assert (
        health.verdict == "learner collapsed: its samples spread 1% of the data's, class by class"
    )
    assert health.spread == pytest.approx(0.01, rel=0.3)


def test_where_no_two_fakes_share_a_class_all_are_compared() -> None:
    adversary = Adversary(IgnoreClasses(), "nsgan")
    # The classes of the data are narrow and far apart, so the fakes would seem to spread widely
    # within one of them.
    y = torch.arange(N) % 4
    real = 9 * points(2)[:4][y] + 0.01 * points(0)
    with torch.no_grad():
        adversary.player_loss((real, y), (0.01 * points(1), torch.arange(N)))
    health = adversary.health()
    assert health.spread < 0.01
    assert health.verdict == "learner collapsed: its samples spread 0% of the data's"


def test_equal_sets_are_matched() -> None:
    x = points(0)
    health = health_of(linear(1.0, 0.5), x, x.flip(0))
    assert health.verdict.startswith("indistinguishable: loss ")
    assert (
        health.accuracy == pytest.approx(0.5)
        and health.p_value > 0.9
        and health.spread == pytest.approx(1, rel=0.3)
    )


def test_a_critic_that_is_sure_where_nothing_differs_is_diverged_only_far_above_chance() -> None:
    x = points(0)
    near, far = (health_of(linear(w, 0.5), x, x.flip(0)) for w in (1.0, 9.0))
    assert near.critic_loss > 1.1 * near.loss_at_chance and far.critic_loss > 5
    assert near.verdict.startswith("indistinguishable")
    assert far.verdict.startswith("critic untrained or diverged")


def test_a_critic_that_cannot_tell_the_sides_apart_is_blind() -> None:
    x = points(0)
    health = health_of(linear(0.0, 0.2), x, x.flip(0) + torch.tensor([2.0, 0.0]))
    assert health.verdict.startswith("critic blind: loss ")
    assert health.accuracy == pytest.approx(0.5) and health.p_value < 0.01


@pytest.mark.parametrize("objective", ["nsgan", "wgan"])
def test_a_critic_that_ranks_wrongly_with_a_loss_above_chance_is_not_called_inverted(
    objective: str,
) -> None:
    health = health_of(linear(-1.0), points(0, 1.0), points(1, -1.0), objective)
    assert health.verdict.startswith("critic untrained or diverged: it ranks ")
    assert health.accuracy < 0.2 and health.critic_loss > health.loss_at_chance


def test_a_diverged_critic_has_a_loss_above_chance_though_it_ranks_well() -> None:
    health = health_of(linear(200.0), points(0, 0.5), points(1, -0.5))
    assert health.verdict.startswith("critic untrained or diverged: it ranks ")
    assert health.accuracy > 0.6 and health.critic_loss > 10


def test_an_untrained_critic_of_least_squares_is_called_so() -> None:
    health = health_of(linear(0.01), points(0, 0.5), points(1, -0.5), "lsgan")
    assert health.verdict.startswith("critic untrained or diverged")


def test_sides_that_are_swapped_in_one_of_two_calls_are_report_on() -> None:
    adversary = Adversary(linear(1.0), "nsgan")
    real, fake = points(0, 1.0), points(1, -1.0).requires_grad_()
    adversary.update(real, fake)
    assert report_on(adversary, fake.detach(), real).verdict.startswith(
        "critic inverted: it ranks "
    )
    assert report_on(adversary, real.detach(), fake).verdict.startswith("in balance")


def test_a_critic_that_the_generator_has_passed_is_lagging() -> None:
    adversary = Adversary(linear(0.3), "nsgan")
    left, right = points(0, -0.8), points(1, 0.8)
    assert report_on(adversary, right, left).verdict.startswith("in balance")
    health = report_on(adversary, points(2, -0.8), points(3, 0.8))
    assert re.fullmatch(r"critic lagging: it ranks .* after \d+% in an earlier report", str(health))
    first = report_on(Adversary(linear(0.3), "nsgan"), points(2, -0.8), points(3, 0.8))
    assert first.verdict.startswith("critic untrained or diverged")


def test_a_wrong_ranking_of_sides_that_are_alike_is_noise() -> None:
    # An accuracy of 0.4, a little more than two standard errors from chance.
    real = points(0)
    health = health_of(linear(0.0, 0.1), real, real.flip(0) + torch.tensor([0.0, 0.28]))
    assert health.accuracy < 0.5 - 0.07 and health.p_value > 0.01
    assert health.verdict.startswith("indistinguishable")


def test_an_objective_that_ranks_against_its_loss_is_inverted() -> None:
    adversary = Adversary(linear(1.0), "wgan")
    objective = adversary.objective
    loss = objective.critic_loss
    objective.critic_loss = lambda batch: -loss(batch)  # type: ignore[method-assign]
    health = report_on(adversary, points(0, -1.0), points(1, 1.0))
    assert health.verdict.startswith("critic inverted: it ranks ")


def test_a_critic_with_a_small_lead_is_in_balance() -> None:
    health = health_of(linear(1.0), points(0, 0.5), points(1, -0.5))
    assert health.verdict.startswith("in balance: the critic ranks ")
    assert 0.6 < health.accuracy < 0.9 and 0 < health.divergence_estimate < 1.3863


def test_classes_are_ranked_by_their_total() -> None:
    """Logits (x, -x) have the mean 0 everywhere, so only the larger logit ranks the samples."""
    critic = nn.Linear(2, 2)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[5.0, 0.0], [-5.0, 0.0]]))
        critic.bias.zero_()
    assert health_of(critic, 3 * points(0).sign(), 0.1 * points(1), "improved-gan").accuracy == 1.0


def test_an_overflow_is_reported_as_not_finite() -> None:
    health = health_of(linear(1e38), points(0, 50.0), points(1, -50.0), "lsgan")
    assert health.verdict.startswith("not finite")


def test_the_penalties_are_listed() -> None:
    health = health_of(linear(3.0), points(0), points(1, 1.0), "wgan + r1 + gradient_penalty")
    assert health.penalties == pytest.approx(
        {"R1": 4.5, "GradientPenalty": 40.0}
    )  # slope 3: 9 / 2 and 10 (3 - 1)^2


@pytest.mark.parametrize(
    "objective", ["began", "nsgan + bottleneck + instance_noise", "r3gan", "mmd", "sngan"]
)
def test_asking_for_health_changes_nothing(objective: str) -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    adversary = Adversary(critic, objective)
    adversary.update(points(0), points(1, 1.0))
    # Also compare buffers that are in no checkpoint but that the next step needs.
    before = [t.detach().clone() for t in (*adversary.parameters(), *adversary.buffers())]
    modes = [m.training for m in adversary.modules()]
    random = torch.get_rng_state()
    first = adversary.health()
    after = (*adversary.parameters(), *adversary.buffers())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert modes == [m.training for m in adversary.modules()]
    assert torch.equal(random, torch.get_rng_state())
    assert all(p.requires_grad for p in adversary.critic.parameters())
    assert repr(adversary.health()) == repr(first)


def test_there_is_no_verdict_before_the_first_batch() -> None:
    with pytest.raises(RuntimeError, match=r"^health: expected a batch, got none"):
        Adversary(linear(1.0)).health()


def test_the_gradient_of_a_penalty_counts_for_the_generator() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        critic = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    head = Adversary(critic, "improved-gan")
    head.update(torch.randn(16, 2), torch.randn(16, 2) + 1)
    assert head.health().player_gradient > 1e-3
    silent = Adversary(critic, "k_plus_one(generator_weight=0)")
    silent.update(torch.randn(16, 2), torch.randn(16, 2) + 1)
    assert silent.health().player_gradient == 0


# Small batches, structured samples


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_batch_that_is_too_small_is_said_to_be_so(n: int) -> None:
    health = health_of(linear(1.0), points(0, 1.0)[:n], points(1, -1.0)[:n])
    assert health.verdict.startswith(f"too few samples: got {n} real and {n} fake, at least 2 of")
    assert math.isnan(health.spread) == (n == 1) and math.isnan(health.p_value) == (n == 1)
    assert health.player_gradient > 0.01 and health.critic_loss > 0


def test_four_samples_are_enough_for_a_critic_that_wins() -> None:
    health = health_of(linear(1.0), points(0, 9.0)[:4], points(1, -9.0)[:4])
    assert health.verdict.startswith("critic winning")


class OfParts(nn.Module):
    """A critic of named parts: tokens, their mask, lengths and an image."""

    def forward(
        self, image: Tensor, tokens: Tensor, mask: Tensor, length: Tensor, extra: Any = None
    ) -> list[Tensor]:
        seen = image.flatten(1).mean(1) + 1e-6 * (tokens * mask).sum(1) / length
        return [seen, image.flatten(2).mean(1)]


def parts(seed: int, shift: float, scale: float = 1.0) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(seed)
    length = torch.randint(1, 7, (32,), generator=draw)
    return {
        "image": scale * torch.randn(32, 3, 8, 8, generator=draw) + shift,
        "tokens": torch.randint(0, 50000, (32, 7), generator=draw),
        "mask": torch.arange(7) < length[:, None],
        "length": length,
        "extra": None,
    }


@pytest.mark.parametrize(
    ("shift", "scale", "verdict"),
    [
        (0.0, 1.0, "indistinguishable"),
        (-9.0, 1.0, "critic winning"),
        (0.0, 0.01, "learner collapsed"),
    ],
)
def test_samples_with_masks_and_integers_are_judged(
    shift: float, scale: float, verdict: str
) -> None:
    adversary = Adversary(OfParts(), "wgan")
    fake = parts(1, shift, scale)
    fake["image"].requires_grad_()
    adversary.player_loss(parts(0, 0.0), fake)
    health = adversary.health()
    assert health.verdict.startswith(verdict), health
    assert health.player_gradient > 1e-3


def test_the_part_that_spreads_least_is_a_collapse_unless_it_is_a_condition() -> None:
    def critic(conditions: tuple[int, ...]) -> Adversary:
        return Adversary(Both(), "wgan", conditions=conditions)

    real, fake = points(0), points(1)
    health = report_on(critic(()), (real, points(2)), (fake, 0.001 * points(3)))
    assert health.verdict.startswith("learner collapsed: its samples spread 0%")
    health = report_on(critic((1,)), (real, points(2)), (fake.detach(), 0.001 * points(3)))
    assert not health.verdict.startswith("learner collapsed")
    assert health.spread == pytest.approx(1, rel=0.3)


class Both(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x[:, 0] + y[:, 0]


def test_sequences_of_other_lengths_are_compared() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((1, 2))

    draw = torch.Generator().manual_seed(0)
    real = torch.randn(32, 1, 96, generator=draw)
    health = report_on(Adversary(Mean(), "wgan"), real, torch.randn(32, 1, 64, generator=draw) - 5)
    assert health.verdict.startswith("critic winning") and health.p_value < 0.01


# What the head notes of its calls


@pytest.mark.parametrize(("lr", "verdict"), [(0.0, "critic still"), (0.01, "in balance")])
def test_a_critic_whose_steps_change_nothing_is_still(lr: float, verdict: str) -> None:
    adversary = Adversary(linear(1.0), "nsgan", optimizer=lambda p: torch.optim.Adam(p, lr=lr))
    for seed in range(3):
        adversary.update(points(seed, 0.5), points(9 + seed, -0.5))
    health = adversary.health()
    assert health.verdict.startswith(verdict)
    assert repr(adversary.health()) == repr(health)
    if lr == 0:
        assert health.verdict == "critic still: its weights have not changed in 3 critic steps"


def test_weights_of_16_bits_that_are_too_large_for_their_steps_are_still() -> None:
    critic = linear(100.0, 100.0).to(torch.bfloat16)
    critic.bias.requires_grad_(False)  # type: ignore[union-attr]
    adversary = Adversary(critic, "nsgan", lr=1e-4)
    for seed in range(3):
        adversary.update(points(seed, 0.5), points(9 + seed, -0.5))
    assert adversary.health().verdict.startswith("critic still")


@pytest.mark.parametrize("losses", [3, 100])
def test_a_critic_that_is_never_updated_is_still_after_a_while(losses: int) -> None:
    adversary = Adversary(linear(1.0), "nsgan")
    for _ in range(losses):
        adversary.player_loss(points(0, 0.5), points(1, -0.5).requires_grad_())
    assert adversary.health().verdict.startswith("critic still" if losses == 100 else "in balance")
    # An optimizer that is stepped from outside moves the critic too.
    with torch.no_grad():
        adversary.critic.weight += 0.01  # type: ignore[operator]
    for _ in range(losses):
        adversary.player_loss(points(0, 0.5), points(1, -0.5).requires_grad_())
    assert adversary.health().verdict.startswith("in balance")


def test_a_critic_that_is_never_updated_is_still_between_frequent_reports() -> None:
    adversary = Adversary(linear(1.0), "nsgan")
    verdicts: list[str] = []
    for loss in range(1, 131):
        adversary.player_loss(points(0, 0.5), points(1, -0.5).requires_grad_())
        if loss % 10 == 0:
            verdicts.append(adversary.health().verdict[:12])
    assert verdicts == ["in balance: "] * 9 + ["critic still"] * 4
    adversary.update(points(0, 0.5), points(1, -0.5))
    assert adversary.health().verdict.startswith("in balance")
    adversary.player_loss(points(0, 0.5), points(1, -0.5).requires_grad_())
    assert adversary.health().verdict.startswith("in balance")


def test_a_critic_that_sets_in_later_is_not_called_still_before() -> None:
    adversary = Adversary(linear(1.0), "nsgan", start={"critic": 205})
    for seed in range(200):
        adversary.update(points(seed, 0.5), points(9 + seed, -0.5))
        adversary.player_loss(points(0, 0.5), points(1, -0.5).requires_grad_())
        if seed in (0, 90, 199):
            assert adversary.health().verdict.startswith("in balance")


@pytest.mark.parametrize(("losses", "verdict"), [(2, "in balance"), (10, "learner detached")])
def test_a_learner_whose_losses_never_carry_gradient_is_detached(losses: int, verdict: str) -> None:
    adversary = Adversary(linear(1.0), "nsgan")
    with torch.no_grad():
        for _ in range(losses):
            adversary.player_loss(points(0, 0.5), points(1, -0.5))
    assert adversary.health().verdict.startswith(verdict)
    adversary.player_loss(points(0, 0.5), points(1, -0.5).requires_grad_())
    with torch.no_grad():  # a validation loss does not count against it
        adversary.player_loss(points(0, 0.5), points(1, -0.5))
    assert adversary.health().verdict.startswith("in balance")


def test_rewards_that_are_all_the_same_are_found() -> None:
    adversary = Adversary(linear(1.0), "gan")
    real, fake = points(0, 0.5), points(1, -0.5)
    adversary.reward(fake, real)
    health = report_on(adversary, real, fake)
    assert health.verdict.startswith("in balance") and health.reward_spread > 0.1
    adversary.objective.reward = lambda batch: 0 * batch.fake_scores + 3  # type: ignore[method-assign]
    health = adversary.health()
    assert health.verdict.startswith("rewards constant: every sample gets the same reward")
    assert health.reward_spread == 0


def test_rewards_that_nobody_asks_for_are_not_judged() -> None:
    adversary = Adversary(linear(1.0), "gan")
    adversary.objective.reward = lambda batch: 0 * batch.fake_scores  # type: ignore[method-assign]
    health = report_on(adversary, points(0, 0.5), points(1, -0.5))
    assert math.isnan(health.reward_spread) and health.verdict.startswith("in balance")


@pytest.mark.parametrize(
    ("weight", "task_scale", "verdict"),
    [
        (1.0, 1.0, "in balance"),
        (1.0, 1e-4, "gradients apart: the adversarial gradient is 10000 times the other"),
        (1e-4, 1.0, "gradients apart: the task gradient is 10000 times the other"),
        (-1.0, 1.0, "in balance"),
    ],
)
def test_gradients_a_thousand_apart_are_found(
    weight: float, task_scale: float, verdict: str
) -> None:
    adversary = Adversary(linear(1.0), "wgan", adversarial_weight=weight)
    real, fake = points(0, 0.5), points(1, -0.5).requires_grad_()
    loss = adversary.player_loss(real, fake)
    norm = torch.autograd.grad(loss, fake)[0].norm() / abs(weight)
    health = adversary.health(task_gradient=task_scale * norm)
    assert health.verdict.startswith(verdict)
    assert health.gradient_ratio == pytest.approx(abs(weight) / task_scale, rel=1e-4)


# The direction of the critic's steps


def cosine(adversary: Adversary, real: Tensor, fake: Tensor) -> float:
    adversary.update(real, fake)
    return adversary.health().step_cosine


def test_the_step_of_momentum_is_compared_with_the_gradient() -> None:
    # A linear critic of "wgan" has the gradient E[fake] - E[real], whatever its weights.
    real, fake = points(0, 1.0), points(1, -1.0)
    adversary = Adversary(linear(1.0), "wgan", optimizer=lambda p: torch.optim.SGD(p, 0.1, 0.9))
    assert cosine(adversary, real, fake) == pytest.approx(1.0)
    # 0.9 g + g' with g' = -g is -0.1 g': the momentum of the first step is overcome.
    assert cosine(adversary, fake, real) == pytest.approx(1.0)
    plain = Adversary(linear(1.0), "wgan", optimizer="rmsprop")
    assert math.isnan(cosine(plain, real, fake))


def test_adam_divides_its_step_by_the_root_of_the_second_moment() -> None:
    critic = linear(0.5, 0.5)
    adversary = Adversary(critic, "lsgan + r1", optimizer=lambda p: torch.optim.Adam(p, 0.1))
    real, fake = points(0, 1.0), points(1, -1.0)
    adversary.update(real, fake)
    total = adversary.critic_loss(real, fake)
    gradients = torch.autograd.grad(total, list(critic.parameters()))
    state = adversary.optimizer.state  # type: ignore[union-attr]
    steps = [
        state[p]["exp_avg"] / (state[p]["exp_avg_sq"].sqrt() + 1e-8) for p in critic.parameters()
    ]
    g, s = (torch.cat([x.flatten() for x in xs]) for xs in (gradients, steps))
    expected = torch.nn.functional.cosine_similarity(g, s, dim=0)
    assert adversary.health().step_cosine == pytest.approx(float(expected), rel=1e-4)


def test_a_critic_whose_momentum_climbs_its_loss_is_unstable_in_the_third_report() -> None:
    real, fake = points(0, 1.0), points(1, -1.0)
    adversary = Adversary(linear(0.1), "hinge", optimizer=lambda p: torch.optim.SGD(p, 1e-6, 0.99))
    for _ in range(30):
        adversary.update(fake, real)
    verdicts = []
    for _ in range(3):
        adversary.update(real, fake)  # the sides change, and the momentum keeps its direction
        verdicts.append(adversary.health().verdict)
        assert adversary.health().step_cosine == pytest.approx(-1.0)
    assert [v.startswith("critic unstable: its steps point against its") for v in verdicts] == [
        False,
        False,
        True,
    ]


# A run that is healthy, and what a report costs


@pytest.mark.parametrize("objective", ["nsgan + r1", "hinge + r1", "lsgan", "r3gan"])
def test_a_run_that_goes_well_has_no_fault_in_any_report(objective: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
        critic = nn.Sequential(
            nn.Linear(2, 32),
            nn.LeakyReLU(0.2),
            nn.Linear(32, 32),
            nn.LeakyReLU(0.2),
            nn.Linear(32, 1),
        )
        adversary = Adversary(critic, objective, lr=1e-3)
        optimizer = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.0, 0.9))
        verdicts = []
        for step in range(1, 301):
            for _ in range(adversary.defaults.critic_steps or 1):
                real = torch.randn(N, 2) * torch.tensor([1.0, 0.5]) + 1
                fake = generator(torch.randn(N, 2))
                adversary.update(real, fake)
            optimizer.zero_grad()
            adversary.player_loss(real, fake).backward()
            optimizer.step()
            if step % 50 == 0:
                verdicts.append(adversary.health().verdict)
    fine = ("in balance", "indistinguishable")
    assert all(verdict.startswith(fine) for verdict in verdicts), verdicts
    assert verdicts[-1].startswith(("in balance", "indistinguishable")), verdicts


class Counting(nn.Module):
    """A critic that counts the samples of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls.append(len(x))
        return x.mean((1, 2, 3))


@pytest.mark.parametrize(
    ("size", "scored"), [(4, [128]), (64, [42]), (128, [10, 32]), (256, [8, 32])]
)
def test_large_samples_are_scored_on_a_part_of_the_batch(size: int, scored: list[int]) -> None:
    critic = Counting()
    adversary = Adversary(critic, "hinge")
    image = torch.zeros(64, 3, size, size, requires_grad=True)
    adversary.player_loss(image.detach(), image)
    critic.calls.clear()
    adversary.health()
    assert critic.calls == scored


def test_a_copied_head_begins_a_history_of_its_own() -> None:
    adversary = Adversary(linear(1.0), "nsgan", optimizer=lambda p: torch.optim.SGD(p, lr=0.0))
    adversary.update(points(0, 0.5), points(1, -0.5))
    twin = copy.deepcopy(adversary)
    assert not twin._history.critic_steps
    assert adversary.health().verdict.startswith("critic still")
    assert twin.health().verdict.startswith("in balance")


def test_a_compiled_critic_is_judged_as_it_was_written() -> None:
    torch.compiler.reset()
    body = linear(1.0)
    adversary = Adversary(torch.compile(body, backend="aot_eager"), "nsgan", lr=0.01)
    real, fake = points(0, 0.5), points(1, -0.5)
    adversary.update(real, fake)
    assert adversary.health().verdict.startswith("in balance")


def test_the_page_has_a_row_for_every_verdict() -> None:
    code = inspect.getsource(health_verdict)
    # The code writes "critic {state}"; any other verdict starts with the text before its colon.
    states = re.findall(r'state = "(\w+)" if .* else "(\w+)"', code)[0]
    code = "".join(code.replace("{state}", state) for state in states)
    in_code = set(re.findall(r'[( ]f?"([a-z][a-z ]+): ', code))
    page = Path(__file__).parents[2] / "docs" / "health.md"
    assert set(re.findall(r"^\| `(.+?)` \|", page.read_text(), re.MULTILINE)) == in_code


@pytest.mark.parametrize("shape", [(64,), (64, 1)])
@pytest.mark.parametrize("verb", ["player_loss", "reversed_loss"])
def test_samples_of_weight_zero_are_left_out(verb: str, shape: tuple[int, ...]) -> None:
    real, fake, far = points(0), points(1, 0.5), torch.full((32, 2), 1e3)
    padded = torch.cat([real[:32], far]), torch.cat([far, fake[:32]])
    first = (torch.arange(64) < 32).float().view(shape)
    adversary = Adversary(linear(1.0, 0.3), "nsgan + r1")
    getattr(adversary, verb)(padded[0], padded[1].requires_grad_(), first, 1 - first)
    expected = report_on(Adversary(linear(1.0, 0.3), "nsgan + r1"), real[:32], fake[:32].clone())
    found = asdict(adversary.health())
    for name, value in asdict(expected).items():
        assert found[name] == pytest.approx(value, nan_ok=True), name


def test_the_accuracy_is_that_of_weighted_pairs() -> None:
    real, fake = torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.0], [2.0]])
    weights = torch.tensor([3.0, 1.0])
    adversary = Adversary(nn.Identity(), "hinge")
    adversary.player_loss(real, fake.requires_grad_(), weights, weights)
    # Of the four pairs the real sample wins one, which weighs 3 * 3 of 16.
    assert adversary.health().accuracy == pytest.approx(9 / 16)


def test_a_mask_weighs_a_sample_by_its_share() -> None:
    real, fake = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), torch.zeros(2, 2)
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    adversary = Adversary(nn.Identity(), "hinge")
    adversary.player_loss(real, fake.requires_grad_(), mask, torch.ones(2, 2))
    assert adversary.health().accuracy == pytest.approx(2 / 3)
