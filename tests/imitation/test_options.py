"""Arguments of `imitate`: replay of the critic, entropy, cloning, device, networks and methods."""

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import VecNormalize

from advlearn.core.method import Method
from advlearn.imitation import imitate
from advlearn.imitation.rewards.learned_reward import LearnedReward
from tests.imitation.counting import always_one, counting, small, weights_of

STATES = np.arange(0, 10, 2, dtype=np.float32)[:, None]


def test_the_critic_learns_from_earlier_rollouts_if_it_has_a_replay() -> None:
    def trained(rollouts: int, critic_replay_size: int) -> torch.Tensor:
        learner = small(counting())
        return weights_of(
            imitate(
                always_one(),
                steps=48 * rollouts,
                algorithm=learner,
                critic_replay_size=critic_replay_size,
                quiet=True,
            )
        )

    # The first rollout is the same for both, and a replay of 48 steps holds one rollout only.
    assert torch.equal(trained(1, 0), trained(1, 100))
    assert torch.equal(trained(2, 0), trained(2, 48))
    assert not torch.equal(trained(2, 0), trained(2, 100))


def test_entropy_is_the_bonus_of_the_algorithm() -> None:
    for kind in ("ppo", "a2c"):
        run = imitate(
            always_one(), steps=16, algorithm=kind, env=counting(1), ent_coef=0.25, quiet=True
        )
        assert run.policy.ent_coef == 0.25  # type: ignore[attr-defined]
    plain = imitate(always_one(), steps=16, algorithm="a2c", env=counting(1), quiet=True)
    assert plain.policy.ent_coef == 0.0  # type: ignore[attr-defined]


def test_a_cloned_policy_takes_the_experts_actions_with_and_without_normalisation() -> None:
    for env in (counting(), VecNormalize(counting())):
        learner = small(env, learning_rate=0.0)
        run = imitate(always_one(), steps=48, algorithm=learner, bc_steps=400, quiet=True)
        states = env.normalize_obs(STATES) if isinstance(env, VecNormalize) else STATES
        assert run.policy.predict(states, deterministic=True)[0].tolist() == [1] * 5
        policy: Any = learner.policy
        with torch.no_grad():
            logits = policy.get_distribution(torch.as_tensor(states)).distribution.logits
        assert (logits.exp()[:, 1] > 0.9).all()
        if isinstance(env, VecNormalize):
            # The expert's ten transitions and the policy's.
            assert env.obs_rms.count == pytest.approx(10 + 3 * 17, abs=1e-3)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"critic_replay_size": -1},
            "critic_replay_size: expected a whole number of at least 0, got -1",
        ),
        ({"bc_steps": -1}, "bc_steps: expected a whole number of at least 0, got -1"),
        (
            {"ent_coef": 0.1, "algorithm": "trpo"},
            "ent_coef: expected None with trpo, which has no entropy bonus of this form, got 0.1",
        ),
        (
            {"ent_coef": 0.1, "algorithm": "object"},
            "ent_coef: expected None with an algorithm object, got 0.1; set ent_coef of the object",
        ),
        (
            {"device": "cpu", "algorithm": "object"},
            "device: expected None with an algorithm object, got cpu; set device of the object",
        ),
        ({"device": "gpu"}, "device: expected a device, got 'gpu'; pass .cpu."),
        (
            {"critic_replay_size": 9, "algorithm": "sac"},
            "critic_replay_size: expected 0, since SAC has a replay buffer, got 9",
        ),
        (
            {"bc_steps": 9, "algorithm": "sac"},
            "bc_steps: expected 0 or an algorithm with an actor-critic .* 9 with SAC",
        ),
    ],
)
def test_bad_input_is_one_line_before_training(settings: dict[str, Any], message: str) -> None:
    continuous = settings.get("algorithm") == "sac"
    given: dict[str, Any] = {"env": counting(1, continuous), **settings}
    if given.get("algorithm") == "object":
        given = {**settings, "algorithm": small(counting())}
    with pytest.raises((ValueError, TypeError), match=f"^{message}") as caught:
        imitate(always_one(continuous), steps=10, quiet=True, **given)
    assert "\n" not in str(caught.value)


def test_an_algorithm_by_name_is_on_the_given_device() -> None:
    run = imitate(
        always_one(),
        steps=16,
        algorithm="a2c",
        env=counting(1),
        device=torch.device("cpu"),
        quiet=True,
    )
    assert (
        run.policy.device == torch.device("cpu") == next(run.reward.adversary.parameters()).device
    )


def critic_updates(monkeypatch: pytest.MonkeyPatch, algorithm: Any, **settings: Any) -> list[int]:
    """Return the environment steps made before each training step of the critic, of 64 in all."""
    calls: list[int] = []
    update = LearnedReward.update

    def counted(self: LearnedReward, policy: Any, batch_size: int) -> torch.Tensor:
        calls.append(algorithm.num_timesteps)
        return update(self, policy, batch_size)

    monkeypatch.setattr(LearnedReward, "update", counted)
    continuous = isinstance(algorithm, SAC)
    imitate(
        always_one(continuous), steps=64, algorithm=algorithm, batch_size=8, quiet=True, **settings
    )
    return calls


def late(learning_starts: int = 20) -> SAC:
    """Return a SAC that learns after some steps with random actions."""
    return SAC(
        "MlpPolicy", counting(1, True), learning_starts=learning_starts, batch_size=8, seed=0,
        device="cpu", policy_kwargs={"net_arch": [8]},
    )  # fmt: skip


@pytest.mark.parametrize("k", [1, 4])
def test_an_on_policy_critic_makes_its_steps_after_every_rollout(
    k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Four rollouts of 16 steps.
    expected = [end for end in (16, 32, 48, 64) for _ in range(k)]
    assert critic_updates(monkeypatch, small(counting(1)), critic_steps=k) == expected


@pytest.mark.parametrize("every", [8, 5])
@pytest.mark.parametrize("k", [1, 2])
def test_an_off_policy_critic_makes_its_steps_at_every_interval_once_learning_starts(
    k: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = critic_updates(monkeypatch, late(), critic_steps=k, critic_every=every)
    due = [step for step in range(every, 65, every) if step > 20]
    assert found == [step for step in due for _ in range(k)]


def test_critic_every_is_refused_with_an_on_policy_algorithm() -> None:
    with pytest.raises(ValueError, match=r"^critic_every: expected None, since PPO trains"):
        imitate(always_one(), steps=8, env=counting(), algorithm="ppo", critic_every=4, quiet=True)


def test_a_users_critic_reward_and_method_are_used() -> None:
    given: list[Any] = []

    def critic(inputs: Any) -> torch.nn.Module:
        given.append(inputs)
        return torch.nn.Linear(inputs.shapes[0][0], 1)

    run = imitate(
        always_one(), Method("mine", "imitation", "hinge", "A test."), steps=48,
        algorithm=small(counting()), critic=critic, reward=torch.tanh, optimizer="sgd", quiet=True,
    )  # fmt: skip
    assert isinstance(run.reward.adversary.critic, torch.nn.Linear)
    assert isinstance(run.reward.adversary.optimizer, torch.optim.SGD)
    assert given[0].hidden == (64, 64)
    steps = always_one().transitions()
    expected = torch.tanh(run.reward.adversary.score(run.reward.samples(steps)))
    assert torch.equal(run.reward.of(steps), expected)


def test_behaviour_cloning_needs_no_steps() -> None:
    run = imitate(always_one(), "bc", algorithm=small(counting()), bc_steps=400, quiet=True)
    actions, _ = run.policy.predict(np.asarray(always_one().observations), deterministic=True)
    assert (actions == 1).all()
