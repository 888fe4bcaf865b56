"""Batches of environments, algorithms on them, and records of their rollouts, for tests."""

from typing import Any

import numpy as np
import torch
from advlearn_envs import CartPole, CMaze, StableBaselinesVecEnv
from advlearn_envs.batched import BatchedEnv
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor

from advlearn.imitation import Demonstrations, DevicePPO

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
# One minibatch of all rows, since the two algorithms draw the order of rows differently.
SETTINGS: dict[str, Any] = {
    "n_steps": T,
    "batch_size": N * T,
    "n_epochs": 2,
    "learning_rate": 3e-3,
    "seed": 5,
}


def cartpole() -> BatchedEnv:
    """Return an environment whose pole falls after some nine steps, with a limit of fourteen."""
    return CartPole(N, time_limit=14)


class Tight(CartPole):
    """End an episode when the pole swings right, often in the last step before the limit."""

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
    """Seed each rollout, and copy the buffer and the last values at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.rollouts: list[dict[str, Any]] = []

    def _on_rollout_start(self) -> None:
        torch.manual_seed(len(self.rollouts))

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = self.model.rollout_buffer  # type: ignore[attr-defined]
        columns = {name: getattr(buffer, name) for name in COLUMNS}
        columns |= {f"last {name}": self.locals[name] for name in ("values", "dones")}
        self.rollouts.append(
            {name: torch.as_tensor(column).clone().numpy() for name, column in columns.items()}
        )


def expert(env: BatchedEnv) -> Demonstrations:
    """Return two short random episodes that fit an environment."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(12, *env.observation_space.shape)).astype(np.float32)
    discrete = isinstance(env.action_space, spaces.Discrete)
    shape = (10, *env.action_space.shape)
    actions = rng.integers(0, 2, 10) if discrete else rng.uniform(-1, 1, shape).astype(np.float32)
    return Demonstrations(states, actions, np.array([5, 5]), np.array([True, False]))


def assert_same(rollouts: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Compare the columns of two rollouts of two algorithms."""
    assert len(rollouts) == len(expected) == 2
    for found, reference in zip(rollouts, expected, strict=True):
        for name, column in reference.items():
            assert found[name].shape == column.shape, name
            assert found[name].dtype == column.dtype, name
            np.testing.assert_allclose(found[name], column, rtol=1e-5, atol=1e-5, err_msg=name)
