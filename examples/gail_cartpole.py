"""Learn to balance a pole from one episode of an expert, without ever seeing a reward; draw the learning curve.

The expert is a rule of three numbers here, so that nothing has to be at hand; `--demos` takes a
file of your own.

python examples/gail_cartpole.py [--steps 150000] [--objective gail] [--demos episodes.npz]
    [--picture curve.png] [--video balance.gif]
"""

import argparse

import gymnasium
import numpy as np

from advlearn.imitation import (
    Demonstrations,
    imitate,
    load_demonstrations,
    plot_learning_curve,
    record_video,
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=150_000)
parser.add_argument("--objective", default="gail")
parser.add_argument("--demos", default="")
parser.add_argument("--picture", default="gail_cartpole.png")
parser.add_argument("--video", default="", help="film one episode as a GIF; needs pygame")
options = parser.parse_args()


def rule(seed: int = 0) -> Demonstrations:
    """One episode of a controller that pushes to the side to which the pole falls."""
    env = gymnasium.make("CartPole-v1")
    seen, done = [env.reset(seed=seed)[0]], []
    terminated = truncated = False
    while not (terminated or truncated):
        x, speed, angle, turning = seen[-1]
        done.append(int(0.05 * x + 0.2 * speed + 2.0 * angle + 0.6 * turning > 0))
        after, _, terminated, truncated, _ = env.step(done[-1])
        seen.append(after)
    episode = np.array(seen), np.array(done), np.array([len(done)]), np.array([terminated])
    return Demonstrations(*episode, "CartPole-v1", float(len(done)))


demos = load_demonstrations(options.demos) if options.demos else rule()
run = imitate(demos, options.objective, steps=options.steps, env="CartPole-v1")

plot_learning_curve(run, options.picture)
returns = run.returns(episodes=10)
print(
    f"return {returns.mean():.1f} of {demos.expert_return:.1f}, from {len(demos)} pairs; picture: {options.picture}"
)
if options.video:
    record_video(run, options.video)
