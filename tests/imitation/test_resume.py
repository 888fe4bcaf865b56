"""Resumed runs: they end where an uninterrupted run ends, and must have the same settings."""

import copy
import os
import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import VecNormalize

from advlearn.imitation import imitate
from advlearn.training.checkpoint import load
from tests.imitation.counting import always_one, counting, small, weights_of


class Break(BaseCallback):
    """Raise an error at a step."""

    def __init__(self, at: int = -1) -> None:
        super().__init__()
        self.at = at

    def _on_step(self) -> bool:
        if self.num_timesteps == self.at:
            raise OSError("interrupted")
        return True


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("objective", ["gail", "vairl"])
def test_a_resumed_run_ends_like_an_uninterrupted_one(
    objective: str, normalised: bool, tmp_path: Any
) -> None:
    settings: dict[str, Any] = {
        "steps": 7 * 48,
        "seed": 3,
        "critic_steps": 2,
        "batch_size": 8,
        "quiet": True,
    }

    def go(folder: str, break_at: int = -1) -> Any:
        env = counting()
        original, steps = env.step_wait, iter(range(break_at))

        def interrupt() -> Any:
            if break_at >= 0 and next(steps, None) is None:
                raise OSError("interrupted")
            return original()

        env.step_wait = interrupt  # type: ignore[method-assign]
        learner = small(VecNormalize(env) if normalised else env)
        out = tmp_path / folder
        return imitate(
            always_one(), objective, algorithm=learner, out=out, save_every=32, **settings
        )

    whole = go("whole")
    with pytest.raises(OSError, match="interrupted"):
        go("broken", break_at=5 * 16 + 3)
    resumed = go("broken")
    assert resumed.policy.num_timesteps == whole.policy.num_timesteps == 7 * 48
    assert [row["steps"] for row in resumed.history] == list(range(48, 8 * 48, 48))
    assert str(resumed.history) == str(whole.history)  # as strings, since NaN != NaN
    assert torch.equal(weights_of(whole), weights_of(resumed))
    again = go("broken")
    assert again.policy.num_timesteps == 7 * 48 and str(again.history) == str(whole.history)
    assert torch.equal(weights_of(whole), weights_of(again))
    with pytest.raises(ValueError, match="holds a run with batch_size=8, got 16"):
        settings["batch_size"] = 16
        go("whole")


@pytest.mark.parametrize("kind", [SAC, TD3, DQN])
def test_a_resumed_run_with_a_replay_buffer_ends_like_an_uninterrupted_one(
    kind: Any, tmp_path: Any
) -> None:
    continuous = kind is not DQN
    # A buffer smaller than the run is overwritten, and the first steps use the random source.
    settings: dict[str, Any] = {
        "buffer_size": 60,
        "batch_size": 8,
        "learning_starts": 10,
        "train_freq": 1,
    }
    if kind is DQN:
        settings |= {"target_update_interval": 7}
    if kind is TD3:
        noise: Any = OrnsteinUhlenbeckActionNoise(np.zeros(1), 0.3 * np.ones(1))
        settings |= {"action_noise": noise, "policy_delay": 3}

    def go(folder: str, steps: int = 100, break_at: int = -1) -> Any:
        class Break(BaseCallback):
            def _on_step(self) -> bool:
                if self.num_timesteps == break_at:
                    raise OSError("interrupted")
                return True

        learner = kind(
            "MlpPolicy", counting(1, continuous), seed=0, device="cpu", **copy.deepcopy(settings)
        )
        shared: dict[str, Any] = {
            "critic_steps": 3,
            "batch_size": 8,
            "out": tmp_path / folder,
            "save_every": 30,
        }
        demos = always_one(continuous)
        return imitate(
            demos, steps=steps, algorithm=learner, callbacks=[Break()], seed=3, quiet=True, **shared
        )

    whole = go("whole")
    for broken in (40, 80):
        with pytest.raises(OSError, match="interrupted"):
            go("broken", break_at=broken)
    resumed = go("broken")
    assert torch.equal(weights_of(whole), weights_of(resumed))
    assert resumed.policy._n_updates == whole.policy._n_updates
    if kind is SAC:
        assert torch.equal(whole.policy.log_ent_coef, resumed.policy.log_ent_coef)
        with pytest.raises(ValueError, match="optimize_memory_usage"):
            settings |= {
                "optimize_memory_usage": True,
                "replay_buffer_kwargs": {"handle_timeout_termination": False},
            }
            go("whole")


def test_ctrl_c_stops_at_the_next_checkpoint_and_the_same_call_resumes_exactly(
    tmp_path: Any,
) -> None:
    class CtrlC(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == 51:  # in the second rollout
                os.kill(os.getpid(), signal.SIGINT)
            return True

    def go(folder: str, *callbacks: BaseCallback) -> Any:
        settings: dict[str, Any] = {
            "critic_steps": 1,
            "batch_size": 8,
            "out": tmp_path / folder,
            "save_every": 32,
        }
        learner = small(counting())
        return imitate(
            always_one(), steps=240, algorithm=learner, callbacks=callbacks, quiet=True, **settings
        )

    with pytest.raises(KeyboardInterrupt):
        go("broken", CtrlC())
    assert load(tmp_path / "broken")["steps"] == 96
    assert torch.equal(weights_of(go("broken")), weights_of(go("whole")))


def test_a_run_with_a_critic_replay_and_cloning_resumes_exactly(tmp_path: Any) -> None:
    def go(folder: str, at: int = -1, **settings: Any) -> Any:
        given: dict[str, Any] = {
            "steps": 288,
            "critic_steps": 2,
            "batch_size": 8,
            "critic_replay_size": 100,
            "bc_steps": 5,
            **settings,
        }
        learner = small(VecNormalize(counting()))
        shared: dict[str, Any] = {
            "out": tmp_path / folder,
            "save_every": 32,
            "seed": 3,
            "quiet": True,
        }
        return imitate(always_one(), algorithm=learner, callbacks=[Break(at)], **given, **shared)

    whole = go("whole")
    with pytest.raises(OSError, match="interrupted"):
        go("broken", at=240)
    replay = load(tmp_path / "broken")["ours"]["replay"]
    assert len(replay[0]) == 100
    assert torch.equal(weights_of(go("broken")), weights_of(whole))
    for name, value, saved in (("critic_replay_size", 99, 100), ("bc_steps", 6, 5)):
        with pytest.raises(
            ValueError, match=f"holds a run with {name}={saved}, got {value}; choose another folder"
        ):
            go("whole", **{name: value})


def test_a_used_algorithm_resumes_like_a_new_one(tmp_path: Any) -> None:
    def go(folder: str, learner: Any, steps: int) -> Any:
        shared: dict[str, Any] = {
            "critic_steps": 2,
            "batch_size": 8,
            "save_every": 32,
            "quiet": True,
        }
        return imitate(
            always_one(), steps=steps, algorithm=learner, out=tmp_path / folder, **shared
        )

    used = small(counting())
    go("used", used, 96)
    go("fresh", small(counting()), 96)
    again, fresh = go("used", used, 192), go("fresh", small(counting()), 192)
    assert torch.equal(weights_of(again), weights_of(fresh)) and str(again.history) == str(
        fresh.history
    )


def test_a_setting_that_differs_in_a_resumed_run_is_named(tmp_path: Any) -> None:
    def go(demos: Any = None, **settings: Any) -> Any:
        learner = small(counting(), **settings)
        return imitate(demos or always_one(), steps=48, algorithm=learner, out=tmp_path, quiet=True)

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
    for name, saved, value in (
        ("gamma", 0.99, 0.9),
        ("learning_rate", 0.0003, 0.001),
        ("ent_coef", 0.0, 0.1),
    ):
        with pytest.raises(
            ValueError, match=rf"holds a run with PPO\.{name}={saved}, got {value}; choose another"
        ):
            go(**{name: value})
    named = counting()
    for env in named.envs:
        env.spec = type("Spec", (), {"id": "Counting-v0"})()  # type: ignore[assignment]
    with pytest.raises(
        ValueError, match="holds a run with env='', got 'Counting-v0'; choose another"
    ):
        imitate(always_one(), steps=48, algorithm=small(named), out=tmp_path, quiet=True)


def test_a_run_with_another_reward_function_is_refused(tmp_path: Any) -> None:
    settings: dict[str, Any] = {"steps": 48, "out": tmp_path / "run", "quiet": True}
    imitate(always_one(), "gail", algorithm=small(counting()), reward=lambda s: s, **settings)
    with pytest.raises(ValueError, match="holds a run with reward="):
        imitate(always_one(), "gail", algorithm=small(counting()), reward=lambda s: -s, **settings)


def test_a_critic_or_a_policy_of_another_size_is_one_line_and_nothing_is_restored(
    tmp_path: Any,
) -> None:
    def go(critic_width: int = 4, policy_width: int = 8, steps: int = 48) -> Any:
        learner = small(counting(), policy_kwargs={"net_arch": [policy_width]})
        before = [p.clone() for p in learner.policy.parameters()]

        def critic(inputs: Any) -> torch.nn.Module:
            width = inputs.shapes[0][0]
            hidden = torch.nn.Linear(width, critic_width)
            return torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(critic_width, 1))

        settings: dict[str, Any] = {"critic": critic, "out": tmp_path, "quiet": True}
        try:
            return imitate(always_one(), steps=steps, algorithm=learner, **settings)
        except ValueError:
            assert all(map(torch.equal, before, learner.policy.parameters()))
            raise

    go()
    sized = r"a critic of another size: expected \S+ of shape \("
    for part, given in (
        (sized, {"critic_width": 5}),
        (r"algorithm_settings\.policy_kwargs=", {"policy_width": 9}),
    ):
        message = f"^out: .* holds a run with {part}"
        with pytest.raises(ValueError, match=message) as caught:
            go(**given, steps=96)
        assert "\n" not in str(caught.value)
    assert go(steps=96).policy.num_timesteps == 96
