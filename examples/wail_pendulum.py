"""Swing up a pendulum with WAIL (Wasserstein distance to an expert) and PPO on 64 environments.

No episode of Pendulum ends early, so a reward of either sign is safe. Where episodes may end early,
WAIL's reward may favour an early end. The demonstrations come with advlearn; `--demos` reads your
file.

python examples/wail_pendulum.py [--steps 400000] [--objective wail] [--demos pendulum]
    [--picture curve.png] [--video swing.gif]
"""

import argparse

from advlearn_envs import make
from advlearn_envs.sb3 import StableBaselinesVecEnv
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from advlearn.imitation import imitate, load_demonstrations, plot_learning_curve, record_video

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=400_000)
parser.add_argument("--objective", default="wail")
parser.add_argument("--demos", default="pendulum")
parser.add_argument("--picture", default="wail_pendulum.png")
parser.add_argument(
    "--video", default="", help="record a video of one episode as a GIF; needs pygame"
)
options = parser.parse_args()

try:
    demos = load_demonstrations(options.demos)
except (FileNotFoundError, ValueError) as error:
    raise SystemExit(str(error)) from None

# VecMonitor is outermost and records the episodes for the learning curve. The policy does not get
# their reward.
venv = VecMonitor(StableBaselinesVecEnv(make("Pendulum-v1", 64)))
# Short rollouts of many environments: the critic is trained every 2,048 steps.
rollout = {"n_steps": 32, "batch_size": 256, "n_epochs": 4, "gamma": 0.95, "gae_lambda": 0.9}
# The learning rate decays to zero, so that policy and critic converge.
algorithm = PPO(
    "MlpPolicy", venv, learning_rate=lambda left: 1e-3 * left, seed=0, device="cpu", **rollout
)
run = imitate(demos, options.objective, steps=options.steps, algorithm=algorithm)

plot_learning_curve(run, options.picture)
# Measure on gymnasium's own environment, which has the same dynamics as the batched one.
returns = run.returns("Pendulum-v1", episodes=20)
print(f"return {returns.mean():.1f}, expert {demos.expert_return:.1f}, {len(demos)} transitions")
print(f"picture: {options.picture}")
if options.video:
    record_video(run, options.video, env="Pendulum-v1")
