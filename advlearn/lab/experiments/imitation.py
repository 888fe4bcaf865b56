"""Imitation in the point mazes: the learned reward as a surface under the paths of the policy."""

import math
import time
from contextlib import ExitStack
from typing import Any, cast, final

import numpy as np
import torch
from torch import Tensor

from advlearn.imitation.building import RewardSettings, build_reward, build_reward_callback
from advlearn.imitation.demonstrations.dataset import Demonstrations
from advlearn.imitation.demonstrations.loading import record
from advlearn.imitation.progress_log import ProgressLog
from advlearn.imitation.result import ImitationResult
from advlearn.imitation.sb3.recorder import record_environment
from advlearn.imitation.settings import choose
from advlearn.imitation.specification import specify
from advlearn.lab.experiments.base import Experiment, Frame, lattice
from advlearn.lab.packing import pack

ENVIRONMENTS, CELLS, PATHS, EPISODES = 16, 40, 6, 8


@final
class MazeImitation(Experiment):
    """Train PPO on the rewards of an adversary, one rollout at a time."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        from advlearn_envs import make
        from advlearn_envs.experts import maze_expert
        from advlearn_envs.sb3 import StableBaselinesVecEnv

        with self.random.used():
            self.maze = cast(Any, make(settings["maze"], 1))
            rule = maze_expert(self.maze)
            batch = StableBaselinesVecEnv(cast(Any, make(settings["maze"], EPISODES)))
            demos = record(cast(Any, _Expert(rule)), batch, episodes=EPISODES)
            self._build(demos)
            self.paths = _paths(demos.observations, self.maze.time_limit)
        self._rollouts = 0

    def _build(self, demos: Demonstrations) -> None:
        from advlearn_envs import make
        from advlearn_envs.sb3 import StableBaselinesVecEnv
        from stable_baselines3 import PPO
        from stable_baselines3.common.vec_env import VecMonitor

        s = self.settings
        specification = specify(s["objective"])
        if specification.cloning_only or specification.airl:
            raise ValueError("objective: expected a method with a critic of states, got another")
        venv = VecMonitor(StableBaselinesVecEnv(cast(Any, make(s["maze"], ENVIRONMENTS))))
        limit = self.maze.time_limit
        self.learner = PPO(
            "MlpPolicy",
            venv,
            n_steps=limit,
            batch_size=400,
            n_epochs=6,
            learning_rate=s["lr"],
            seed=s["seed"],
            device="cpu",
        )
        given = {"critic_inputs": "state", "absorbing": False}
        chosen = choose({"reward": specification.reward, **specification.options}, given)
        expert = demos.transitions(1, seed=s["seed"])
        self.learned = build_reward(
            self.learner, expert, specification, RewardSettings.of(None, chosen)
        )
        self._open = ExitStack()
        recording = self._open.enter_context(record_environment(self.learner))
        self.run = ImitationResult(self.learner, self.learned, demos, s["maze"])
        self._seen = torch.zeros(0, 0, 2)
        self._callback = build_reward_callback(
            self.learner,
            self.learned,
            recording,
            ProgressLog(self.run, 10**9, quiet=True),
            batch_size=256,
            critic_replay_size=0,
            critic_steps=8,
        )

    @property
    def step(self) -> int:
        return self.learner.num_timesteps

    def train(self, seconds: float, steps: int) -> None:
        """Train for whole rollouts, at least one."""
        until = time.perf_counter() + (0 if math.isinf(seconds) else seconds)
        while True:
            with self.random.used():
                self.learner.learn(
                    ENVIRONMENTS * self.maze.time_limit,
                    callback=self._callback,
                    reset_num_timesteps=self._rollouts == 0,
                )
            self._rollouts += 1
            # After the epochs of PPO, the buffer holds one environment after another.
            seen = torch.as_tensor(self.learner.rollout_buffer.observations)
            seen = seen.reshape(ENVIRONMENTS, self.maze.time_limit, 2)
            self._seen = seen[:PATHS, ::2].clone()
            if time.perf_counter() >= until:
                return

    def scene(self) -> Frame:
        maze = self.maze
        return {
            "low": maze.LOW[0],
            "high": maze.HIGH[0],
            "walls": [[b.left, b.right, b.y] for b in maze.BARRIERS],
            "goal": list(maze.GOAL),
            "expert": pack(self.paths),
            "expert_return": round(self.run.demonstrations.expert_return, 2),
            "chain": repr(self.learned.adversary.chain),
        }

    def drawing(self) -> Frame:
        low, high = self.maze.LOW[0], self.maze.HIGH[0]
        half, middle = (high - low) / 2, (high + low) / 2
        x = (lattice(CELLS, half) + middle).numpy()
        rewards = self.learned(x, np.zeros_like(x), x, np.zeros(len(x), bool))
        surface = torch.as_tensor(rewards).float()
        surface = surface - surface.median()
        surface = surface / surface.abs().max().clamp(min=1e-9)
        return {
            "surface": pack(surface.reshape(CELLS, CELLS)),
            "policy": pack(self._seen),
        }

    def figures(self) -> dict[str, float]:
        last = self.run.history[-1] if self.run.history else {}
        numbers = {k: v for k, v in last.items() if isinstance(v, int | float) and k != "steps"}
        return {k.replace("/", "_"): float(v) for k, v in numbers.items()}

    def verdict(self) -> str:
        if not self.run.history:
            return "not trained yet"
        return str(self.learned.adversary.health())

    def close(self) -> None:
        self._open.close()


@final
class _Expert:
    """Follow the scripted expert with some noise."""

    def __init__(self, rule: Any) -> None:
        self.rule, self.draw = rule, np.random.default_rng(0)

    def predict(self, observations: Any, **_: Any) -> tuple[Any, None]:
        forces = 0.8 * self.rule(torch.as_tensor(observations)).numpy()
        noise = 0.2 * self.draw.normal(size=forces.shape)
        return (forces + noise).clip(-1, 1).astype(np.float32), None


def _paths(observations: Any, length: int) -> Tensor:
    """Return some episodes of the demonstrations: (episodes, T, 2)."""
    x = torch.as_tensor(np.asarray(observations))
    return x[: len(x) // length * length].reshape(-1, length, 2)[:PATHS, ::2]


EXPERIMENT = MazeImitation
