"""Measure what a reward of one sign teaches without any expert, if episodes can end.

The critic scores every transition 0, so each form of the reward is a constant. PPO trains on it in
64 batched environments for 100,000 steps; the return is the mean of 50 episodes of the sampled
policy. `random` is the policy before training. A form that is never negative rewards every step,
which solves CartPole. A form that is never positive rewards ending the episode, which solves
Acrobot. `logit` is zero here. With the absorbing state, an ended episode gets the reward of
continuing for ever.

The bars are our own: with the absorbing state CartPole stays within 20 points of the random policy
for either sign, in the mean of the seeds. Nothing was tuned.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from advlearn_envs import make
from advlearn_envs.sb3 import StableBaselinesVecEnv
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize

from advlearn import Adversary
from advlearn.imitation import Encoder, LearnedReward, LearnedRewardVecEnv, record
from advlearn.imitation.rewards.shapes import RewardShape

SEEDS = (0, 1, 2)
GAMES = ("CartPole-v1", "Acrobot-v1")
REWARD_SHAPES: tuple[RewardShape, ...] = ("positive", "log", "logit")
STEPS, GAMMA = 100_000, 0.99
COLUMNS = ["game", "reward_shape", "absorbing", "seed", "return", "random", "length"]


class AtRandom:
    """Choose actions at random."""

    def __init__(self, env: VecEnv, seed: int) -> None:
        self.space = env.action_space
        self.space.seed(seed)

    def predict(self, observations: Any, **_: Any) -> Any:
        """Return an action for each observation."""
        return np.array([self.space.sample() for _ in observations]), None


def batched(game: str) -> VecEnv:
    """Return 64 environments in one batch."""
    return VecMonitor(StableBaselinesVecEnv(make(game, 64)))


def knows_nothing(
    env: VecEnv, reward_shape: RewardShape, absorbing: bool, seed: int
) -> LearnedReward:
    """Return a reward whose critic scores everything 0."""
    space: Any = env.action_space
    transitions = record(AtRandom(env, seed), env, 64).transitions()
    encoder = Encoder(transitions, choices=int(space.n))
    critic = torch.nn.Linear(encoder.width, 1)
    torch.nn.init.zeros_(critic.weight)
    torch.nn.init.zeros_(critic.bias)
    return LearnedReward(
        Adversary(critic, "gan"),
        encoder,
        transitions,
        reward_shape=reward_shape,
        gamma=GAMMA,
        absorbing=absorbing,
    )


def train(game: str, reward_shape: RewardShape, absorbing: bool, seed: int, quick: bool) -> Row:
    """Return the row of one run."""
    env = LearnedRewardVecEnv(
        batched(game), knows_nothing(batched(game), reward_shape, absorbing, seed)
    )
    # Scale the rewards only, and do not clip them, as `imitate` does.
    scaled = VecNormalize(env, norm_obs=False, clip_reward=np.inf, gamma=GAMMA)
    settings: dict[str, Any] = {
        "n_steps": 32,
        "batch_size": 256,
        "n_epochs": 4,
        "learning_rate": 1e-3,
        "gamma": GAMMA,
    }
    policy = PPO("MlpPolicy", scaled, seed=seed, device="cpu", **settings)
    fresh, _ = returns(policy, game, 2 if quick else 50)
    policy.learn(1024 if quick else STEPS)
    found, lengths = returns(policy, game, 2 if quick else 50)
    key: Row = {
        "game": game,
        "reward_shape": reward_shape,
        "absorbing": absorbing,
        "seed": seed,
        "steps": policy.num_timesteps,
    }
    return {**key, "return": found, "random": fresh, "length": lengths}


def returns(policy: PPO, game: str, episodes: int) -> tuple[float, float]:
    """Return the mean true return and the mean length of episodes of the sampled policy."""
    found: Any = evaluate_policy(
        policy, batched(game), episodes, deterministic=False, return_episode_rewards=True
    )
    return float(np.mean(found[0])), float(np.mean(found[1]))


def bars(result: Result) -> None:
    """Add the bars: the bias exists, and the absorbing state removes it."""

    def mean(name: str, game: str, reward_shape: str, absorbing: bool) -> float:
        rows = [
            r
            for r in result.rows
            if (r["game"], r["reward_shape"], r["absorbing"]) == (game, reward_shape, absorbing)
        ]
        return float(np.mean([r[name] for r in rows])) if rows else float("nan")

    for reward_shape in ("positive", "log"):
        off = mean("return", "CartPole-v1", reward_shape, True) - mean(
            "random", "CartPole-v1", reward_shape, True
        )
        result.bar(
            f"CartPole, {reward_shape}, absorbing: distance from the random policy",
            abs(off),
            "<=",
            20.0,
        )


def picture(result: Result) -> None:
    """Plot the returns, with a panel for each environment."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for place, game in enumerate(GAMES):
        axes = figure.add_subplot(1, len(GAMES), place + 1)
        rows = [r for r in result.rows if r["game"] == game]
        for shift, absorbing, mark in ((-0.1, False, "o"), (0.1, True, "s")):
            some = [r for r in rows if r["absorbing"] == absorbing]
            places = [REWARD_SHAPES.index(r["reward_shape"]) + shift for r in some]
            label = "absorbing state" if absorbing else "episodes end"
            axes.plot(places, [r["return"] for r in some], mark, alpha=0.7, label=label)
        axes.axhline(
            float(np.mean([r["random"] for r in rows])),
            color="k",
            linestyle="--",
            label="before training",
        )
        axes.set_xticks(range(len(REWARD_SHAPES)), REWARD_SHAPES)
        axes.set(title=f"{game}, no expert data", ylabel="true return")
        axes.legend(fontsize="small")
    figure.savefig(RESULTS / "imitation_horizon.png", dpi=90)


def main() -> None:
    """Compute the missing rows."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("imitation_horizon", quick=options.quick)
    games, seeds = (GAMES[:1], SEEDS[:1]) if options.quick else (GAMES, SEEDS)
    todo: list[dict[str, Any]] = [
        {"game": game, "reward_shape": reward_shape, "absorbing": absorbing, "seed": seed}
        for game in games for reward_shape in REWARD_SHAPES
        for absorbing in (False, True) for seed in seeds
    ]  # fmt: skip
    if not options.report:
        compute(result, partial(train, quick=options.quick), todo, options.jobs)
    bars(result)
    result.save()
    if not options.quick:
        picture(result)
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
