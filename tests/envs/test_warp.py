"""MuJoCo Warp agrees with MuJoCo's C library on all four robots.

On the GPU if there is one, else on Warp's CPU device.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from advlearn_envs import make
from advlearn_envs.batched import BatchedEnv
from advlearn_envs.launching import Launcher, at_once
from advlearn_envs.physics import HostPhysics, WarpPhysics
from torch import Tensor

from advlearn.imitation import load_demonstrations

mujoco = pytest.importorskip("mujoco", reason="MuJoCo is not installed")
pytest.importorskip("mujoco_warp", reason="MuJoCo Warp is not installed")

ENVS = 32
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# The largest difference of a position or velocity (m, rad and those by second) after one step of
# the environment, from the same state: about five times that of the states below.
TOLERANCE = {
    "Hopper-v5": 2e-5,
    "Walker2d-v5": 1e-3,
    "HalfCheetah-v5": 5e-3,
    "Ant-v5": 3e-4,
}
NAMES = list(TOLERANCE)
PYRAMID, ELLIPSE = 0, 1
# Rows of the forces and torques on Ant's bodies (N, N m), the last of its state.
FORCES = 78
# Numbers of the longest observation without such forces, Ant's.
MOVING = 27


@dataclass(frozen=True)
class Pair:
    """The same model on both sides, and start states (S, N) of the environment."""

    model: Any
    host: HostPhysics
    warp: WarpPhysics
    starts: Tensor

    def moving(self, states: Tensor) -> Tensor:
        """Return positions and velocities (P + V, N)."""
        return states[1 : 1 + self.model.nq + self.model.nv]

    def on_warp(self, states: Tensor, actions: Tensor) -> Tensor:
        return self.warp.advance(states.to(DEVICE), actions.to(DEVICE)).cpu()

    def actions(self, steps: int) -> Tensor:
        """Return random actions (steps, N, A) beyond the range, which the motors clip."""
        shape = (steps, self.starts.shape[1], self.model.nu)
        return (torch.rand(shape, generator=torch.Generator().manual_seed(7)) * 2 - 1) * 1.3

    def lifted(self, metres: float = 3.0) -> Tensor:
        """Return start states above the floor, whose feet reach nothing in some steps."""
        states = self.starts.clone()
        states[3 if self.model.nq > self.model.nv else 2] += metres
        return states

    def solved(self, states: Tensor) -> list[Any]:
        """Return MuJoCo's data of each state, with contacts and energies."""
        found = list[Any]()
        for state in self.moving(states).T.numpy():
            data = mujoco.MjData(self.model)
            data.qpos[:], data.qvel[:] = np.split(state, [self.model.nq])
            mujoco.mj_forward(self.model, data)
            mujoco.mj_energyPos(self.model, data)
            mujoco.mj_energyVel(self.model, data)
            found.append(data)
        return found

    def contacts(self, states: Tensor) -> np.ndarray:
        return np.array([data.ncon for data in self.solved(states)])

    def energy(self, states: Tensor) -> np.ndarray:
        return np.array([data.energy.sum() for data in self.solved(states)])

    def depth(self, states: Tensor) -> np.ndarray:
        """Return the smallest distance (m) of each robot to the floor, at most 0.1."""
        return np.array([min(data.contact.dist, default=0.1) for data in self.solved(states)])


@cache
def pair(name: str, cone: int = PYRAMID, num_envs: int = ENVS) -> Pair:
    """Return a model on both sides; Ant has an elliptic cone where its frames must not matter."""
    env = make(name, num_envs, seed=5)
    env.reset()
    model = gymnasium.make(name).unwrapped.model
    model.opt.cone = cone
    skip, forces = env._physics.frame_skip, env._physics.forces
    return Pair(
        model,
        HostPhysics(model, skip, num_envs, forces=forces),
        WarpPhysics(model, skip, num_envs, DEVICE, forces),
        env.state.T.contiguous(),
    )


def same_frames(name: str) -> Pair:
    """Return a pair whose forces do not depend on the directions of the contact frames.

    Warp turns the pyramid of friction of an upright capsule, see `WarpPhysics`.
    """
    return pair(name, ELLIPSE if name == "Ant-v5" else PYRAMID)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_in_the_air_is_the_hosts(name: str) -> None:
    both = same_frames(name)
    states = both.lifted()
    for actions in both.actions(5):
        expected, found = both.host.advance(states, actions), both.on_warp(states, actions)
        assert found.shape == expected.shape and found.dtype == torch.float64
        assert found.is_contiguous()
        difference = (both.moving(found) - both.moving(expected)).abs().max()
        assert difference < TOLERANCE[name]
        assert torch.allclose(found[0], expected[0], atol=1e-6)
        states = expected
    assert not both.contacts(states).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_step_on_the_floor_is_the_hosts_with_as_many_contacts(name: str) -> None:
    both = same_frames(name)
    states, touching, forces = both.starts, 0, 0.0
    for actions in both.actions(30):
        expected, found = both.host.advance(states, actions), both.on_warp(states, actions)
        difference = (both.moving(found) - both.moving(expected)).abs().max()
        assert difference < TOLERANCE[name]
        if name == "Ant-v5":
            assert torch.allclose(found[-FORCES:], expected[-FORCES:], rtol=0, atol=0.1)
            forces = max(forces, expected[-FORCES:].abs().max().item())
        counts = both.contacts(expected)
        assert np.array_equal(both.contacts(found), counts)
        touching += int((counts > 0).sum())
        states = expected
    assert touching > 200
    assert name != "Ant-v5" or forces > 10


@pytest.mark.parametrize("name", NAMES)
def test_warp_counts_the_contacts_of_the_host(name: str) -> None:
    both = pair(name)
    states = both.starts
    for actions in both.actions(20):
        states = both.host.advance(states, actions)
    # The positions of one evaluation of the model, without the step that follows it.
    resting = states.clone()
    both.on_warp(resting, both.actions(1)[0])
    kernels, data = both.warp._mujoco_warp, both.warp._data
    both.warp._parts[1].copy_(resting[1 : 1 + both.model.nq].T)
    with both.warp._warp.ScopedDevice(both.warp._place):
        kernels.forward(both.warp._model, data)
    worlds = data.contact.worldid.numpy()[: data.nacon.numpy()[0]]
    expected = both.solved(resting)
    assert np.array_equal(np.bincount(worlds, minlength=ENVS), [solved.ncon for solved in expected])
    assert np.array_equal(data.nefc.numpy(), [solved.nefc for solved in expected])


@pytest.mark.parametrize("name", NAMES)
def test_no_contact_of_a_buried_robot_is_dropped(name: str) -> None:
    """Every geom touches the floor, and joints are beyond their limits."""
    both = pair(name)
    states = both.lifted(-10.0)
    states[1 + both.model.nq - both.model.nu : 1 + both.model.nq] += 2.0
    rows = max(solved.nefc for solved in both.solved(states))
    assert rows >= 2 * (both.model.ngeom - 1)
    assert both.warp._data.njmax >= rows and both.warp._data.naconmax >= 25 * ENVS


@pytest.mark.parametrize("name", NAMES)
def test_energy_in_the_air_changes_as_the_hosts(name: str) -> None:
    """Without motors; dampers take energy, and a step of the host gains or loses some too."""
    both = pair(name)
    host = warp = both.lifted()
    before, rest = both.energy(host), torch.zeros(ENVS, both.model.nu)
    for _ in range(5):
        host, warp = both.host.advance(host, rest), both.on_warp(warp, rest)
    change = both.energy(host) - before
    # Of 30 to 830 J.
    assert np.abs(both.energy(warp) - before - change).max() < 1e-3
    if name in ("HalfCheetah-v5", "Ant-v5"):
        assert np.abs(change).max() > 1


@pytest.mark.parametrize("name", NAMES)
def test_feet_stand_on_the_floor_and_do_not_sink(name: str) -> None:
    both = pair(name)
    host = warp = both.starts
    rest = torch.zeros(ENVS, both.model.nu)
    for _ in range(60):
        host, warp = both.host.advance(host, rest), both.on_warp(warp, rest)
    expected, found = both.depth(host), both.depth(warp)
    assert expected.min() > -0.01
    # The margin of Ant's contacts is 0.02 m, and its robots may be anywhere within it.
    assert np.abs(found - expected).max() < (0.03 if name == "Ant-v5" else 1e-3)
    assert found.min() > -0.01


@pytest.mark.parametrize("name", ["hopper", "halfcheetah"])
def test_the_steps_of_an_expert_have_the_hosts_speed_and_lead_to_its_states(name: str) -> None:
    """Start from each state of an episode that gymnasium recorded from a trained policy."""
    env_id = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5"}[name]
    steps = load_demonstrations(name).first(1).transitions()
    now, after = steps.observations.double(), steps.next_observations.double()
    both = pair(env_id, num_envs=len(now))
    # The time and x are not recorded, and the solver starts from 0.
    zeros = torch.zeros(len(now), 2, dtype=torch.float64)
    states = torch.cat((zeros, now, torch.zeros(len(now), both.model.nv)), 1).T.contiguous()
    host = both.host.advance(states, steps.actions)
    warp = both.on_warp(states, steps.actions)
    assert (both.moving(warp) - both.moving(host)).abs().max() < TOLERANCE[env_id]
    # Hopper's velocities are recorded up to 10.
    whole = (now.abs() < 10).all(1) & (after.abs() < 10).all(1)
    assert whole.sum() > 30
    assert (both.moving(warp)[1:].T - after)[whole].abs().max() < TOLERANCE[env_id]
    # The sum of the speeds, thousands, is the return but for the costs of the actions.
    assert warp[1].sum().item() == pytest.approx(host[1].sum().item(), rel=1e-5)
    assert host[1].sum() / both.host.seconds > 2000


def rolled(env: BatchedEnv, steps: int) -> tuple[Tensor, Tensor]:
    """Return returns (N,) of a random policy, and means of positions, velocities and squares."""
    generator = torch.Generator().manual_seed(11)
    returns = torch.zeros(env.num_envs, dtype=torch.float64)
    observed = torch.zeros(1, dtype=torch.float64)
    for _ in range(steps):
        actions = torch.rand(env.num_envs, env.action_space.shape[0], generator=generator) * 2 - 1
        step = env.step(actions)
        returns += step.rewards
        # Ant's forces are left out: those on its torso are rare and large.
        moving = step.final_observations[:, :MOVING].double()
        observed = observed + torch.cat((moving, moving.square()), 1) / steps
    return returns, observed


@dataclass(frozen=True)
class OnWarp:
    """Advance states of the host on Warp's device, so that both sides draw the same starts."""

    physics: WarpPhysics

    @property
    def seconds(self) -> float:
        return self.physics.seconds

    def advance(self, states: Tensor, actions: Tensor, launcher: Launcher = at_once) -> Tensor:
        return self.physics.advance(states.to(DEVICE), actions.to(DEVICE), launcher).cpu()


@pytest.mark.parametrize("name", NAMES)
def test_a_random_policy_has_the_hosts_return_and_observations(name: str) -> None:
    """Compare means of 64 environments over 100 steps, in standard errors."""
    sides = [make(name, 64, seed=3) for _ in range(2)]
    sides[1]._physics = OnWarp(pair(name, num_envs=64).warp)
    for env in sides:
        env.reset()
    (host, seen), (warp, seen_warp) = (rolled(env, 100) for env in sides)
    error = ((host.var() + warp.var()) / 64).sqrt()
    assert (host.mean() - warp.mean()).abs() < 2.5 * error
    errors = ((seen.var(0) + seen_warp.var(0)) / 64).sqrt()
    assert ((seen.mean(0) - seen_warp.mean(0)).abs() < 3 * errors).all()
    assert not torch.equal(host, warp)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has CUDA graphs in place of operators")
def test_launches_of_warp_are_between_the_graphs_of_a_rollout() -> None:
    """Replay recorded rollouts of `DevicePPO` on Hopper, and compare them with eager ones."""
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    from tests.imitation.batches import N
    from tests.imitation.test_replayed_iterations import assert_equal, trained

    def hopper() -> BatchedEnv:
        env: Any = make("Hopper-v5", N, seed=3)
        env._physics = pair("Hopper-v5", num_envs=N).warp
        env.capturable = env._physics.CAPTURABLE
        return env

    run, stages = trained("gail", hopper, replayed=True)
    other, _ = trained("gail", hopper, replayed=False)
    assert all(stage.captured for stage in stages)
    assert_equal(run, other)
