"""Measure steps per second of GAIL of imitation 1.0.1 on Hopper, with its quickstart's settings.

python imitation_hopper.py DEMOS.npz SEED STEPS
"""

# pyright: reportMissingImports=false

import json
import sys
import tempfile
import time
from importlib.metadata import version

import numpy as np
import torch

# gymnasium 0.29, which the library pins, still uses a name that numpy 2 has removed.
if not hasattr(np, "bool8"):
    np.bool8 = np.bool_  # type: ignore[attr-defined]

from imitation.algorithms.adversarial.gail import GAIL
from imitation.data.types import TrajectoryWithRew
from imitation.rewards.reward_nets import BasicRewardNet
from imitation.util import logger
from imitation.util.networks import RunningNorm
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env


def main() -> None:
    """Train for a number of steps, and print the time."""
    torch.set_num_threads(1)
    file, seed, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    demos = np.load(file, allow_pickle=False)
    trajectories, o, a = [], 0, 0
    for n, terminated in zip(demos["episode_lengths"][:10], demos["terminated"], strict=False):
        parts = {"obs": demos["observations"][o : o + n + 1], "acts": demos["actions"][a : a + n]}
        rewards = demos["rewards"][a : a + n]
        trajectories.append(
            TrajectoryWithRew(infos=None, terminal=bool(terminated), rews=rewards, **parts)
        )
        o, a = o + n + 1, a + n
    venv = make_vec_env("Hopper-v4", n_envs=8, seed=seed)
    settings = {
        "batch_size": 64,
        "ent_coef": 0.0,
        "learning_rate": 0.0004,
        "gamma": 0.95,
        "n_epochs": 5,
    }
    learner = PPO("MlpPolicy", venv, seed=seed, device="cpu", **settings)
    net = BasicRewardNet(
        venv.observation_space, venv.action_space, normalize_input_layer=RunningNorm
    )
    trainer = GAIL(
        demonstrations=trajectories,
        demo_batch_size=1024,
        gen_replay_buffer_capacity=512,
        n_disc_updates_per_round=8,
        venv=venv,
        gen_algo=learner,
        reward_net=net,
        allow_variable_horizon=True,
        custom_logger=logger.configure(tempfile.mkdtemp(), format_strs=[]),
    )
    trainer.train(16_384)  # one-time costs are not counted
    began = time.process_time()
    trainer.train(steps)
    seconds = time.process_time() - began
    figures = {
        "steps": steps,
        "cpu_seconds": round(seconds, 2),
        "steps_per_second": round(steps / seconds),
    }
    print(json.dumps({**figures, "mujoco": version("mujoco")}))


if __name__ == "__main__":
    main()
