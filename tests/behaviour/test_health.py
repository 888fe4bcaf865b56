"""Test the verdict in situations with a known answer, and that asking for it changes nothing."""

import inspect
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from advlearn.core import health as module
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


def test_a_critic_that_cannot_tell_the_sides_apart_is_blind() -> None:
    x = points(0)
    health = health_of(linear(0.0, 1.0), x, x.flip(0) + torch.tensor([2.0, 0.0]))
    assert health.verdict.startswith("critic blind: loss ")
    assert health.accuracy == pytest.approx(0.5) and health.p_value < 0.01


def test_a_critic_that_scores_fakes_higher_is_inverted() -> None:
    health = health_of(linear(-1.0), points(0, 1.0), points(1, -1.0))
    assert health.verdict.startswith("critic inverted: it ranks ")
    assert health.accuracy < 0.2


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


def test_the_page_has_a_row_for_every_verdict() -> None:
    code = inspect.getsource(module)
    # The code writes "critic {state}"; any other verdict starts with the text before its colon.
    states = re.findall(r'state = "(\w+)" if .* else "(\w+)"', code)[0]
    code = "".join(code.replace("{state}", state) for state in states)
    in_code = set(re.findall(r'return f?"([^":]+):', code))
    page = Path(__file__).parents[2] / "docs" / "health.md"
    assert set(re.findall(r"^\| `(.+?)` \|", page.read_text(), re.MULTILINE)) == in_code
