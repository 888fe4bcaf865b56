"""Imitate from observations without actions: the critic compares pairs of successive states.

The demonstrations have no actions; those of the recording are removed before training. The expert
is a linear rule on CartPole; `--demos` reads your file, with or without actions.

python examples/state_only.py [--steps 150000] [--objective "gail + r1(weight=1)"]
    [--demos file.npz] [--picture c.png] [--video balance.gif]
"""

import argparse
from dataclasses import replace

import numpy as np
from advlearn_envs import make
from advlearn_envs.sb3 import StableBaselinesVecEnv
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from advlearn.imitation import (
    imitate,
    load_demonstrations,
    plot_learning_curve,
    record,
    record_video,
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=150_000)
parser.add_argument("--objective", default="gail + r1(weight=1)")
parser.add_argument("--demos", default="")
parser.add_argument("--picture", default="state_only.png")
parser.add_argument(
    "--video", default="", help="record a video of one episode as a GIF; needs pygame"
)
options = parser.parse_args()


class Rule:
    """Push the cart to the side to which the pole falls; `record` needs only `predict`."""

    def predict(
        self, observations: np.ndarray, deterministic: bool = True
    ) -> tuple[np.ndarray, None]:
        return (observations @ [0.05, 0.2, 2.0, 0.6] > 0).astype(int), None


recording = (
    load_demonstrations(options.demos)
    if options.demos
    else record(Rule(), "CartPole-v1", episodes=1)
)
demos = replace(recording, actions=None)

# A batch of 64 copies of the demonstrations' environment.
venv = VecMonitor(StableBaselinesVecEnv(make(demos.env_id, 64)))
rollout = {"n_steps": 32, "batch_size": 256, "n_epochs": 4, "gamma": 0.98, "gae_lambda": 0.8}
algorithm = PPO(
    "MlpPolicy", venv, learning_rate=lambda left: 1e-3 * left, seed=0, device="cpu", **rollout
)
run = imitate(
    demos,
    options.objective,
    steps=options.steps,
    algorithm=algorithm,
    critic_inputs="state-next",
    critic_steps=4,
)

plot_learning_curve(run, options.picture)
returns = run.returns(episodes=10)
print(f"actions in the demonstrations: {demos.actions}")
print(f"return {returns.mean():.1f}, expert {demos.expert_return:.1f}, {len(demos)} transitions")
print(f"picture: {options.picture}")
if options.video:
    record_video(run, options.video, env=demos.env_id)
