"""Test small rules that larger tests do not see, each found by a change that no test detected."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import advlearn
from advlearn.core import naming
from advlearn.core.allocations import SMALLEST_BOUND, bound_of
from advlearn.core.critic_batch import weighted_mean
from advlearn.core.finite import NonFiniteError
from advlearn.core.health_critic import _reward_spread
from advlearn.core.health_statistics import sampled
from advlearn.core.objective import Pointwise
from advlearn.imitation.rewards.saving import _encoder
from advlearn.metrics import sinkhorn_divergence, sliced_wasserstein
from advlearn.tasks._codes import drawn


def test_weights_of_elements_have_the_shape_of_the_values() -> None:
    with pytest.raises(ValueError, match=r"^weights: expected one for each sample, \(3,\)"):
        weighted_mean(torch.ones(3), torch.ones(3, 2))


def test_the_bound_on_networks_grows_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000))
    assert bound_of(tmp_path / "file") == SMALLEST_BOUND + 4000


def test_all_columns_are_taken_in_their_order_where_there_are_few() -> None:
    x = torch.randn(5, 7)
    assert torch.equal(sampled(x, columns=7), x)


def test_a_code_is_its_mean_and_deviation_times_the_noise() -> None:
    mean, log_variance = torch.randn(4, 2), torch.randn(4, 2)
    torch.manual_seed(3)
    code = drawn(mean, log_variance)
    torch.manual_seed(3)
    torch.testing.assert_close(code, mean + (log_variance / 2).exp() * torch.randn(4, 2))


@pytest.mark.parametrize(("count", "listed"), [(12, True), (13, False)])
def test_a_message_lists_up_to_twelve_known_names(count: int, listed: bool) -> None:
    message = naming.unknown("name", "?", [f"entry{i:02}" for i in range(count)])
    assert ("known: entry00, " in message) is listed
    assert ("advlearn list" in message) is not listed


def made() -> type[Pointwise]:
    """Define a class as a notebook does whose cell runs again."""

    class Again(Pointwise):
        """Compute a loss."""

        @property
        def loss_at_chance(self) -> float:
            return 0.0

        def real_loss(self, scores: torch.Tensor) -> torch.Tensor:
            return -scores

        def fake_loss(self, scores: torch.Tensor) -> torch.Tensor:
            return scores

        def generator_loss(self, scores: torch.Tensor) -> torch.Tensor:
            return -scores

    return Again


def test_a_class_that_is_defined_again_replaces_the_first(registered: Any) -> None:
    advlearn.register(made(), name="again-and-again")
    second = made()
    advlearn.register(second, name="again-and-again")
    assert type(advlearn.resolve("again-and-again").objective) is second


def test_demonstrations_of_a_reward_have_two_dimensions(tmp_path: Path) -> None:
    parts = [torch.zeros(3, 2, 2), torch.zeros(3), torch.zeros(3, 2, 2), torch.zeros(3)]
    with pytest.raises(ValueError, match=r"reward\.pt"):
        _encoder({"demonstrations": parts, "encoder": {}}, tmp_path / "reward.pt")


@pytest.mark.parametrize("distance", [sliced_wasserstein, sinkhorn_divergence])
def test_a_power_below_one_is_no_distance(distance: Any) -> None:
    with pytest.raises(ValueError, match=r"^p: expected a finite number of at least 1"):
        distance(torch.zeros(3, 2), torch.ones(3, 2), p=0.5)


def test_the_spread_of_rewards_is_their_range_over_the_largest() -> None:
    objective: Any = advlearn.resolve("hinge").objective
    scores = torch.tensor([-3.0, 1.0, 2.0])
    batch: Any = SimpleNamespace(fake_scores=scores, scores=(scores, scores))
    rewards = objective.reward(batch)
    expected = float((rewards.max() - rewards.min()) / rewards.abs().max())
    assert _reward_spread(objective, [batch]) == pytest.approx(expected) and expected > 0


def test_a_cloned_policy_that_is_not_finite_is_an_error() -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    from advlearn.imitation import imitate
    from tests.imitation.counting import always_one, counting, small

    learner = small(counting(2))
    torch.nn.init.constant_(next(learner.policy.value_net.parameters()), float("nan"))
    with pytest.raises(NonFiniteError, match="policy"):
        imitate(always_one(), "bc", algorithm=learner, bc_steps=1, quiet=True)


def test_a_run_of_imitation_ends_where_episodes_start(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    from advlearn.imitation import imitate
    from tests.imitation.counting import always_one, counting, small

    run = imitate(always_one(), algorithm=small(counting(2)), steps=64, out=tmp_path, quiet=True)
    assert all(run.policy._last_episode_starts)
