"""Learn to balance a pole with GAIL from one expert episode, and plot the learning curve.

The expert is a linear rule, so that the example needs no file; `--demos` reads your demonstrations.

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
parser.add_argument(
    "--video", default="", help="record a video of one episode as a GIF; needs pygame"
)
options = parser.parse_args()


def record_rule(seed: int = 0) -> Demonstrations:
    """Record one episode of a rule that pushes the cart to the side to which the pole falls."""
    env = gymnasium.make("CartPole-v1")
    observations, actions = [env.reset(seed=seed)[0]], []
    terminated = truncated = False
    while not (terminated or truncated):
        x, speed, angle, rotation = observations[-1]
        actions.append(int(0.05 * x + 0.2 * speed + 2.0 * angle + 0.6 * rotation > 0))
        observation, _, terminated, truncated, _ = env.step(actions[-1])
        observations.append(observation)
    episode = (
        np.array(observations),
        np.array(actions),
        np.array([len(actions)]),
        np.array([terminated]),
    )
    return Demonstrations(*episode, "CartPole-v1", float(len(actions)))


demos = load_demonstrations(options.demos) if options.demos else record_rule()
run = imitate(demos, options.objective, steps=options.steps, env="CartPole-v1")

plot_learning_curve(run, options.picture)
returns = run.returns(episodes=10)
print(f"return {returns.mean():.1f}, expert {demos.expert_return:.1f}, {len(demos)} transitions")
print(f"picture: {options.picture}")
if options.video:
    record_video(run, options.video)
