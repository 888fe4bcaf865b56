"""The MuJoCo environments equal gymnasium's bit for bit, and need MuJoCo only where one is made."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from advlearn_envs import StableBaselinesVecEnv, make
from advlearn_envs.batched import BatchedEnv, Range
from advlearn_envs.catalogue import ENTRIES, available
from advlearn_envs.physics import HostPhysics, WarpPhysics, physics_on

mujoco = pytest.importorskip("mujoco", reason="MuJoCo is not installed")
NAMES = [name for name, entry in ENTRIES.items() if entry.needs == "mujoco"]
FALL = [name for name in NAMES if "HalfCheetah" not in name]
ENVS, STEPS = 4, 300
# gymnasium names its v5 as the newer version.
pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")


def random_actions(env: BatchedEnv, steps: int, beyond: float = 1.3) -> torch.Tensor:
    """Actions (steps, N, A) that go past their range: the motors clip them, their cost does not."""
    assert isinstance(env.ACTIONS, Range)
    shape = (steps, env.num_envs, len(env.ACTIONS.high))
    return (torch.rand(shape, generator=torch.Generator().manual_seed(7)) * 2 - 1) * beyond


def hand_over(ours: BatchedEnv, theirs: gymnasium.Env, i: int) -> None:
    """Give gymnasium the start state of our environment i, and all else that its reset leaves.

    Its reset clears what the solver starts from, and so do our start states. Within an episode each
    side carries its
    own: `set_state` alone would keep that of the episode before.
    """
    assert not ours.state[i, [0, *range(1 + 2 * ours.JOINTS, ours.STATE)]].any()
    _, positions, velocities, _ = parts(ours, i)
    mujoco.mj_resetData(theirs.model, theirs.data)
    theirs.set_state(positions, velocities)


def parts(env: BatchedEnv, i: int) -> tuple[np.ndarray, ...]:
    """Time, positions, velocities and the solver's start of environment i."""
    joints = env.JOINTS
    return tuple(np.split(env.state[i].numpy(), [1, 1 + joints, 1 + 2 * joints]))


def placed(name: str, **rows: float) -> BatchedEnv:
    """One environment at rest, but for rows of its state given as `row3=1.0`."""
    env = make(name, 1)
    env.reset()
    saved = env.state_dict()
    saved["state"].zero_()
    saved["state"][2] = 0.0 if "HalfCheetah" in name else 1.25
    for row, value in rows.items():
        saved["state"][int(row.removeprefix("row"))] = value
    env.load_state_dict(saved)
    return env


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_gymnasiums_bit_for_bit(name: str) -> None:
    """Through falls and time limits; what float32 loses of an observation or a reward is the rounding alone."""
    ours = make(name, ENVS, seed=3, time_limit=70)
    theirs = [gymnasium.make(name).unwrapped for _ in range(ENVS)]
    ours.reset()
    for i, env in enumerate(theirs):
        hand_over(ours, env, i)
    fell = cut = 0
    for actions in random_actions(ours, STEPS):
        step = ours.step(actions)
        for i, env in enumerate(theirs):
            observation, reward, terminated, _, _ = env.step(actions[i].numpy())
            assert np.array_equal(
                step.final_observations[i].numpy(), observation.astype(np.float32)
            )
            assert step.rewards[i].item() == np.float32(reward)
            assert step.terminated[i].item() == terminated
            fell += terminated
            if terminated or step.truncated[i]:
                cut += not terminated
                hand_over(ours, env, i)
            else:
                data = env.data
                expected = ([data.time], data.qpos, data.qvel, data.qacc_warmstart)
                assert all(map(np.array_equal, parts(ours, i), expected))
    assert fell >= 10 if name in FALL else cut >= 10


@pytest.mark.parametrize("name", NAMES)
def test_start_states_are_distributed_as_gymnasiums(name: str) -> None:
    ours, theirs = make(name, 4096), gymnasium.make(name).unwrapped
    ours.reset(seed=1)
    mine = ours.state.numpy()
    assert not mine[:, 0].any() and not mine[:, 1 + 2 * ours.JOINTS :].any()
    mine = mine[:, 1 : 1 + 2 * ours.JOINTS]
    drawn = list[np.ndarray]()
    for seed in range(1000):
        theirs.reset(seed=seed)
        drawn.append(theirs.state_vector())
    starts = np.array(drawn)
    spread = starts.std(0)
    assert np.abs(mine.mean(0) - starts.mean(0)).max() < 0.2 * spread.min()
    assert np.allclose(mine.std(0), spread, rtol=0.1)
    # A uniform draw ends at sqrt(3) standard deviations, a normal one of 4,096 goes past 3.
    widest = np.abs(mine - starts.mean(0)).max(0) / spread
    normal = np.zeros(2 * ours.JOINTS, bool)
    if name not in FALL:
        normal[ours.JOINTS :] = True
    assert np.all((widest > 3) == normal) and np.all(widest[~normal] < 1.9)
    assert np.unique(mine).size > 0.9 * mine.size


@pytest.mark.parametrize("name", NAMES)
def test_a_reward_is_speed_and_health_less_the_cost(name: str) -> None:
    env = make(name, 3)
    env.reset()
    for actions in random_actions(env, 5):
        before = env.state.clone()
        step = env.step(actions)
        seconds = 0.05 if "HalfCheetah" in name else 0.008
        assert torch.allclose(env.state[:, 0] - before[:, 0], torch.tensor(seconds).double())
        forward = (env.state[:, 1] - before[:, 1]) / seconds
        health, price = (1.0, 1e-3) if name in FALL else (0.0, 0.1)
        expected = forward + health - price * actions.double().square().sum(1)
        assert torch.allclose(step.rewards.double(), expected, atol=1e-6)


@pytest.mark.parametrize("name", FALL)
def test_each_bound_of_health_ends_the_episode(name: str) -> None:
    """Rows: 2 the height, 3 the tilt, 5 a joint, 8 a velocity."""
    wrong = {"row2": 0.6, "row3": 0.3} if "Hopper" in name else {"row2": 0.7, "row3": -1.1}
    cases = [{row: value} for row, value in wrong.items()]
    cases += (
        [{"row5": 101.0}, {"row8": 150.0}] if "Hopper" in name else [{"row2": 2.1}, {"row3": 1.1}]
    )
    actions = torch.zeros(1, 3 if "Hopper" in name else 6)
    for case in cases:
        env = placed(name, **case)
        start = env.state[0].numpy().copy()
        step = env.step(actions)
        theirs = gymnasium.make(name).unwrapped
        theirs.set_state(start[1 : 1 + env.JOINTS], start[1 + env.JOINTS : 1 + 2 * env.JOINTS])
        _, reward, terminated, _, _ = theirs.step(actions[0].numpy())
        assert step.terminated.item() and terminated, case
        assert step.rewards.item() == np.float32(reward)
    assert not placed(name).step(actions).terminated.item()


def test_the_fall_itself_is_paid_for_in_version_4_only() -> None:
    for new, old in (("Hopper-v5", "Hopper-v4"), ("Walker2d-v5", "Walker2d-v4")):
        actions = torch.zeros(1, 3 if "Hopper" in new else 6)
        rewards = [placed(name, row3=1.5).step(actions).rewards.item() for name in (new, old)]
        assert rewards[1] - rewards[0] == pytest.approx(1.0, abs=1e-6)


def test_the_solvers_start_is_part_of_the_state() -> None:
    env = make("Walker2d-v5", 2)
    env.reset(seed=0)
    # It stands, so that there are contacts to solve.
    for _ in range(20):
        env.step(torch.zeros(2, 6))
    saved = env.state_dict()
    env.step(torch.zeros(2, 6))
    warm = env.state.clone()
    saved["state"][1 + 2 * env.JOINTS :] = 0.0
    env.load_state_dict(saved)
    env.step(torch.zeros(2, 6))
    joints = slice(1, 1 + 2 * env.JOINTS)
    assert not torch.equal(env.state[:, joints], warm[:, joints])
    assert torch.allclose(env.state[:, joints], warm[:, joints], atol=1e-3)


def test_environments_of_a_batch_do_not_touch_each_other() -> None:
    """They share one `MjData`: each goes as it would alone."""
    batch = make("Walker2d-v5", 3)
    batch.reset(seed=2)
    saved = batch.state_dict()
    alone = list[BatchedEnv]()
    for i in range(3):
        env = make("Walker2d-v5", 1)
        env.reset()
        env.load_state_dict({**env.state_dict(), "state": saved["state"][:, i : i + 1]})
        alone.append(env)
    # Small actions: they stand, so that there are contacts to solve.
    for actions in random_actions(batch, 30, beyond=0.1):
        step = batch.step(actions)
        assert not step.terminated.any()
        for i, env in enumerate(alone):
            env.step(actions[i : i + 1])
            assert torch.equal(env.state[0], batch.state[i])


@pytest.mark.parametrize("name", NAMES)
def test_spaces_and_limits_are_gymnasiums(name: str) -> None:
    ours, theirs = make(name, 2), gymnasium.make(name)
    assert ours.action_space == theirs.action_space
    assert ours.observation_space.shape == theirs.observation_space.shape
    assert np.array_equal(ours.observation_space.high, theirs.observation_space.high)
    assert np.array_equal(ours.observation_space.low, theirs.observation_space.low)
    mine, spec = gymnasium.spec(f"advlearn/{name}"), gymnasium.spec(name)
    assert ours.time_limit == mine.max_episode_steps == spec.max_episode_steps
    assert mine.reward_threshold == spec.reward_threshold
    assert name == ours.NAME


def test_stable_baselines_sees_the_end_of_a_fall() -> None:
    venv, batch = StableBaselinesVecEnv(make("Hopper-v5", 3)), make("Hopper-v5", 3)
    assert np.array_equal(venv.reset(), batch.reset().numpy())
    for actions in random_actions(batch, 60):
        observations, rewards, dones, infos = venv.step(actions.numpy())
        step = batch.step(actions)
        assert np.array_equal(observations, step.observations.numpy())
        assert np.array_equal(rewards, step.rewards.numpy())
        if dones.any():
            break
    assert dones.tolist() == step.terminated.tolist() and dones.any()
    ended = int(np.flatnonzero(dones)[0])
    assert infos[ended]["TimeLimit.truncated"] is False
    assert np.array_equal(
        infos[ended]["terminal_observation"], step.final_observations[ended].numpy()
    )


def test_without_mujoco_the_names_are_known_and_making_one_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    assert not available().keys() & set(NAMES)
    assert ENTRIES.keys() - available().keys() == set(NAMES)
    with pytest.raises(
        ImportError, match=r'name: Hopper-v5 needs MuJoCo .*: pip install "advlearn\[mujoco\]"'
    ):
        make("Hopper-v5", 2)


def test_listing_and_registering_import_no_mujoco() -> None:
    code = (
        "import sys, gymnasium, advlearn_envs.hopper, advlearn_envs.catalogue as c; c.available(); "
        "gymnasium.spec('advlearn/Hopper-v5'); print('mujoco' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "False", done.stderr


def test_a_device_that_mujoco_does_not_run_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="device: Hopper-v5 runs on cpu or cuda, got meta"):
        physics_on(torch.device("meta"), "hopper.xml", 4, 1, "Hopper-v5")
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(
        ImportError, match="device: MuJoCo on a GPU needs MuJoCo Warp: pip install mujoco-warp"
    ):
        physics_on(torch.device("cuda"), "hopper.xml", 4, 1, "Hopper-v5")


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_threads_change_no_number(threads: int) -> None:
    """Shares of different sizes, and more threads than there is work for."""
    env = make("Hopper-v5", 26)
    env.reset()
    model = gymnasium.make("Hopper-v5").unwrapped.model
    alone, shared = (
        HostPhysics(model, env.FRAME_SKIP, 26),
        HostPhysics(model, env.FRAME_SKIP, 26, threads),
    )
    assert len(alone._shares) == 1 and len(shared._shares) == min(threads, 3)
    state = env.state.T.contiguous()
    for actions in random_actions(env, 30):
        expected = alone.advance(state, actions)
        assert torch.equal(shared.advance(state, actions), expected)
        state = expected


@pytest.mark.parametrize("name", ["Hopper-v5", "HalfCheetah-v5"])
def test_warp_comes_near_in_float32(name: str) -> None:
    """On the GPU where there is one, else on Warp's CPU device."""
    pytest.importorskip("mujoco_warp", reason="MuJoCo Warp is not installed")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    env = make(name, 3)
    env.reset()
    model = gymnasium.make(name).unwrapped.model
    host, warp = (
        HostPhysics(model, env.FRAME_SKIP, 3),
        WarpPhysics(model, env.FRAME_SKIP, 3, device),
    )
    state = env.state.T.contiguous()
    for actions in random_actions(env, 3):
        expected = host.advance(state, actions)
        found = warp.advance(state.to(device), actions.to(device)).cpu()
        assert (
            found.shape == expected.shape and found.dtype == torch.float64 and found.is_contiguous()
        )
        joints = slice(1, 1 + 2 * env.JOINTS)
        assert torch.allclose(found[joints], expected[joints], rtol=1e-3, atol=1e-3)
        state = expected
