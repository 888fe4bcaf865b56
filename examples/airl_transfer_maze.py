"""Take a reward from one maze to another: AIRL and VAIRL learn it from an expert, a new policy is paid it elsewhere.

The wall of the C-maze leaves a gap on the right, that of its mirror on the left, so the imitating
policy is of no use there. A reward that knows states only may be: if it says where to be, and not
what the expert did to get there. Returns are minus the sum of distances to the goal, which nobody
who learns here ever sees. The picture shows the
mirror: the reward that each objective has learned, bright where it is high, and the way of the
    policy that is paid it.

python examples/airl_transfer_maze.py [--steps 200000] [--objective "airl + spectral_norm" ...]
[--picture mazes.png]
"""

import argparse

import numpy as np
import torch
from advlearn_envs import CMaze, CMazeMirrored
from advlearn_envs.experts import maze_expert
from advlearn_envs.maze import Maze
from advlearn_envs.sb3 import StableBaselinesVecEnv
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize

from advlearn.imitation import LearnedReward, LearnedRewardVecEnv, imitate, record

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=200_000, help="in each of the two mazes")
# Spectral norm: without it the reward falls off a cliff where the expert never was, and there the
# mirror's way leads.
parser.add_argument(
    "--objective", nargs="*", default=["airl + spectral_norm", "vairl + spectral_norm"]
)
parser.add_argument("--picture", default="airl_transfer_maze.png")
options = parser.parse_args()


class Expert:
    """The scripted expert of a maze, with less force and some noise: AIRL needs one whose actions have a density."""

    def __init__(self, maze: type[Maze], noise: float = 0.3) -> None:
        self.rule, self.noise, self.draw = maze_expert(maze(1)), noise, np.random.default_rng(0)

    def predict(
        self, observations: np.ndarray, deterministic: bool = True
    ) -> tuple[np.ndarray, None]:
        forces = (1 - self.noise) * self.rule(torch.as_tensor(observations)).numpy()
        return (forces + self.noise * self.draw.normal(size=forces.shape)).clip(-1, 1).astype(
            np.float32
        ), None


def batch(maze: type[Maze], environments: int = 64) -> StableBaselinesVecEnv:
    """Environments that step as one."""
    return StableBaselinesVecEnv(maze(environments))


def learner(venv: VecEnv, seed: int, ent_coef: float = 0.0) -> PPO:
    """PPO whose rollout is one episode of each environment; its rate falls to zero."""
    rollout = {"n_steps": 100, "batch_size": 800, "n_epochs": 8, "ent_coef": ent_coef}
    return PPO(
        "MlpPolicy",
        venv,
        learning_rate=lambda left: 1e-3 * left,
        seed=seed,
        device="cpu",
        **rollout,
    )


def show(axes: Axes, title: str, reward: LearnedReward, way: np.ndarray) -> None:
    """The mirror with its wall and goal: the reward of each place, and a way (T, 2) through it."""
    low, high = CMazeMirrored.LOW[0], CMazeMirrored.HIGH[0]
    x, y = np.meshgrid(*[np.linspace(low, high, 71, dtype=np.float32)] * 2)
    places = np.stack([x.ravel(), y.ravel()], 1)
    paid = reward(places, np.zeros_like(places), places, np.zeros(len(places), bool))
    axes.imshow(paid.reshape(x.shape), origin="lower", extent=(low, high, low, high))
    for wall in CMazeMirrored.BARRIERS:
        axes.plot([wall.left, wall.right], [wall.y, wall.y], "k", linewidth=5)
    axes.plot(*way.T, "w")
    axes.plot(*CMazeMirrored.GOAL, "r*", markersize=12)
    axes.set_title(title, fontsize="medium")


demos = record(Expert(CMaze), batch(CMaze, 20), episodes=20)
figure = Figure(figsize=(4 * len(options.objective), 4), layout="constrained")
panels = figure.subplots(1, len(options.objective), squeeze=False)[0]
for axes, objective in zip(panels, options.objective, strict=True):
    player = learner(VecMonitor(batch(CMaze)), seed=0)
    run = imitate(demos, objective, steps=options.steps, algorithm=player, critic_inputs="state")
    print(
        f"{objective}: the imitating policy in the maze {run.returns(batch(CMaze, 10)).mean():.1f}"
    )
    print(f"  in the mirrored maze {run.returns(batch(CMazeMirrored, 10)).mean():.1f}")

    # AIRL's critic is reward + shaping - log pi of the imitating policy; `LearnedRewardVecEnv` pays
    # the reward alone.
    paid = VecNormalize(
        VecMonitor(LearnedRewardVecEnv(batch(CMazeMirrored), run.reward)), norm_obs=False
    )
    fresh = learner(paid, seed=1, ent_coef=0.01).learn(options.steps)
    there = record(fresh, batch(CMazeMirrored, 10), episodes=10, deterministic=True)
    print(f"  a new policy on the learned reward there {there.expert_return:.1f}")
    show(axes, f"{objective}: {there.expert_return:.1f}", run.reward, there.first(1).observations)

there = record(
    Expert(CMazeMirrored, noise=0.0), batch(CMazeMirrored, 10), episodes=10
).expert_return
print(
    f"the scripted expert: in the maze, with noise, {demos.expert_return:.1f}; in its mirror, without, {there:.1f}"
)
figure.savefig(options.picture)
print(f"picture: {options.picture}")
