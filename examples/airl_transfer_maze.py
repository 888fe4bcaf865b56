"""Learn a reward in one maze with AIRL and VAIRL, and train a new policy on it in a mirrored maze.

The wall of the C-maze has a gap on the right, and that of its mirror a gap on the left, so the
policy that imitates the expert fails in the mirror. A reward that depends on states only can still
be useful there, if it describes which states are good and not which actions the expert took. The
true return is minus the sum of the distances to the goal; it is only measured, never trained on.
The picture shows the mirrored maze for each objective: the learned reward (bright is high) and the
path of the new policy.

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
parser.add_argument(
    "--steps", type=int, default=200_000, help="environment steps in each of the two mazes"
)
# Without spectral norm the reward drops sharply at states that the expert did not visit, and the
# path in the mirrored maze leads through these states.
parser.add_argument(
    "--objective", nargs="*", default=["airl + spectral_norm", "vairl + spectral_norm"]
)
parser.add_argument("--picture", default="airl_transfer_maze.png")
options = parser.parse_args()


class Expert:
    """Run the scripted expert of a maze with less force and some noise.

    AIRL needs an expert whose actions have a density.
    """

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
    """Return a batch of environments for stable-baselines3."""
    return StableBaselinesVecEnv(maze(environments))


def make_ppo(venv: VecEnv, seed: int, ent_coef: float = 0.0) -> PPO:
    """Return PPO with rollouts of one episode per environment and a rate that decays to zero."""
    rollout = {"n_steps": 100, "batch_size": 800, "n_epochs": 8, "ent_coef": ent_coef}
    return PPO(
        "MlpPolicy",
        venv,
        learning_rate=lambda left: 1e-3 * left,
        seed=seed,
        device="cpu",
        **rollout,
    )


def plot_maze(axes: Axes, title: str, reward: LearnedReward, path: np.ndarray) -> None:
    """Plot the mirrored maze: wall, goal, the reward of each position, and a path (T, 2)."""
    low, high = CMazeMirrored.LOW[0], CMazeMirrored.HIGH[0]
    x, y = np.meshgrid(*[np.linspace(low, high, 71, dtype=np.float32)] * 2)
    positions = np.stack([x.ravel(), y.ravel()], 1)
    rewards = reward(positions, np.zeros_like(positions), positions, np.zeros(len(positions), bool))
    axes.imshow(rewards.reshape(x.shape), origin="lower", extent=(low, high, low, high))
    for wall in CMazeMirrored.BARRIERS:
        axes.plot([wall.left, wall.right], [wall.y, wall.y], "k", linewidth=5)
    axes.plot(*path.T, "w")
    axes.plot(*CMazeMirrored.GOAL, "r*", markersize=12)
    axes.set_title(title, fontsize="medium")


demos = record(Expert(CMaze), batch(CMaze, 20), episodes=20)
figure = Figure(figsize=(4 * len(options.objective), 4), layout="constrained")
panels = figure.subplots(1, len(options.objective), squeeze=False)[0]
for axes, objective in zip(panels, options.objective, strict=True):
    policy = make_ppo(VecMonitor(batch(CMaze)), seed=0)
    run = imitate(demos, objective, steps=options.steps, algorithm=policy, critic_inputs="state")
    print(
        f"{objective}: the imitating policy in the maze {run.returns(batch(CMaze, 10)).mean():.1f}"
    )
    print(f"  in the mirrored maze {run.returns(batch(CMazeMirrored, 10)).mean():.1f}")

    # AIRL's critic is reward + shaping - log pi of the imitating policy; `LearnedRewardVecEnv` uses
    # only the reward.
    venv = VecNormalize(
        VecMonitor(LearnedRewardVecEnv(batch(CMazeMirrored), run.reward)), norm_obs=False
    )
    new_policy = make_ppo(venv, seed=1, ent_coef=0.01).learn(options.steps)
    episodes = record(new_policy, batch(CMazeMirrored, 10), episodes=10, deterministic=True)
    print(f"  a new policy trained on the learned reward there {episodes.expert_return:.1f}")
    plot_maze(
        axes,
        f"{objective}: {episodes.expert_return:.1f}",
        run.reward,
        episodes.first(1).observations,
    )

mirror_return = record(
    Expert(CMazeMirrored, noise=0.0), batch(CMazeMirrored, 10), episodes=10
).expert_return
print(
    f"the scripted expert: {demos.expert_return:.1f} in the maze, with noise; "
    f"{mirror_return:.1f} in the mirrored maze, without noise"
)
figure.savefig(options.picture)
print(f"picture: {options.picture}")
