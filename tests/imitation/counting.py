"""A small environment with known dynamics, its expert, and helpers for tests."""

import threading
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from advlearn.imitation import Demonstrations


class Counting(gym.Env[Any, Any]):
    """Count by two for action 1, else by one; terminate from 9 on, truncate after six steps."""

    def __init__(self, continuous: bool = False) -> None:
        self.observation_space = gym.spaces.Box(0, 20, (1,), np.float32)
        self.action_space = (
            gym.spaces.Box(-1, 1, (1,), np.float32) if continuous else gym.spaces.Discrete(2)
        )
        self.count, self.steps = 0.0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count, self.steps = 0.0, 0
        return np.array([self.count], np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1 + (np.asarray(action).item() > 0)
        self.steps += 1
        ended = self.count >= 9
        return np.array([self.count], np.float32), 5.0, ended, not ended and self.steps >= 6, {}


class Stuck(Counting):
    """A counter that does not end."""

    def close(self) -> None:
        threading.Event().wait()


def counting(n: int = 3, continuous: bool = False) -> DummyVecEnv:
    """Return n counters."""
    return DummyVecEnv([lambda: Counting(continuous)] * n)


def always_one(continuous: bool = False) -> Demonstrations:
    """Return two episodes of an expert that always counts by two: 0, 2, 4, 6, 8, 10."""
    observations = np.tile(np.arange(0, 12, 2, dtype=np.float32), 2)[:, None]
    actions = np.ones((10, 1), np.float32) if continuous else np.ones(10, np.int64)
    return Demonstrations(observations, actions, np.array([5, 5]), np.array([True, True]))


def small(env: Any, **settings: Any) -> PPO:
    """Return a PPO with short rollouts and one pass over each."""
    return PPO(
        "MlpPolicy", env, n_steps=16, batch_size=16, n_epochs=1, seed=0, device="cpu", **settings
    )


def weights_of(run: Any) -> torch.Tensor:
    """Return the weights of a run's policy and critic as one vector."""
    parts = [*run.policy.policy.parameters(), *run.reward.adversary.parameters()]
    return torch.cat([p.detach().flatten() for p in parts])
