"""Time GAIL of imitation 1.0.1 (HumanCompatibleAI) on CartPole until 475, with its quickstart.

python imitation_cartpole.py DEMOS.npz SEED
"""

# pyright: reportMissingImports=false

import json
import sys
import tempfile
import time

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
from stable_baselines3.common.evaluation import evaluate_policy

STEPS, EVERY = 196_608, 16_384


def main() -> None:
    """Train until 475 or the end of the budget, with an evaluation every 16,384 steps."""
    torch.set_num_threads(1)
    file, seed = sys.argv[1], int(sys.argv[2])
    demos = np.load(file, allow_pickle=False)
    n = int(demos["episode_lengths"][0])
    one = TrajectoryWithRew(
        obs=demos["observations"][: n + 1],
        acts=demos["actions"][:n],
        infos=None,
        terminal=True,
        rews=demos["rewards"][:n],
    )
    venv = make_vec_env("CartPole-v1", n_envs=8, seed=seed)
    learner = PPO(
        "MlpPolicy",
        venv,
        batch_size=64,
        ent_coef=0.0,
        learning_rate=0.0004,
        gamma=0.95,
        n_epochs=5,
        seed=seed,
        device="cpu",
    )
    net = BasicRewardNet(
        venv.observation_space, venv.action_space, normalize_input_layer=RunningNorm
    )
    trainer = GAIL(
        demonstrations=[one],
        demo_batch_size=min(1024, n),
        gen_replay_buffer_capacity=512,
        n_disc_updates_per_round=8,
        venv=venv,
        gen_algo=learner,
        reward_net=net,
        allow_variable_horizon=True,
        custom_logger=logger.configure(tempfile.mkdtemp(), format_strs=[]),
    )
    judge = make_vec_env("CartPole-v1", n_envs=1, seed=10_000)
    seconds, done, found = 0.0, 0, 0.0
    while done < STEPS and found < 475:
        began = time.process_time()
        trainer.train(EVERY)
        seconds += time.process_time() - began
        done += EVERY
        found = float(
            np.mean(
                evaluate_policy(learner.policy, judge, 20, return_episode_rewards=True, warn=False)[
                    0
                ]
            )
        )
    row = {
        "reached": found >= 475,
        "return": found,
        "steps": done,
        "cpu_seconds": round(seconds, 2),
    }
    print(json.dumps({**row, "steps_per_second": round(done / seconds)}))


if __name__ == "__main__":
    main()
