"""Record, save, check and load demonstrations, then clone them and imitate.

Any object with a `predict` method can be recorded, such as a model of stable-baselines3; here it is
a rule on CartPole. Behaviour cloning is both a baseline and the start of the adversarial training.

python examples/your_own_demos.py [--steps 200000] [--objective "gail + r1(weight=1)"]
    [--demos my_demos.npz] [--picture curve.png] [--video balance.gif]
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
parser.add_argument("--demos", default="my_demos.npz", help="file of the recording")
parser.add_argument("--picture", default="your_own_demos.png")
parser.add_argument(
    "--video", default="", help="record a video of one episode as a GIF; needs pygame"
)
options = parser.parse_args()


class Rule:
    """Push the cart to the side to which the pole falls.

    Replace it with `PPO.load("expert.zip")` to record a trained model.
    """

    def predict(
        self, observations: np.ndarray, deterministic: bool = True
    ) -> tuple[np.ndarray, None]:
        return (observations @ [0.05, 0.2, 2.0, 0.6] > 0).astype(int), None


save_demonstrations(record(Rule(), "CartPole-v1", episodes=4, seed=0), options.demos)

# The file is an npz of plain arrays, which other programs can write. It is checked when it is read,
# and against the environment before training. Each error is one line.
with np.load(options.demos) as file:
    arrays = dict(file)
np.savez("wrong.npz", **arrays | {"observations": arrays["observations"][:-4]})
try:
    load_demonstrations("wrong.npz")
except ValueError as error:
    print(f"a wrong file: {error}")

# One episode and every 10th step, too few for cloning to cover all states.
demos, every = load_demonstrations(options.demos).first(1), 10
pairs = demos.transitions(every)
print(f"{options.demos}: {pairs.size} of {len(demos)} pairs kept")

venv = VecMonitor(StableBaselinesVecEnv(make(demos.env_id, 64)))
rollout = {"n_steps": 32, "batch_size": 256, "n_epochs": 4, "gamma": 0.98, "gae_lambda": 0.8}
algorithm = PPO(
    "MlpPolicy", venv, learning_rate=lambda left: 1e-3 * left, seed=0, device="cpu", **rollout
)

clone_behaviour(algorithm, pairs, steps=min(options.steps, 500))
cloned, _ = evaluate_policy(algorithm, make_vec_env(demos.env_id, seed=0), 10)
print(f"behaviour cloning: return {cloned:.1f}")

# Continue from the cloned policy; the environment's reward is hidden from it.
run = imitate(
    demos,
    options.objective,
    steps=options.steps,
    algorithm=algorithm,
    expert_subsample=every,
    critic_steps=4,
)
plot_learning_curve(run, options.picture)
returns = run.returns(episodes=10)
print(f"after imitation: return {returns.mean():.1f}, expert {demos.expert_return:.1f}")
print(f"picture: {options.picture}")
if options.video:
    record_video(run, options.video, env=demos.env_id)
