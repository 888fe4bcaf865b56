"""From a policy to demonstrations to a policy: record, save, check, load, thin out, clone, then imitate.

Any object with `predict`, as the models of stable-baselines3 have it, can be recorded; here it is a
rule on CartPole. Behaviour cloning comes first: as the baseline to beat, and as the start of the
adversary's policy.

python examples/your_own_demos.py [--steps 200000] [--objective "gail + r1(weight=1)"] [--demos
    my_demos.npz] [--picture curve.png] [--video balance.gif]
"""

import argparse

import numpy as np
from advlearn_envs import make
from advlearn_envs.sb3 import StableBaselinesVecEnv
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecMonitor

from advlearn.imitation import (
    clone_behaviour,
    imitate,
    load_demonstrations,
    plot_learning_curve,
    record,
    record_video,
    save_demonstrations,
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=200_000)
parser.add_argument("--objective", default="gail + r1(weight=1)")
parser.add_argument("--demos", default="my_demos.npz", help="where the recording goes")
parser.add_argument("--picture", default="your_own_demos.png")
parser.add_argument("--video", default="", help="film one episode as a GIF; needs pygame")
options = parser.parse_args()


class Rule:
    """A controller that pushes to the side to which the pole falls; put PPO.load("expert.zip") in its place."""

    def predict(
        self, observations: np.ndarray, deterministic: bool = True
    ) -> tuple[np.ndarray, None]:
        return (observations @ [0.05, 0.2, 2.0, 0.6] > 0).astype(int), None


save_demonstrations(record(Rule(), "CartPole-v1", episodes=4, seed=0), options.demos)

# The file is an npz of plain arrays, so one from elsewhere is quickly made, and quickly wrong. It
# is checked as it is read, and again against the environment before anything trains; each complaint
# is one line.
with np.load(options.demos) as file:
    arrays = dict(file)
np.savez("wrong.npz", **arrays | {"observations": arrays["observations"][:-4]})
try:
    load_demonstrations("wrong.npz")
except ValueError as error:
    print(f"a wrong file: {error}")

# One episode, every 10th step of it: few enough that cloning does not see all there is.
demos, every = load_demonstrations(options.demos).first(1), 10
pairs = demos.transitions(every)
print(f"{options.demos}: {pairs.size} of {len(demos)} pairs kept")

venv = VecMonitor(StableBaselinesVecEnv(make(demos.env_id, 64)))
rollout = {"n_steps": 32, "batch_size": 256, "n_epochs": 4, "gamma": 0.98, "gae_lambda": 0.8}
player = PPO(
    "MlpPolicy", venv, learning_rate=lambda left: 1e-3 * left, seed=0, device="cpu", **rollout
)

clone_behaviour(player, pairs, steps=min(options.steps, 500))
cloned, _ = evaluate_policy(player, make_vec_env(demos.env_id, seed=0), 10)
print(f"behaviour cloning: return {cloned:.1f}")

# The same player goes on, from the cloned policy; the environment's reward is hidden from it.
run = imitate(
    demos,
    options.objective,
    steps=options.steps,
    algorithm=player,
    expert_subsample=every,
    critic_steps=4,
)
plot_learning_curve(run, options.picture)
print(
    f"then the adversary: {run.returns(episodes=10).mean():.1f} of {demos.expert_return:.1f}; {options.picture}"
)
if options.video:
    record_video(run, options.video, env=demos.env_id)
