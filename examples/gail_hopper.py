"""Learn to hop from about 200 expert steps: GAIL on Hopper, four episodes, every 20th step.

This is the setting with the fewest pairs in the paper (Ho and Ermon 2016, table 3). The
demonstrations come with advlearn; `--demos` reads your file. Ctrl-C stops at the next checkpoint,
and the same command continues from there.

python examples/gail_hopper.py [--steps 2000000] [--objective "gail + r1(weight=1)"]
    [--demos hopper] [--out gail_hopper] [--picture curve.png] [--video hops.gif]
"""

import argparse
from importlib.util import find_spec

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from advlearn.imitation import imitate, load_demonstrations, plot_learning_curve, record_video

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=2_000_000)
parser.add_argument("--objective", default="gail + r1(weight=1)")
parser.add_argument("--demos", default="hopper")
parser.add_argument("--out", default="gail_hopper")
parser.add_argument("--picture", default="gail_hopper.png")
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
venv = VecNormalize(make_vec_env("Hopper-v5", n_envs=16, seed=0), norm_reward=False)
rollout = {"n_steps": 256, "batch_size": 256, "n_epochs": 5, "gamma": 0.995, "gae_lambda": 0.97}
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
# advlearn: PPO.load("gail_hopper/policy.zip") and VecNormalize.load("gail_hopper/vecnormalize.pkl",
# venv).
run.save(options.out)
plot_learning_curve(run, options.picture)
returns = run.returns(episodes=16)
print(f"return {returns.mean():.1f}, expert {demos.expert_return:.1f}")
print(f"policy: {options.out}; picture: {options.picture}")
if options.video:
    record_video(run, options.video)
