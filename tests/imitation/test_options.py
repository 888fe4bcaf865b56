"""Arguments of `imitate`: what the critic remembers, entropy, cloning first, device; and what a resumed run shares."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from advlearn.core.method import Method
from advlearn.imitation import imitate
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.training.checkpoint import load
from tests.imitation.counting import always_one, counting, small

STATES = np.arange(0, 10, 2, dtype=np.float32)[:, None]


class Break(BaseCallback):
    """Stop a run at a step."""

    def __init__(self, at: int = -1) -> None:
        super().__init__()
        self.at = at

    def _on_step(self) -> bool:
        if self.num_timesteps == self.at:
            raise OSError("pulled the plug")
        return True


def weights_of(run: Any) -> torch.Tensor:
    parts = [*run.policy.policy.parameters(), *run.reward.adversary.parameters()]
    return torch.cat([p.detach().flatten() for p in parts])


def test_the_critic_learns_from_earlier_rollouts_where_there_is_a_memory() -> None:
    def found(rollouts: int, critic_replay_size: int) -> torch.Tensor:
        player = small(counting())
        return weights_of(
            imitate(
                always_one(),
                steps=48 * rollouts,
                algorithm=player,
                critic_replay_size=critic_replay_size,
                quiet=True,
            )
        )

    # Of one rollout both see all; with a place for one rollout there is nothing older.
    assert torch.equal(found(1, 0), found(1, 100)) and torch.equal(found(2, 0), found(2, 48))
    assert not torch.equal(found(2, 0), found(2, 100))


def test_a_run_with_a_memory_and_a_cloned_start_resumes_exactly(tmp_path: Any) -> None:
    def go(folder: str, at: int = -1, **settings: Any) -> Any:
        given: dict[str, Any] = {
            "steps": 288,
            "critic_steps": 2,
            "batch_size": 8,
            "critic_replay_size": 100,
            "bc_steps": 5,
            **settings,
        }
        player = small(VecNormalize(counting()))
        shared: dict[str, Any] = {
            "out": tmp_path / folder,
            "save_every": 32,
            "seed": 3,
            "quiet": True,
        }
        return imitate(always_one(), algorithm=player, callbacks=[Break(at)], **given, **shared)

    whole = go("whole")
    with pytest.raises(OSError, match="pulled the plug"):
        go("broken", at=240)
    held = load(tmp_path / "broken")["ours"]["replay"]
    assert len(held[0]) == 100
    assert torch.equal(weights_of(go("broken")), weights_of(whole))
    for name, value, was in (("critic_replay_size", 99, 100), ("bc_steps", 6, 5)):
        with pytest.raises(
            ValueError, match=f"holds a run with {name}={was}, got {value}; choose another"
        ):
            go("whole", **{name: value})


def test_the_same_algorithm_goes_on_like_a_fresh_one(tmp_path: Any) -> None:
    def go(folder: str, player: Any, steps: int) -> Any:
        shared: dict[str, Any] = {
            "critic_steps": 2,
            "batch_size": 8,
            "save_every": 32,
            "quiet": True,
        }
        return imitate(always_one(), steps=steps, algorithm=player, out=tmp_path / folder, **shared)

    used = small(counting())
    go("used", used, 96)
    go("fresh", small(counting()), 96)
    again, fresh = go("used", used, 192), go("fresh", small(counting()), 192)
    assert torch.equal(weights_of(again), weights_of(fresh)) and str(again.history) == str(
        fresh.history
    )


def test_what_differs_in_a_resumed_run_is_named(tmp_path: Any) -> None:
    def go(demos: Any = None, **settings: Any) -> Any:
        player = small(counting(), **settings)
        return imitate(demos or always_one(), steps=48, algorithm=player, out=tmp_path, quiet=True)

    go()
    assert go().policy.num_timesteps == 48
    other = always_one().observations.copy()
    other[3] += 1
    for changed in (
        replace(always_one(), observations=other),
        replace(always_one(), actions=1 - always_one().actions),
    ):  # type: ignore[operator]
        with pytest.raises(
            ValueError, match=r"holds a run with demonstrations='[0-9a-f]{12}', got '[0-9a-f]{12}'"
        ):
            go(changed)
    for name, was, value in (
        ("gamma", 0.99, 0.9),
        ("learning_rate", 0.0003, 0.001),
        ("ent_coef", 0.0, 0.1),
    ):
        with pytest.raises(
            ValueError, match=rf"holds a run with PPO\.{name}={was}, got {value}; choose another"
        ):
            go(**{name: value})
    named = counting()
    for env in named.envs:
        env.spec = type("Spec", (), {"id": "Counting-v0"})()  # type: ignore[assignment]
    with pytest.raises(
        ValueError, match="holds a run with env='', got 'Counting-v0'; choose another"
    ):
        imitate(always_one(), steps=48, algorithm=small(named), out=tmp_path, quiet=True)


def test_entropy_is_the_bonus_of_the_algorithm() -> None:
    for kind in ("ppo", "a2c"):
        run = imitate(
            always_one(), steps=16, algorithm=kind, env=counting(1), ent_coef=0.25, quiet=True
        )
        assert run.policy.ent_coef == 0.25  # type: ignore[attr-defined]
    plain = imitate(always_one(), steps=16, algorithm="a2c", env=counting(1), quiet=True)
    assert plain.policy.ent_coef == 0.0  # type: ignore[attr-defined]


def test_a_cloned_start_does_what_the_expert_does_where_the_scale_is_the_experts() -> None:
    for env in (counting(), VecNormalize(counting())):
        player = small(env, learning_rate=0.0)
        run = imitate(always_one(), steps=48, algorithm=player, bc_steps=400, quiet=True)
        seen = env.normalize_obs(STATES) if isinstance(env, VecNormalize) else STATES
        assert run.policy.predict(seen, deterministic=True)[0].tolist() == [1] * 5
        with torch.no_grad():
            logits: Any = player.policy.get_distribution(torch.as_tensor(seen)).distribution.logits  # type: ignore[operator]
        assert (logits.exp()[:, 1] > 0.9).all()
        if isinstance(env, VecNormalize):
            # The expert's ten transitions and the policy's.
            assert env.obs_rms.count == pytest.approx(10 + 3 * 17, abs=1e-3)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"critic_replay_size": -1},
            "critic_replay_size: expected a finite number of at least 0, got -1",
        ),
        ({"bc_steps": -1}, "bc_steps: expected a finite number of at least 0, got -1"),
        (
            {"ent_coef": 0.1, "algorithm": "trpo"},
            "ent_coef: expected none with trpo, which has no such bonus, got 0.1",
        ),
        (
            {"ent_coef": 0.1, "algorithm": "made"},
            "ent_coef: .* an algorithm that is made, got 0.1; set its ent_coef",
        ),
        (
            {"device": "cpu", "algorithm": "made"},
            "device: .* an algorithm that is made, got cpu; set its device",
        ),
        ({"device": "gpu"}, "device: expected auto, cpu, cuda, cuda:N or mps, got 'gpu'"),
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
    if given.get("algorithm") == "made":
        given = {**settings, "algorithm": small(counting())}
    with pytest.raises((ValueError, TypeError), match=f"^{message}") as caught:
        imitate(always_one(continuous), steps=10, quiet=True, **given)
    assert "\n" not in str(caught.value)


def test_an_algorithm_by_name_is_on_the_device_that_is_asked_for() -> None:
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


def critic_updates(monkeypatch: pytest.MonkeyPatch, algorithm: str, **settings: Any) -> int:
    """How often the critic is trained in 256 steps."""
    calls: list[int] = []
    update = LearnedReward.update

    def counted(self: LearnedReward, policy: Any, batch_size: int) -> torch.Tensor:
        calls.append(1)
        return update(self, policy, batch_size)

    monkeypatch.setattr(LearnedReward, "update", counted)
    env = counting(1, algorithm == "sac")
    imitate(
        always_one(algorithm == "sac"), steps=256, env=env, algorithm=algorithm, batch_size=8,
        quiet=True, **settings,
    )  # fmt: skip
    return len(calls)


def test_more_critic_steps_train_the_critic_more_on_and_off_policy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, four = (critic_updates(monkeypatch, "ppo", critic_steps=k) for k in (1, 4))
    assert four == 4 * one > 0
    once, twice = (critic_updates(monkeypatch, "sac", critic_steps=k) for k in (1, 2))
    assert twice == 2 * once > 0
    seldom = critic_updates(monkeypatch, "sac", critic_every=16)
    assert 0 < seldom < critic_updates(monkeypatch, "sac", critic_every=4)


def test_critic_every_is_refused_where_the_critic_learns_after_each_rollout() -> None:
    with pytest.raises(ValueError, match=r"^critic_every: expected None, since PPO trains"):
        imitate(always_one(), steps=8, env=counting(), algorithm="ppo", critic_every=4, quiet=True)


def test_a_critic_a_reward_and_a_method_of_the_user_are_taken() -> None:
    asked: list[Any] = []

    def critic(inputs: Any) -> torch.nn.Module:
        asked.append(inputs)
        return torch.nn.Linear(inputs.shapes[0][0], 1)

    run = imitate(
        always_one(), Method("mine", "imitation", "hinge", "A test."), steps=48,
        algorithm=small(counting()), critic=critic, reward=torch.tanh, optimizer="sgd", quiet=True,
    )  # fmt: skip
    assert isinstance(run.reward.adversary.critic, torch.nn.Linear)
    assert isinstance(run.reward.adversary.optimizer, torch.optim.SGD)
    assert asked[0].hidden == (64, 64)
    some = always_one().transitions()
    expected = torch.tanh(run.reward.adversary.score(run.reward.samples(some)))
    assert torch.equal(run.reward.of(some), expected)


def test_behaviour_cloning_needs_no_steps() -> None:
    run = imitate(always_one(), "bc", algorithm=small(counting()), bc_steps=400, quiet=True)
    actions, _ = run.policy.predict(np.asarray(always_one().observations), deterministic=True)
    assert (actions == 1).all()


def test_another_function_as_reward_is_another_run(tmp_path: Any) -> None:
    settings: dict[str, Any] = {"steps": 48, "out": tmp_path / "run", "quiet": True}
    imitate(always_one(), "gail", algorithm=small(counting()), reward=lambda s: s, **settings)
    with pytest.raises(ValueError, match="holds a run with reward="):
        imitate(always_one(), "gail", algorithm=small(counting()), reward=lambda s: -s, **settings)
