"""Learn to run from about 200 expert steps: VAIL on HalfCheetah, four episodes, every 20th step.

The critic's input passes through a variational bottleneck with bounded information, so that the
critic does not separate the policy from the expert too early (Peng et al. 2019). The demonstrations
come with advlearn; `--demos` reads your file. Ctrl-C stops at the next checkpoint, and the same
command continues from there.

python examples/vail_halfcheetah.py [--steps 2000000] [--objective "vail + r1(weight=1)"]
    [--demos halfcheetah] [--out vail_halfcheetah] [--picture curve.png] [--video run.gif]
"""

import argparse
from importlib.util import find_spec

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from advlearn.imitation import imitate, load_demonstrations, plot_learning_curve, record_video

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=2_000_000)
parser.add_argument("--objective", default="vail + r1(weight=1)")
parser.add_argument("--demos", default="halfcheetah")
parser.add_argument("--out", default="vail_halfcheetah")
parser.add_argument("--picture", default="vail_halfcheetah.png")
parser.add_argument(
    "--video", default="", help="record a video of one episode; without a screen set MUJOCO_GL=egl"
)
options = parser.parse_args()

if find_spec("mujoco") is None:
    raise SystemExit('this example needs MuJoCo: pip install "gymnasium[mujoco]"')
try:
    demos = load_demonstrations(options.demos).first(4)
except (FileNotFoundError, ValueError) as error:
    raise SystemExit(str(error)) from None

# The policy's observations have unit variance. The critic gets those of the environment and
# normalises them itself.
venv = VecNormalize(make_vec_env("HalfCheetah-v5", n_envs=16, seed=0), norm_reward=False)
rollout = {"n_steps": 256, "batch_size": 256, "n_epochs": 5, "gamma": 0.99, "gae_lambda": 0.95}
# The learning rate decays to zero, because the reward changes as long as the policy changes.
algorithm = PPO(
    "MlpPolicy", venv, learning_rate=lambda left: 3e-4 * left, seed=0, device="cpu", **rollout
)
try:
    run = imitate(
        demos,
        options.objective,
        steps=options.steps,
        algorithm=algorithm,
        expert_subsample=20,
        out=options.out,
    )
except KeyboardInterrupt:
    raise SystemExit(f"stopped; the same command continues from {options.out}") from None

# `policy.zip` and `vecnormalize.pkl` are files of stable-baselines3, which loads them without
# advlearn: PPO.load("vail_halfcheetah/policy.zip") and
# VecNormalize.load("vail_halfcheetah/vecnormalize.pkl", venv).
run.save(options.out)
plot_learning_curve(run, options.picture)
returns = run.returns(episodes=5)
print(f"return {returns.mean():.1f}, expert {demos.expert_return:.1f}")
print(f"policy: {options.out}; picture: {options.picture}")
if options.video:
    record_video(run, options.video)
