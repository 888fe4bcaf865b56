"""The MuJoCo environments equal gymnasium's bit for bit, and import MuJoCo only when built."""

import sys

import gymnasium
import numpy as np
import pytest
import torch
from advlearn_envs import StableBaselinesVecEnv, make
from advlearn_envs.batched import BatchedEnv, Range
from advlearn_envs.catalogue import ENTRIES, available
from advlearn_envs.physics import HostPhysics, physics_on

from tests.script_server import ScriptServer

mujoco = pytest.importorskip("mujoco", reason="MuJoCo is not installed")
NAMES = [name for name, entry in ENTRIES.items() if entry.needs == "mujoco"]
# The robots in the vertical plane, and those of them, and of all, that can fall.
PLANAR = [name for name in NAMES if "Ant" not in name]
FALL = [name for name in NAMES if "HalfCheetah" not in name]
PLANAR_FALL = [name for name in FALL if name in PLANAR]
ENVS, STEPS = 4, 300
# gymnasium warns that version 5 is newer than version 4.
pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date:DeprecationWarning")


def random_actions(env: BatchedEnv, steps: int, beyond: float = 1.3) -> torch.Tensor:
    """Return actions (steps, N, A) beyond their range, which the motors clip."""
    assert isinstance(env.ACTIONS, Range)
    shape = (steps, env.num_envs, len(env.ACTIONS.high))
    return (torch.rand(shape, generator=torch.Generator().manual_seed(7)) * 2 - 1) * beyond


def copy_start(batch: BatchedEnv, single: gymnasium.Env, i: int) -> None:
    """Reset gymnasium's environment to the start state of environment i of a batch.

    A reset clears the start of the solver on both sides. `set_state` without it would keep the
    solver's start of the preceding episode.
    """
    time, positions, velocities, solver, *forces = parts(batch, i)
    assert not np.concatenate((time, solver, *(rows[1:] for rows in forces))).any()
    mujoco.mj_resetData(single.model, single.data)
    single.set_state(positions, velocities)


def parts(env: BatchedEnv, i: int) -> tuple[np.ndarray, ...]:
    """Return time, positions, velocities and the solver's start of environment i.

    Ant's state also has its place and the contact forces, which come last.
    """
    positions, velocities = sizes(env)
    places = np.cumsum([1, positions, velocities, velocities])
    found = np.split(env.state[i].numpy(), places)
    return tuple(part for part in found if part.size)


def sizes(env: BatchedEnv) -> tuple[int, int]:
    """Return the numbers of positions and of velocities; a free joint has one less of these."""
    return (15, 14) if env.NAME == "Ant-v5" else (env.JOINTS, env.JOINTS)


def placed(name: str, **rows: float) -> BatchedEnv:
    """Return one environment at rest, except for rows of its state given as `row3=1.0`."""
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
    """Compare states in float64, and observations and rewards rounded to float32."""
    batch = make(name, ENVS, seed=3, time_limit=70)
    singles = [gymnasium.make(name).unwrapped for _ in range(ENVS)]
    batch.reset()
    for i, env in enumerate(singles):
        copy_start(batch, env, i)
    fell = truncated = 0
    for actions in random_actions(batch, STEPS):
        step = batch.step(actions)
        for i, env in enumerate(singles):
            observation, reward, terminated, _, _ = env.step(actions[i].numpy())
            assert np.array_equal(
                step.final_observations[i].numpy(), observation.astype(np.float32)
            )
            assert step.rewards[i].item() == np.float32(reward)
            assert step.terminated[i].item() == terminated
            fell += terminated
            if terminated or step.truncated[i]:
                truncated += not terminated
                copy_start(batch, env, i)
            else:
                data = env.data
                expected = ([data.time], data.qpos, data.qvel, data.qacc_warmstart)
                assert all(map(np.array_equal, parts(batch, i)[:4], expected))
    assert fell >= 10 if name in FALL else truncated >= 10


@pytest.mark.parametrize("name", NAMES)
def test_start_states_are_distributed_as_gymnasiums(name: str) -> None:
    batch, single = make(name, 4096), gymnasium.make(name).unwrapped
    batch.reset(seed=1)
    states = batch.state.numpy()
    joints, speeds = sizes(batch)
    last = 1 + joints + speeds
    assert not states[:, 0].any() and not states[:, last : last + speeds].any()
    states = states[:, 1:last]
    drawn = list[np.ndarray]()
    for seed in range(1000):
        single.reset(seed=seed)
        drawn.append(single.state_vector())
    starts = np.array(drawn)
    deviation = starts.std(0)
    assert np.abs(states.mean(0) - starts.mean(0)).max() < 0.2 * deviation.min()
    assert np.allclose(states.std(0), deviation, rtol=0.1)
    # The largest of 4,096 uniform draws is near sqrt(3) deviations, of normal draws above 3.
    widest = np.abs(states - starts.mean(0)).max(0) / deviation
    normal = np.zeros(joints + speeds, bool)
    if name not in PLANAR_FALL:
        normal[joints:] = True
    assert np.all((widest > 3) == normal) and np.all(widest[~normal] < 1.9)
    assert np.unique(states).size > 0.9 * states.size


@pytest.mark.parametrize("name", PLANAR)
def test_a_reward_is_speed_plus_health_minus_cost(name: str) -> None:
    env = make(name, 3)
    env.reset()
    for actions in random_actions(env, 5):
        before = env.state.clone()
        step = env.step(actions)
        seconds = 0.05 if "HalfCheetah" in name else 0.008
        assert torch.allclose(env.state[:, 0] - before[:, 0], torch.tensor(seconds).double())
        forward = (env.state[:, 1] - before[:, 1]) / seconds
        health, weight = (1.0, 1e-3) if name in FALL else (0.0, 0.1)
        expected = forward + health - weight * actions.double().square().sum(1)
        assert torch.allclose(step.rewards.double(), expected, atol=1e-6)


@pytest.mark.parametrize("name", PLANAR_FALL)
def test_each_bound_of_health_ends_the_episode(name: str) -> None:
    """Set row 2, the height; row 3, the tilt; row 5, a joint; row 8, a velocity."""
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
        single = gymnasium.make(name).unwrapped
        single.set_state(start[1 : 1 + env.JOINTS], start[1 + env.JOINTS : 1 + 2 * env.JOINTS])
        _, reward, terminated, _, _ = single.step(actions[0].numpy())
        assert step.terminated.item() and terminated, case
        assert step.rewards.item() == np.float32(reward)
    assert not placed(name).step(actions).terminated.item()


def test_an_ant_is_healthy_between_two_heights_and_pays_for_contacts() -> None:
    """Start at a healthy height, far below the floor, too high, and near the floor."""
    fell, paid = list[bool](), list[float]()
    for height in (0.55, -10.0, 1.2, 0.3):
        env, single = make("Ant-v5", 1), gymnasium.make("Ant-v5").unwrapped
        env.reset()
        saved = env.state_dict()
        saved["state"].zero_()
        saved["state"][3:5, 0] = torch.tensor([height, 1.0])
        env.load_state_dict(saved)
        state = env.state[0].numpy().copy()
        single.set_state(state[1:16], state[16:30])
        actions = torch.full((1, 8), 0.25)
        step = env.step(actions)
        _, reward, terminated, _, info = single.step(actions[0].numpy())
        assert step.terminated.item() == terminated
        assert step.rewards.item() == np.float32(reward)
        assert info["reward_ctrl"] == -0.25
        fell.append(terminated)
        paid.append(info["reward_contact"])
        forces = step.final_observations[0, 27:]
        assert -5e-4 * forces.double().square().sum() == pytest.approx(paid[-1], abs=1e-9)
        assert forces.abs().max() <= 1
    assert fell == [False, True, True, False] and min(paid) < -1e-4


def test_a_fall_has_the_healthy_reward_in_version_4_only() -> None:
    for new, old in (("Hopper-v5", "Hopper-v4"), ("Walker2d-v5", "Walker2d-v4")):
        actions = torch.zeros(1, 3 if "Hopper" in new else 6)
        rewards = [placed(name, row3=1.5).step(actions).rewards.item() for name in (new, old)]
        assert rewards[1] - rewards[0] == pytest.approx(1.0, abs=1e-6)


def test_the_solvers_start_is_part_of_the_state() -> None:
    env = make("Walker2d-v5", 2)
    env.reset(seed=0)
    # The robot stands, so that there are contacts to solve.
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


def test_environments_of_a_batch_are_independent() -> None:
    """They share one `MjData`, and each has the states of a batch of one."""
    batch = make("Walker2d-v5", 3)
    batch.reset(seed=2)
    saved = batch.state_dict()
    singles = list[BatchedEnv]()
    for i in range(3):
        env = make("Walker2d-v5", 1)
        env.reset()
        env.load_state_dict({**env.state_dict(), "state": saved["state"][:, i : i + 1]})
        singles.append(env)
    # With small actions the robots stand, so that there are contacts to solve.
    for actions in random_actions(batch, 30, beyond=0.1):
        step = batch.step(actions)
        assert not step.terminated.any()
        for i, env in enumerate(singles):
            env.step(actions[i : i + 1])
            assert torch.equal(env.state[0], batch.state[i])


@pytest.mark.parametrize("name", NAMES)
def test_spaces_and_limits_are_gymnasiums(name: str) -> None:
    batch, single = make(name, 2), gymnasium.make(name)
    assert batch.action_space == single.action_space
    assert batch.observation_space.shape == single.observation_space.shape
    assert np.array_equal(batch.observation_space.high, single.observation_space.high)
    assert np.array_equal(batch.observation_space.low, single.observation_space.low)
    spec, expected = gymnasium.spec(f"advlearn/{name}"), gymnasium.spec(name)
    assert batch.time_limit == spec.max_episode_steps == expected.max_episode_steps
    assert spec.reward_threshold == expected.reward_threshold
    assert name == batch.NAME


def test_stable_baselines_gets_the_last_observation_of_a_fall() -> None:
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


def test_without_mujoco_the_names_are_known_and_an_error_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    assert not available().keys() & set(NAMES)
    assert ENTRIES.keys() - available().keys() == set(NAMES)
    with pytest.raises(
        ImportError, match=r'name: Hopper-v5 needs MuJoCo .*: pip install "advlearn\[mujoco\]"'
    ):
        make("Hopper-v5", 2)


def test_listing_and_registering_do_not_import_mujoco(torch_only: ScriptServer) -> None:
    code = (
        "import sys, gymnasium, advlearn_envs.hopper, advlearn_envs.catalogue as c; c.available(); "
        "gymnasium.spec('advlearn/Hopper-v5'); print('mujoco' in sys.modules)"
    )
    done = torch_only.python("-W", "error", "-c", code)
    assert done.stdout.strip() == "False", done.stderr


def test_a_device_that_mujoco_does_not_run_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="device: expected cpu or cuda for Hopper-v5, got meta"):
        physics_on(torch.device("meta"), "hopper.xml", 4, 1, "Hopper-v5")
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(
        ImportError, match=r"device: expected cpu, since MuJoCo Warp .*: pip install mujoco-warp"
    ):
        physics_on(torch.device("cuda"), "hopper.xml", 4, 1, "Hopper-v5")


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_the_numbers_do_not_depend_on_the_threads(threads: int) -> None:
    """Use shares of different sizes, and more threads than shares."""
    env = make("Hopper-v5", 26)
    env.reset()
    model = gymnasium.make("Hopper-v5").unwrapped.model
    single, shared = (
        HostPhysics(model, env.FRAME_SKIP, 26),
        HostPhysics(model, env.FRAME_SKIP, 26, threads),
    )
    assert len(single._shares) == 1 and len(shared._shares) == min(threads, 3)
    state = env.state.T.contiguous()
    for actions in random_actions(env, 30):
        expected = single.advance(state, actions)
        assert torch.equal(shared.advance(state, actions), expected)
        state = expected
