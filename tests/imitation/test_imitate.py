"""Imitation on stable-baselines3: what lands in its buffers, and whole runs."""

import copy
import os
import signal
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from advlearn import Adversary
from advlearn.imitation import (
    Demonstrations,
    Encoder,
    LearnedReward,
    Transitions,
    clone_behaviour,
    imitate,
)
from advlearn.imitation.rewards.return_scale import ReturnScale
from advlearn.imitation.sb3 import algorithms
from advlearn.imitation.sb3.off_policy import RelabelingReplayBuffer
from advlearn.imitation.sb3.on_policy import OnPolicyReward
from advlearn.imitation.sb3.recording import RecordingVecEnv
from advlearn.imitation.specification import methods
from advlearn.training.checkpoint import load
from tests.imitation.counting import always_one, counting, small


def test_the_recording_hides_the_reward_and_keeps_the_last_observation() -> None:
    env = RecordingVecEnv(counting(1))
    assert env.reset()[0, 0] == 0
    for action in (1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0):  # an end at 10, then a cut at 6
        _, rewards, _, infos = env.step(np.array([action]))
        assert rewards[0] == 0 and infos[0]["true_reward"] == 5
    steps = env.take()
    assert steps.observations[:, 0].tolist() == [0, 2, 4, 6, 8, 0, 1, 2, 3, 4, 5]
    assert steps.next_observations[:, 0].tolist() == [2, 4, 6, 8, 10, 1, 2, 3, 4, 5, 6]
    assert steps.terminated.tolist() == [False] * 4 + [True] + [False] * 6


class Look(BaseCallback):
    """Copies of the rollout buffer, before or after ours has written to it."""

    def __init__(self, recording: RecordingVecEnv) -> None:
        super().__init__()
        self.recording = recording

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer  # type: ignore[attr-defined]
        names = ("rewards", "values", "returns", "advantages", "episode_starts")
        self.seen = {name: getattr(buffer, name).copy() for name in names}
        self.steps = list(self.recording._steps)
        self.last = self.locals["values"].numpy()[:, 0], self.locals["dones"].copy()


def test_rewards_are_added_to_what_a_time_limit_left_and_advantages_follow() -> None:
    player = small(counting())
    bottom: Any = player.get_env()
    recording = RecordingVecEnv(bottom)
    player.env = recording
    expert = always_one().transitions()
    encoder = Encoder(expert, choices=2)
    adversary = Adversary(torch.nn.Linear(encoder.width, 1), "gan")
    learned = LearnedReward(adversary, encoder, expert, reward_shape="logit", gamma=player.gamma)
    before, after = Look(recording), Look(recording)
    player.learn(
        48,
        callback=[before, OnPolicyReward(learned, recording, critic_steps=0, batch_size=8), after],
    )
    left, (last_values, dones) = before.seen["rewards"], before.last
    assert (left != 0).any() and not (
        left != 0
    ).all()  # the value that was added where episodes were cut
    paid = [
        adversary.critic(encoder(Transitions.of(*step)))[:, 0].detach().numpy()
        for step in before.steps
    ]
    ends = np.concatenate([before.seen["episode_starts"][1:], dones[None]]).astype(bool)
    rewards = (
        left
        + ReturnScale(player.gamma, 3)(
            torch.from_numpy(np.stack(paid)), torch.from_numpy(ends)
        ).numpy()
    )
    np.testing.assert_allclose(after.seen["rewards"], rewards, rtol=1e-4, atol=1e-5)
    # Generalised advantages (Schulman et al. 2016, eq. 16) of these rewards, from the end.
    values, advantage = after.seen["values"], np.zeros(3)
    follow = [*values[1:], last_values]
    for t in reversed(range(16)):
        error = rewards[t] + player.gamma * ~ends[t] * follow[t] - values[t]
        advantage = error + player.gamma * player.gae_lambda * ~ends[t] * advantage
        np.testing.assert_allclose(after.seen["advantages"][t], advantage, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        after.seen["returns"], after.seen["advantages"] + values, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    "objective",
    [*(name for name in methods() if name != "bc"), "hinge + r1", "ebgan", "energy-distance"],
)
def test_every_method_runs_on_ppo(objective: str) -> None:
    run = imitate(
        always_one(), objective, steps=96, algorithm=small(counting()), absorbing=True, quiet=True
    )
    assert run.policy.num_timesteps == 96 and len(run.history) == 2
    steps = always_one().transitions()
    rewards = run.reward(
        steps.observations, steps.actions, steps.next_observations, steps.terminated
    )
    assert rewards.shape == (10,) and np.isfinite(rewards).all()


@pytest.mark.parametrize("kind", ["a2c", "trpo", "dqn", "sac", "tqc"])
def test_other_algorithms_run(kind: str) -> None:
    continuous = kind in ("sac", "tqc")
    shared: dict[str, Any] = {"seed": 0, "device": "cpu"}
    if kind in ("trpo", "tqc"):
        pytest.importorskip("sb3_contrib", reason="TRPO and TQC are part of sb3-contrib")
    if kind in ("a2c", "trpo"):
        shared |= {"n_steps": 16, "batch_size": 16} if kind == "trpo" else {}
        player: Any = algorithms.named(kind)("MlpPolicy", counting(), **shared)
    else:
        shared |= {"learning_starts": 10, "batch_size": 8}
        player = algorithms.named(kind)("MlpPolicy", counting(1, continuous), **shared)
    before = [p.clone() for p in player.policy.parameters()]
    run = imitate(
        always_one(continuous), steps=60, algorithm=player, critic_steps=5, batch_size=8, quiet=True
    )
    assert run.reward.adversary.last_losses and run.reward_fn is run.reward
    assert not all(
        torch.equal(a, b) for a, b in zip(before, player.policy.parameters(), strict=True)
    )


def test_replayed_samples_carry_todays_reward_and_the_environments_actions() -> None:
    env = counting(1, continuous=True)
    env.action_space = gym.spaces.Box(-3, 5, (1,), np.float32)  # type: ignore[assignment]
    env.envs[0].action_space = env.action_space
    player: Any = SAC("MlpPolicy", env, learning_starts=10, batch_size=8, seed=0, device="cpu")
    buffer = player.replay_buffer
    run = imitate(
        always_one(True), steps=40, algorithm=player, critic_steps=5, batch_size=8, quiet=True
    )
    relabelled = RelabelingReplayBuffer(buffer, run.reward, player.policy)
    drawn = relabelled.sample(16)
    steps = relabelled.transitions(drawn)
    assert torch.allclose(drawn.rewards[:, 0], run.reward.of(steps))
    assert torch.allclose(
        steps.actions, 1 + 4 * drawn.actions, atol=1e-5
    )  # -1 .. 1 back to -3 .. 5
    assert (
        steps.next_observations.max() <= 11 and (steps.next_observations > steps.observations).all()
    )


def test_an_expert_in_sight_is_imitated() -> None:
    """The expert always takes 1; what the policy does at the end is what it does, whatever the true reward says."""
    player = small(counting(8), learning_rate=3e-3)
    run = imitate(
        always_one(),
        "gail",
        steps=8 * 16 * 25,
        algorithm=player,
        reward="logit",
        absorbing=True,
        quiet=True,
    )
    states = np.arange(0, 10, 2, dtype=np.float32)[:, None]
    chosen, _ = run.policy.predict(states, deterministic=True)
    assert chosen.tolist() == [1] * 5


def test_cloning_makes_the_experts_actions_the_likeliest() -> None:
    player = small(counting())
    loss = clone_behaviour(player, always_one().transitions(), steps=200, batch_size=16, lr=1e-2)
    assert loss < 0.05
    chosen, _ = player.predict(np.arange(0, 10, 2, dtype=np.float32)[:, None], deterministic=True)
    assert chosen.tolist() == [1] * 5
    with pytest.raises(TypeError, match="expected one with an actor-critic policy, got DQN"):
        clone_behaviour(DQN("MlpPolicy", counting(1), device="cpu"), always_one().transitions())


def test_a_seed_fixes_a_run_and_leaves_the_global_generators_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]

    def weights(seed: int) -> Any:
        run = imitate(
            always_one(), steps=64, algorithm="a2c", env=counting(), seed=seed, quiet=True
        )
        return torch.cat([p.detach().flatten() for p in run.policy.policy.parameters()])

    one, same, other = weights(1), weights(1), weights(2)
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # type: ignore[index]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "ppoo"}, "algorithm: expected one of ppo"),
        ({"algorithm": "ppo"}, "env: expected an environment id, got none"),
        ({"steps": 0}, "steps: expected a finite number of at least 1, got 0"),
        ({"env": "CartPole-v1"}, r"expected observations of shape \(4,\), got \(1,\)"),
        (
            {"objective": "gial + r1"},
            "method: unknown name 'gial'; did you mean 'gail' or 'gmmil'",
        ),
        (
            {"objective": "predictive", "env": "counting"},
            "objective: no critic fits .* neither an attribute nor a class to predict",
        ),
        ({"critic_inputs": "actions", "env": "counting"}, "inputs: expected one of state-action"),
    ],
)
def test_bad_input_is_one_line_before_training(settings: dict[str, Any], message: str) -> None:
    given = {"steps": 10, "quiet": True, **settings}
    if given.get("env") == "counting":
        given["env"] = counting()
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        imitate(always_one(), given.pop("objective", "gail"), **given)
    assert "\n" not in str(caught.value)


def test_a_reward_of_one_sign_with_episodes_of_many_lengths_is_remarked_on(capsys: Any) -> None:
    demos = always_one()
    ragged = Demonstrations(
        demos.observations[:10], demos.actions[:8], np.array([5, 3]), np.array([True, True])
    )
    imitate(ragged, steps=48, algorithm=small(counting()), quiet=True)
    assert "it pays for living on where episodes last 3 to 5 steps" in capsys.readouterr().err
    imitate(ragged, steps=48, algorithm=small(counting()), absorbing=True, quiet=True)
    assert not capsys.readouterr().err
    # Alike in length, but the policy's episodes are not; and a form that does not tell its sign.
    for objective, words in (
        ("gan", "living on"),
        ("nsgan", "ending early"),
        ("lsgan", "ending early"),
    ):
        imitate(demos, objective, steps=48, algorithm=small(VecMonitor(counting())), quiet=True)
        assert (
            "'own' paid" in (said := capsys.readouterr().err)
            and f"it pays for {words} where" in said
        )
        imitate(demos, objective, steps=48, algorithm=small(counting()), quiet=True)
        assert not capsys.readouterr().err
    imitate(
        demos, "gail", reward="logit", steps=48, algorithm=small(VecMonitor(counting())), quiet=True
    )
    assert not capsys.readouterr().err


def test_the_scale_is_the_spread_of_discounted_returns_over_everything_seen() -> None:
    rng = np.random.default_rng(0)
    rewards, ends = rng.normal(3, 2, (40, 2)), rng.random((40, 2)) < 0.1
    given = torch.from_numpy(rewards), torch.from_numpy(ends)
    scale = ReturnScale(0.9, 2)
    scale(*(part[:25] for part in given))
    found = scale(*(part[25:] for part in given))
    returns, current = [], np.zeros(2)
    for r, e in zip(rewards, ends, strict=True):
        current = r + 0.9 * current
        returns.append(current.copy())
        current = current * ~e
    np.testing.assert_allclose(found, rewards[25:] / np.std(returns), rtol=1e-9)
    again = ReturnScale(0.9, 2)
    again.load_state_dict(scale.state_dict())
    assert torch.equal(again(*given), scale(*given))


def weights_of(run: Any) -> torch.Tensor:
    parts = [*run.policy.policy.parameters(), *run.reward.adversary.parameters()]
    return torch.cat([p.detach().flatten() for p in parts])


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("objective", ["gail", "vairl"])
def test_a_run_that_broke_off_ends_where_an_unbroken_one_does(
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
        bare = counting()
        original, taken = bare.step_wait, iter(range(break_at))

        def break_off() -> Any:
            if break_at >= 0 and next(taken, None) is None:
                raise OSError("pulled the plug")
            return original()

        bare.step_wait = break_off  # type: ignore[method-assign]
        player = small(VecNormalize(bare) if normalised else bare)
        out = tmp_path / folder
        return imitate(
            always_one(), objective, algorithm=player, out=out, save_every=32, **settings
        )

    whole = go("whole")
    with pytest.raises(OSError, match="pulled the plug"):
        go("broken", break_at=5 * 16 + 3)
    resumed = go("broken")
    assert resumed.policy.num_timesteps == whole.policy.num_timesteps == 7 * 48
    assert [row["steps"] for row in resumed.history] == list(range(48, 8 * 48, 48))
    assert str(resumed.history) == str(whole.history)  # NaN is NaN here
    assert torch.equal(weights_of(whole), weights_of(resumed))
    again = go("broken")
    assert again.policy.num_timesteps == 7 * 48 and str(again.history) == str(whole.history)
    assert torch.equal(weights_of(whole), weights_of(again))
    with pytest.raises(ValueError, match="holds a run with batch_size=8, got 16"):
        settings["batch_size"] = 16
        go("whole")


@pytest.mark.parametrize("kind", [SAC, TD3, DQN])
def test_a_run_with_a_replay_buffer_ends_where_an_unbroken_one_does(
    kind: Any, tmp_path: Any
) -> None:
    continuous = kind is not DQN
    # Less than is stored, so that the buffer's start is overwritten; random steps first, so that
    # their source counts.
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
                    raise OSError("pulled the plug")
                return True

        player = kind(
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
            demos, steps=steps, algorithm=player, callbacks=[Break()], seed=3, quiet=True, **shared
        )

    whole = go("whole")
    for broken in (40, 80):
        with pytest.raises(OSError, match="pulled the plug"):
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


def test_ctrl_c_stops_at_the_next_checkpoint_and_the_same_call_ends_where_an_unbroken_one_does(
    tmp_path: Any,
) -> None:
    class Impatient(BaseCallback):
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
        player = small(counting())
        return imitate(
            always_one(), steps=240, algorithm=player, callbacks=callbacks, quiet=True, **settings
        )

    with pytest.raises(KeyboardInterrupt):
        go("broken", Impatient())
    assert load(tmp_path / "broken")["steps"] == 96
    assert torch.equal(weights_of(go("broken")), weights_of(go("whole")))
