"""PPO whose rollouts stay on the device, against stable-baselines3's own on the same environments and seeds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn_envs import CartPole, CMaze, StableBaselinesVecEnv
from advlearn_envs.batched import BatchedEnv
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn import Adversary
from advlearn.imitation import Demonstrations, DevicePPO, Encoder, LearnedReward, imitate
from advlearn.imitation.on_device.actions import DeviceCategorical
from advlearn.imitation.on_device.buffer import DeviceRolloutBuffer
from advlearn.imitation.on_device.environment import DeviceRecording, EpisodeCounter
from advlearn.imitation.sb3.on_policy import OnPolicyReward
from advlearn.testing.no_sync import NoSync
from tests.imitation.counting import counting

N, T = 6, 16
COLUMNS = (
    "observations",
    "actions",
    "rewards",
    "episode_starts",
    "values",
    "log_probs",
    "advantages",
    "returns",
)
# One minibatch of everything, so that the order of its rows, which the two draw differently, does
# not matter.
SETTINGS: dict[str, Any] = {
    "n_steps": T,
    "batch_size": N * T,
    "n_epochs": 2,
    "learning_rate": 3e-3,
    "seed": 5,
}


def cartpole() -> BatchedEnv:
    """Falls from the ninth step on or so, and is cut after fourteen."""
    return CartPole(N, time_limit=14)


class Tight(CartPole):
    """Ends wherever the pole swings right, so often in the very step that is the last one allowed."""

    SHORTEST = 1

    def _advance(
        self, state: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        after, rewards, _ = super()._advance(state, actions)
        return after, rewards, after[3] > 0


def tight() -> BatchedEnv:
    return Tight(N, time_limit=2)


def maze() -> BatchedEnv:
    return CMaze(N, time_limit=5)


def in_numpy(env: BatchedEnv, **settings: Any) -> PPO:
    return PPO(
        "MlpPolicy",
        VecMonitor(StableBaselinesVecEnv(env)),
        device="cpu",
        **{**SETTINGS, **settings},
    )


def on_device(env: Any, **settings: Any) -> DevicePPO:
    return DevicePPO("MlpPolicy", env, **{**SETTINGS, **settings})


class Keep(BaseCallback):
    """Copies of the buffer at the end of each rollout, and its last values; each rollout starts from a seed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    def _on_rollout_start(self) -> None:
        torch.manual_seed(len(self.seen))

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer  # type: ignore[attr-defined]
        columns = {name: getattr(buffer, name) for name in COLUMNS}
        columns |= {f"last {name}": self.locals[name] for name in ("values", "dones")}
        self.seen.append(
            {name: torch.as_tensor(column).clone().numpy() for name, column in columns.items()}
        )


def expert(env: BatchedEnv) -> Demonstrations:
    """Two short episodes of any kind that fit an environment."""
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(12, *env.observation_space.shape)).astype(np.float32)  # type: ignore[misc]
    discrete = isinstance(env.action_space, spaces.Discrete)
    done = rng.integers(0, 2, 10) if discrete else rng.uniform(-1, 1, (10, 2)).astype(np.float32)
    return Demonstrations(seen, done, np.array([5, 5]), np.array([True, False]))


def assert_same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert len(one) == len(other) == 2
    for ours, theirs in zip(one, other, strict=True):
        for name in theirs:
            assert (
                ours[name].shape == theirs[name].shape and ours[name].dtype == theirs[name].dtype
            ), name
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("make", [cartpole, tight, maze])
def test_rollouts_and_what_is_learnt_from_them_are_those_of_stable_baselines3(
    make: Callable[[], BatchedEnv],
) -> None:
    theirs, ours = in_numpy(make()), on_device(make())
    keep = Keep(), Keep()
    for player, look in zip((theirs, ours), keep, strict=True):
        player.learn(2 * N * T, callback=look)
    assert_same(keep[1].seen, keep[0].seen)
    for a, b in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert ours.num_timesteps == theirs.num_timesteps == 2 * N * T
    episodes = [[(e["r"], e["l"]) for e in player.ep_info_buffer] for player in (ours, theirs)]  # type: ignore[union-attr]
    assert [length for _, length in episodes[0]] == [length for _, length in episodes[1]]
    assert [r for r, _ in episodes[0]] == pytest.approx([r for r, _ in episodes[1]], abs=1e-5)
    if make is cartpole:
        # Both kinds of ends happened, and a cut one is paid the value behind it.
        lengths = {length for _, length in episodes[0]}
        assert max(lengths) == 14 and min(lengths) < 14
        paid = np.concatenate([seen["rewards"].ravel() for seen in keep[1].seen])
        assert 0 < (paid != 1).sum() < len(episodes[0])
    shown = [player.logger.name_to_value["train/explained_variance"] for player in (ours, theirs)]
    assert shown[0] == pytest.approx(shown[1], abs=1e-4) and np.isfinite(shown).all()


def test_advantages_and_returns_by_hand_and_every_row_once() -> None:
    one = spaces.Box(-9, 9, (1,))
    buffer = DeviceRolloutBuffer(
        3, one, spaces.Discrete(2), "cpu", gae_lambda=0.5, gamma=0.5, n_envs=2
    )
    rewards, values = [[1, 0], [2, 1], [3, 2]], [[1, 1], [2, 0], [0, 1]]
    starts = [[1, 1], [0, 1], [0, 0]]  # the second environment's episode ended with its first step
    for t in range(3):
        seen = torch.tensor([[2.0 * t], [2.0 * t + 1]])
        columns = (torch.tensor(column[t]).float() for column in (rewards, starts, values))
        buffer.add(seen, seen[:, 0].long() % 2, *columns, -seen[:, 0])
    with pytest.raises(RuntimeError, match="get: expected a buffer of 3 steps, got 0"):
        next(DeviceRolloutBuffer(3, one, one, "cpu").get())
    buffer.compute_returns_and_advantage(torch.tensor([[9.0], [4.0]]), torch.tensor([True, False]))
    # From the end: errors 3, 0, 1 and 3, 1.5, -1; each adds a quarter of what follows, but not over
    # an end.
    by_hand = torch.tensor([[1.1875, -1], [0.75, 2.25], [3, 3]])
    assert torch.equal(buffer.advantages, by_hand)
    assert torch.equal(torch.as_tensor(buffer.returns), by_hand + torch.tensor(values))
    torch.manual_seed(0)
    parts = list(buffer.get(4))
    assert [len(part.returns) for part in parts] == [4, 2]
    whole = [torch.cat(column) for column in zip(*parts, strict=True)]
    order = whole[0][:, 0].long()
    assert sorted(order.tolist()) == list(range(6)) != order.tolist()
    assert torch.equal(whole[1][:, 0], order % 2) and torch.equal(whole[3], -order.float())
    assert torch.equal(whole[4], by_hand.flatten()[order])
    assert isinstance(buffer.values, np.ndarray) and np.var(buffer.returns - buffer.values) > 0
    torch.manual_seed(0)
    assert torch.equal(torch.cat([part.old_values for part in buffer.get(4)]), whole[2])


def test_a_file_is_one_of_plain_ppo_and_the_other_way_round(tmp_path: Path) -> None:
    player = on_device(CartPole(N)).learn(N * T)
    player.save(tmp_path / "ours.zip")
    plain = PPO.load(tmp_path / "ours.zip", device="cpu")
    assert plain._last_obs is None and not isinstance(plain.rollout_buffer, DeviceRolloutBuffer)
    seen = torch.randn(50, 4).numpy()
    assert np.array_equal(
        plain.predict(seen, deterministic=True)[0], player.predict(seen, deterministic=True)[0]
    )
    plain.set_env(StableBaselinesVecEnv(CartPole(N)))
    assert plain.learn(N * T).num_timesteps == N * T
    plain.save(tmp_path / "theirs.zip")
    again = DevicePPO.load(tmp_path / "theirs.zip", env=CartPole(N + 1))
    assert isinstance(again.rollout_buffer, DeviceRolloutBuffer) and (
        again.learning_rate,
        again.n_steps,
    ) == (3e-3, T)
    assert np.array_equal(
        plain.predict(seen, deterministic=True)[0], again.predict(seen, deterministic=True)[0]
    )
    assert again.learn(1, reset_num_timesteps=False).num_timesteps == (N + N + 1) * T


@pytest.mark.parametrize("objective", ["gail", "airl"])
@pytest.mark.parametrize("make", [cartpole, maze])
def test_imitation_writes_the_rewards_that_it_writes_in_numpy(
    make: Callable[[], BatchedEnv], objective: str
) -> None:
    def go(player: Any) -> tuple[list[dict[str, Any]], Any]:
        keep = Keep()
        settings: dict[str, Any] = {
            "steps": 2 * N * T,
            "critic_steps": 2,
            "batch_size": 8,
            "quiet": True,
        }
        return keep.seen, imitate(
            expert(make()), objective, algorithm=player, callbacks=[keep], **settings
        )

    theirs, _ = go(in_numpy(make()))
    ours, run = go(on_device(make()))
    assert_same(ours, theirs)
    assert np.std(ours[1]["rewards"]) > 0.01
    assert [row["steps"] for row in run.history] == [N * T, 2 * N * T]
    # The return is the true one.
    assert run.history[-1]["return"] == pytest.approx(
        np.mean([e["r"] for e in run.policy.ep_info_buffer])
    )
    assert make is maze or 8 < run.history[-1]["return"] <= 14


def test_the_recording_pays_nothing_and_keeps_what_the_environment_saw() -> None:
    bare, env = maze(), DeviceRecording(EpisodeCounter(maze()))
    before = bare.reset(3)
    assert torch.equal(env.reset(3), before) and env.time_limit == 5
    rows, total = [], torch.zeros(N)
    for t in range(7):
        actions = torch.full((N, 2), 0.1 * t)
        step, seen = bare.step(actions), env.step(actions)
        assert torch.equal(seen.observations, step.observations) and (seen.rewards == 0).all()
        rows.append((before, actions, step.final_observations, step.terminated))
        before = step.observations
        total += step.rewards if t < 5 else 0
    for found, expected in zip(env.take(), zip(*rows, strict=True), strict=True):
        assert torch.equal(found, torch.cat(expected))
    episodes = env.batch.take(4)  # type: ignore[attr-defined]
    assert [e["l"] for e in episodes] == [5] * 4
    assert [e["r"] for e in episodes] == pytest.approx(total[-4:].tolist())
    assert env.batch.take(4) == []  # type: ignore[attr-defined]
    env.reset()
    for _ in range(5):
        env.step(torch.zeros(N, 2))
    assert [e["l"] for e in env.batch.take(9)] == [5] * N  # type: ignore[attr-defined]


class Operators(TorchDispatchMode):
    """The names of the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names.add(str(func))
        return func(*args, **(kwargs or {}))


class Watched(BaseCallback):
    """From within the first step of a rollout to within its last one, nothing waits for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.operators = Operators()

    def _on_step(self) -> bool:
        assert all(
            isinstance(self.locals[name], torch.Tensor)
            for name in ("actions", "rewards", "dones", "new_obs")
        )
        self.steps += 1
        if self.steps % T == 1:
            self.guard = NoSync().__enter__()
            self.operators.__enter__()
        elif self.steps % T == 0:
            self.operators.__exit__(None, None, None)
            self.guard.__exit__(None, None, None)
        return True


@pytest.mark.parametrize("make", [cartpole, maze])
@pytest.mark.parametrize("recorded", [False, True])
def test_no_step_of_a_rollout_waits_for_the_device(
    make: Callable[[], BatchedEnv], recorded: bool
) -> None:
    player, watched = on_device(make()), Watched()
    if recorded:
        player.record()
    player.learn(2 * N * T, callback=watched)
    assert watched.steps == 2 * T and "aten.tanh.default" in watched.operators.names
    # These two read their arguments on the host inside, where the detector does not see it.
    assert not {
        name
        for name in watched.operators.names
        if name.startswith(("aten.multinomial", "aten.normal."))
    }


def test_nor_does_the_reward_that_is_learnt_or_the_advantage() -> None:
    player = on_device(cartpole())
    demos = expert(cartpole()).transitions()
    encoder = Encoder(demos, choices=2)
    adversary = Adversary(torch.nn.Linear(encoder.width, 1), "gan")
    learned = LearnedReward(adversary, encoder, demos, reward_shape="logit", gamma=player.gamma)
    ours = OnPolicyReward(learned, player.record(), critic_steps=2, batch_size=8)
    end, before = ours._on_rollout_end, [p.clone() for p in adversary.parameters()]

    def guarded() -> None:
        with NoSync():
            end()

    ours._on_rollout_end = guarded  # type: ignore[method-assign]
    player.learn(N * T, callback=ours)
    assert not any(torch.equal(a, b) for a, b in zip(before, adversary.parameters(), strict=True))


def test_actions_are_the_draws_of_torch() -> None:
    logits = torch.randn(200, 5)
    found = DeviceCategorical(5).proba_distribution(logits)
    reference = torch.distributions.Categorical(logits=logits)
    torch.manual_seed(1)
    drawn = found.sample()
    torch.manual_seed(1)
    assert torch.equal(drawn, reference.sample())
    assert torch.equal(found.log_prob(drawn), reference.log_prob(drawn))


def test_a_run_that_broke_off_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    def go(folder: str, break_at: int = -1) -> Any:
        env = cartpole()
        original, left = env.step, iter(range(break_at))

        def step(actions: torch.Tensor) -> Any:
            if break_at >= 0 and next(left, None) is None:
                raise OSError("pulled the plug")
            return original(actions)

        env.step = step  # type: ignore[method-assign]
        settings: dict[str, Any] = {
            "steps": 5 * N * T,
            "critic_steps": 2,
            "batch_size": 8,
            "seed": 3,
            "quiet": True,
        }
        out = tmp_path / folder
        return imitate(
            expert(env), algorithm=on_device(env), out=out, save_every=2 * N * T, **settings
        )

    whole = go("whole")
    with pytest.raises(OSError, match="pulled the plug"):
        go("broken", break_at=3 * T + 5)
    resumed = go("broken")
    assert resumed.policy.num_timesteps == whole.policy.num_timesteps == 5 * N * T
    for a, b in zip(
        whole.policy.policy.parameters(), resumed.policy.policy.parameters(), strict=True
    ):
        assert torch.equal(a, b)
    assert [row["return"] for row in resumed.history[:2]] == [
        row["return"] for row in whole.history[:2]
    ]


def test_a_callback_that_stops_stops_at_once_and_the_given_environment_stays_as_it_is() -> None:
    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            return self.n_calls < 13

    given = StableBaselinesVecEnv(CartPole(N, time_limit=11))
    inner = given.env
    player = on_device(given).learn(N * T, callback=Stop())
    assert player.num_timesteps == 13 * N and given.env is inner
    assert player.ep_info_buffer and {e["l"] for e in player.ep_info_buffer} <= {8, 9, 10, 11}
    assert (given.reset() == inner.state.float().numpy()).all()


def test_a_seed_that_waits_in_the_given_environment_is_used() -> None:
    given = StableBaselinesVecEnv(cartpole())
    given.seed(9)
    player = on_device(given, seed=None)
    assert np.array_equal(player.get_env().reset(), cartpole().reset(9).numpy())  # type: ignore[union-attr]


class Pictures(CartPole):
    """Observations that are none of vectors."""

    observation_space = spaces.Box(0, 255, (4, 4, 3), np.uint8)  # type: ignore[assignment]


class Named(CartPole):
    observation_space = spaces.Dict({"a": spaces.Box(0, 1, (2,))})  # type: ignore[assignment]


class Both(CartPole):
    action_space = spaces.MultiDiscrete([2, 2])  # type: ignore[assignment]


def test_bad_input_is_named(tmp_path: Path) -> None:
    wanted = "^env: expected a BatchedEnv or a StableBaselinesVecEnv around one, without wrappers, .*, got "
    vec = StableBaselinesVecEnv(cartpole())
    for env in (VecNormalize(vec), VecMonitor(vec), counting(), "CartPole-v1"):
        with pytest.raises(TypeError, match=wanted + type(env).__name__):
            on_device(env)
    for env, words in (
        (Pictures(2), "observations that are vectors, got Box"),
        (Named(2), "observations that are vectors, got Dict"),
        (Both(2), "actions that are Discrete or a Box, got MultiDiscrete"),
    ):
        with pytest.raises(ValueError, match=f"^env: expected {words}"):
            on_device(env)
    with pytest.raises(
        ValueError, match=r"^env: expected one on meta as the policy is, got one on cpu$"
    ):
        on_device(cartpole(), device="meta")
    with pytest.raises(
        ValueError, match=r"^policy: expected 'MlpPolicy' or a class, .*, got 'CnnPolicy'$"
    ):
        DevicePPO("CnnPolicy", cartpole())
    noisy = PPO(
        "MlpPolicy",
        StableBaselinesVecEnv(maze()),
        use_sde=True,
        device="cpu",
        n_steps=8,
        batch_size=16,
    )
    noisy.save(tmp_path / "noisy.zip")
    with pytest.raises(ValueError, match=r"^use_sde: expected False, got True"):
        DevicePPO.load(tmp_path / "noisy.zip")
    player = on_device(cartpole())
    with pytest.raises(TypeError, match=wanted + "DummyVecEnv"):
        player.set_env(counting(N))
    with torch.no_grad():
        player.policy.action_net.bias.fill_(torch.nan)
    with pytest.raises(
        ValueError, match=f"^policy: {N * T} of {N * T} log-probabilities are not finite: diverged$"
    ):
        player.learn(1)
