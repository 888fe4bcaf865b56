"""Arguments of `imitate`: what the critic remembers, entropy, cloning first, device; and what a resumed run shares."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from advlearn.imitation import imitate
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
    def found(rollouts: int, memory: int) -> torch.Tensor:
        player = small(counting())
        return weights_of(
            imitate(always_one(), steps=48 * rollouts, algorithm=player, memory=memory, quiet=True)
        )

    # Of one rollout both see all; with a place for one rollout there is nothing older.
    assert torch.equal(found(1, 0), found(1, 100)) and torch.equal(found(2, 0), found(2, 48))
    assert not torch.equal(found(2, 0), found(2, 100))


def test_a_run_with_a_memory_and_a_cloned_start_resumes_exactly(tmp_path: Any) -> None:
    def go(folder: str, at: int = -1, **settings: Any) -> Any:
        given: dict[str, Any] = {
            "steps": 288,
            "updates": 2,
            "batch_size": 8,
            "memory": 100,
            "clone": 5,
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
    held = load(tmp_path / "broken")["ours"]["memory"]
    assert len(held[0]) == 100
    assert torch.equal(weights_of(go("broken")), weights_of(whole))
    for name, value, was in (("memory", 99, 100), ("clone", 6, 5)):
        with pytest.raises(
            ValueError, match=f"holds a run with {name}={was}, got {value}; choose another"
        ):
            go("whole", **{name: value})


def test_the_same_algorithm_goes_on_like_a_fresh_one(tmp_path: Any) -> None:
    def go(folder: str, player: Any, steps: int) -> Any:
        shared: dict[str, Any] = {"updates": 2, "batch_size": 8, "save_every": 32, "quiet": True}
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
            always_one(), steps=16, algorithm=kind, env=counting(1), entropy=0.25, quiet=True
        )
        assert run.policy.ent_coef == 0.25  # type: ignore[attr-defined]
    plain = imitate(always_one(), steps=16, algorithm="a2c", env=counting(1), quiet=True)
    assert plain.policy.ent_coef == 0.0  # type: ignore[attr-defined]


def test_a_cloned_start_does_what_the_expert_does_where_the_scale_is_the_experts() -> None:
    for env in (counting(), VecNormalize(counting())):
        player = small(env, learning_rate=0.0)
        run = imitate(always_one(), steps=48, algorithm=player, clone=400, quiet=True)
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
        ({"memory": -1}, "memory: expected at least 0, got -1"),
        ({"clone": -1}, "clone: expected at least 0, got -1"),
        (
            {"entropy": 0.1, "algorithm": "trpo"},
            "entropy: expected none with trpo, which has no such bonus, got 0.1",
        ),
        (
            {"entropy": 0.1, "algorithm": "made"},
            "entropy: .* an algorithm that is made, got 0.1; set its ent_coef",
        ),
        (
            {"device": "cpu", "algorithm": "made"},
            "device: .* an algorithm that is made, got cpu; set its device",
        ),
        ({"device": "gpu"}, "device: expected auto, cpu, cuda, cuda:N or mps, got 'gpu'"),
        (
            {"memory": 9, "algorithm": "sac"},
            "memory: expected 0, since SAC has a replay buffer, got 9",
        ),
        (
            {"clone": 9, "algorithm": "sac"},
            "clone: expected 0 or an algorithm with an actor-critic .* 9 with SAC",
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
