"""Scripted experts, and demonstrations recorded from any policy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from advlearn_envs.batched import BatchedEnv
from advlearn_envs.catalogue import NAMESPACE
from advlearn_envs.circles import Circles, drive
from advlearn_envs.maze import CLEAR, ORIGIN, Maze

Policy = Callable[[Tensor], Tensor]
Arrays = dict[str, NDArray[Any]]


def maze_expert(env: Maze) -> Policy:
    """Return a maze policy that passes each barrier and then moves to the goal, at full force.

    Args:
        env: The maze.

    Returns:
        A map from observations (N, 2) to actions (N, 2).

    Example:
        >>> from advlearn_envs.maze import CMaze
        >>> env = CMaze(1)
        >>> maze_expert(env)(env.reset()).abs().max()
        tensor(1.)
    """

    def policy(observations: Tensor) -> Tensor:
        here = observations.double()
        target = here.new_tensor(env.GOAL).expand_as(here)
        # Backwards from the goal, so that the first barrier ahead sets the target.
        for barrier in reversed(env.BARRIERS):
            end = barrier.right + CLEAR if barrier.left == ORIGIN else barrier.left - CLEAR
            way = here.new_tensor((end, barrier.y + 0.01))
            target = torch.where(here[:, 1:] < barrier.y, way, target)
        gap = target - here
        furthest = gap.abs().amax(1, keepdim=True)
        # Full force along the straight line, and less over the last ten centimetres.
        return (gap / furthest.clamp(min=0.1)).float()

    return policy


def circles_expert(env: Circles, *, noise: float = 0.1, seed: int = 0) -> tuple[Policy, Tensor]:
    """Return a policy that drives one circle in each environment, all circles in turn.

    Args:
        env: The environment.
        noise: Standard deviation of the direction, radians.
        seed: Seed of the noise.

    Returns:
        A map from observations (N, 10) to actions (N, 2) of length 1, and the index (N,) int64 of
        each environment's circle.

    Example:
        >>> env = Circles(4)
        >>> policy, modes = circles_expert(env)
        >>> modes
        tensor([0, 1, 2, 0])
        >>> policy(env.reset()).norm(dim=1)
        tensor([1., 1., 1., 1.])
    """
    modes = torch.arange(env.num_envs, device=env.device) % len(env.radii)
    radius = torch.tensor(env.radii, dtype=torch.float64, device=env.device)[modes]
    generator = torch.Generator(env.device).manual_seed(seed)

    def policy(observations: Tensor) -> Tensor:
        deviation = torch.randn(
            env.num_envs, generator=generator, device=env.device, dtype=torch.float64
        )
        angle = drive(observations[:, -2:].double(), radius) + noise * deviation
        return torch.stack((angle.cos(), angle.sin()), dim=1).float()

    return policy, modes


def circles_demonstrations(
    episodes: int, radii: tuple[float, ...] = (1.0, 0.5, -0.5), *, noise: float = 0.1, seed: int = 0
) -> Arrays:
    """Return demonstrations of `Circles` by its scripted expert, all circles in turn.

    Args:
        episodes: Number of episodes n.
        radii: Signed radii of the circles.
        noise: Standard deviation of the direction, radians.
        seed: Seed of the start states and of the noise.

    Returns:
        The arrays of `record`, and "modes" (n,) int64, the circle of each episode, which is for
        evaluation only.

    Example:
        >>> circles_demonstrations(3)["observations"].shape
        (387, 10)
    """
    env = Circles(episodes, radii, seed=seed)
    policy, modes = circles_expert(env, noise=noise, seed=seed)
    return {
        **record(env, policy, source="advlearn_envs.experts.circles_expert"),
        "modes": modes.numpy(),
    }


@torch.no_grad()
def record(env: BatchedEnv, policy: Policy, *, source: str) -> Arrays:
    """Record one episode per environment of a batch, as arrays that `numpy.savez` saves.

    Args:
        env: A batch of n environments; it is reset first.
        policy: Map from observations (n, O) to actions.
        source: Description of the policy.

    Returns:
        "observations" (sum(T_i + 1), O) float32 with the last one of each episode, "actions"
        (sum T_i, A) float32 or (sum T_i,) int64, "rewards" (sum T_i,) float32, "episode_lengths"
        (n,) int64, "terminated" (n,) bool, and the scalars "env_id", "expert_return_mean",
        "expert_return_std" and "source".

    Example:
        >>> from advlearn_envs.cartpole import CartPole
        >>> arrays = record(CartPole(2), lambda x: (x[:, 2] > 0).long(), source="leans")
        >>> len(arrays["observations"]) - len(arrays["actions"])
        2
    """
    observations = env.reset()
    running = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
    terminated = torch.zeros_like(running)
    lengths = torch.zeros(env.num_envs, dtype=torch.int64, device=env.device)
    rows: list[tuple[Tensor, ...]] = []
    while running.any():
        actions = policy(observations)
        step = env.step(actions)
        rows.append((observations, actions, step.rewards, step.final_observations))
        lengths += running
        terminated |= running & step.terminated
        running &= ~(step.terminated | step.truncated)
        observations = step.observations
    columns = [torch.stack(column, 1).cpu() for column in zip(*rows, strict=True)]
    return _flat(columns, lengths.cpu(), terminated.cpu(), env.NAME, source)


def _flat(
    columns: list[Tensor], lengths: Tensor, terminated: Tensor, name: str, source: str
) -> Arrays:
    """Join the first `lengths` steps of each row of columns (n, T, ...) to the arrays of `record`.

    The columns are observations, actions, rewards and observations after the step.
    """
    before, actions, rewards, after = columns
    episodes = [(i, int(n)) for i, n in enumerate(lengths)]
    returns = torch.stack([rewards[i, :n].double().sum() for i, n in episodes])
    return {
        "observations": torch.cat(
            [torch.cat((before[i, :n], after[i, n - 1 : n])) for i, n in episodes]
        ).numpy(),
        "actions": torch.cat([actions[i, :n] for i, n in episodes]).numpy(),
        "rewards": torch.cat([rewards[i, :n] for i, n in episodes]).numpy(),
        "episode_lengths": lengths.numpy(),
        "terminated": terminated.numpy(),
        "env_id": np.array(f"{NAMESPACE}/{name}"),
        "expert_return_mean": returns.mean().numpy(),
        "expert_return_std": returns.std(correction=0).numpy(),
        "source": np.array(source),
    }
