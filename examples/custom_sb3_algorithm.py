"""Imitate with your own stable-baselines3 algorithm, environment, network and callbacks.

`imitate` uses the algorithm unchanged and hides the true reward from it. The algorithm here is PPO
with a wider network on a vectorised environment, with SB3's EvalCallback, which saves the best
policy. TRPO of sb3-contrib, SAC, TD3 and DQN are used in the same way.

python examples/custom_sb3_algorithm.py [--steps 150000] [--objective "gail + r1(weight=1)"]
    [--demos file.npz] [--picture curve.png] [--best best_policy] [--video balance.gif]
"""

import argparse
import warnings

import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from torch import nn

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
parser.add_argument("--picture", default="custom_sb3_algorithm.png")
parser.add_argument(
    "--video", default="", help="record a video of one episode as a GIF; needs pygame"
)
parser.add_argument("--best", default="best_policy")
options = parser.parse_args()


class Rule:
    """Push the cart to the side to which the pole falls; `record` needs only `predict`."""

    def predict(self, observations, deterministic=True):
        return (observations @ [0.05, 0.2, 2.0, 0.6] > 0).astype(int), None


demos = (
    load_demonstrations(options.demos)
    if options.demos
    else record(Rule(), "CartPole-v1", episodes=1)
)

# Your environment: 32 copies, each with the wrappers that you need.
venv = make_vec_env(
    lambda: gymnasium.wrappers.ClipReward(gymnasium.make("CartPole-v1"), 0, 1), n_envs=32, seed=0
)
network = {"net_arch": {"pi": [128, 128], "vf": [128, 128]}, "activation_fn": nn.ReLU}
algorithm = PPO(
    "MlpPolicy",
    venv,
    n_steps=64,
    batch_size=256,
    n_epochs=4,
    gamma=0.98,
    gae_lambda=0.8,
    learning_rate=lambda left: 1e-3 * left,
    policy_kwargs=network,
    seed=0,
    device="cpu",
)

# Measure the true return on a separate environment, and save the best policy. Leave this out if the
# true reward is not available: it chooses the policy by a reward that imitation does not use.
warnings.filterwarnings(
    "ignore", "Training and eval env are not of the same type"
)  # the reward is hidden in one
evaluation = EvalCallback(
    Monitor(gymnasium.make("CartPole-v1")),
    eval_freq=500,
    best_model_save_path=options.best,
    verbose=0,
    warn=False,
)
run = imitate(
    demos,
    options.objective,
    steps=options.steps,
    algorithm=algorithm,
    critic_steps=4,
    callbacks=[evaluation],
)

plot_learning_curve(run, options.picture)
returns = run.returns("CartPole-v1", episodes=10)
print(f"return {returns.mean():.1f}, expert {demos.expert_return:.1f}")
print(f"run.policy is your {type(run.policy).__name__}")
if evaluation.best_mean_reward > -float("inf"):
    best, _ = evaluate_policy(
        PPO.load(f"{options.best}/best_model.zip"), make_vec_env("CartPole-v1"), 10
    )
    print(f"best policy during training: {best:.1f}, saved in {options.best}")
if options.video:
    record_video(run, options.video, env="CartPole-v1")
