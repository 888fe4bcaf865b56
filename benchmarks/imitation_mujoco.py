"""Imitate on MuJoCo by the protocol of the GAIL paper, every 20th pair of the trajectories.

There are four trajectories, and eleven for Walker2d. The parts are:

- `on-policy`: GAIL with PPO in 16 environments, 2M steps on HalfCheetah and 4M on Hopper and
  Walker2d. The bar allows 5M; the paper used 25M, with TRPO.
- `off-policy`: least squares with a reward between 0 and 1 (AMP's), SAC and absorbing states,
  300,000 steps.
- `cloning`: behaviour cloning on the same pairs with the policy of PPO, 10,000 steps of Adam.

`ratio` is the mean return of 50 episodes in gymnasium's own environment over the expert's. Actions
are sampled if the expert's were (Hopper, HalfCheetah), and modes if the expert's were (Walker2d);
`mode` is the return with modes in any case. The measured policy is the one at the end of a run. A
run keeps checkpoints in the folder of `--runs` and continues from them. Observations are scaled by
the demonstrations, all kept pairs. PPO's actions begin with a standard deviation of 0.37, chosen by
the ratio of seed 0 on HalfCheetah and Walker2d, and of three seeds on Hopper. Earlier attempts are
in `results/imitation_mujoco_tried.json`: 1 and 2M steps, and off-policy with GAIL's logit as the
reward (that of the absorbing state, far below zero, counts a hundredfold).
"""

import time
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from advlearn.imitation import Demonstrations, clone_behaviour, imitate, load_demonstrations
from advlearn.imitation.sb3.algorithms import environments

SEEDS = (0, 1, 2)
EVERY = 20
# Name of the demonstrations to id, trajectories, and whether actions are sampled.
GAMES = {
    "hopper": ("Hopper-v5", 4, True),
    "halfcheetah": ("HalfCheetah-v5", 4, True),
    "walker2d": ("Walker2d-v4", 11, False),
}
# Logarithm of the standard deviation that PPO's actions begin with.
LOG_STD = -1.0
ON_POLICY = {"hopper": 4_000_000, "halfcheetah": 2_000_000, "walker2d": 4_000_000}
OFF_POLICY = 300_000
OBJECTIVES = {"cloning": "", "on-policy": "gail + r1(weight=1)", "off-policy": "amp"}
ROLLOUT: dict[str, Any] = {
    "n_steps": 256,
    "batch_size": 256,
    "n_epochs": 5,
    "gamma": 0.995,
    "gae_lambda": 0.97,
}
COLUMNS = ["game", "method", "seed", "ratio", "return", "mode", "expert", "steps", "cpu_seconds"]


class Standardised(BaseFeaturesExtractor):
    """Scale observations by constants.

    A policy with it is one file, where running moments would need a second file.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, observation_space: gym.spaces.Box, mean: Any, scale: Any) -> None:
        super().__init__(observation_space, int(observation_space.shape[0]))
        self.register_buffer("mean", torch.as_tensor(mean))
        self.register_buffer("scale", torch.as_tensor(scale))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Scale observations (N, d)."""
        return ((observations - self.mean) / self.scale).clamp(-10, 10)


def standardised(demos: Demonstrations, every: int, seed: int) -> dict[str, Any]:
    """Return the arguments of a policy whose observations are scaled by the kept pairs."""
    observations = demos.transitions(every, seed=seed).observations
    kept = {
        "mean": observations.mean(0).numpy(),
        "scale": observations.std(0).clamp(min=1e-3).numpy(),
    }
    return {"features_extractor_class": Standardised, "features_extractor_kwargs": kept}


def ppo(demos: Demonstrations, env_id: str, seed: int, log_std: float = 0.0) -> PPO:
    """Return PPO with a rate that decays to zero."""
    return PPO(
        "MlpPolicy",
        environments(env_id, 16, seed),
        learning_rate=lambda left: 3e-4 * left,
        seed=seed,
        device="cpu",
        policy_kwargs=standardised(demos, EVERY, seed) | {"log_std_init": log_std},
        **ROLLOUT,
    )


def sac(demos: Demonstrations, env_id: str, seed: int) -> SAC:
    """Return SAC with a rate that decays to zero."""
    return SAC(
        "MlpPolicy",
        environments(env_id, 1, seed),
        learning_rate=lambda left: 1e-3 * left,
        learning_starts=1000,
        batch_size=128,
        seed=seed,
        device="cpu",
        policy_kwargs=standardised(demos, EVERY, seed),
    )


def train(game: str, method: str, seed: int, runs: str, quick: bool) -> Row:
    """Return the row of one run."""
    (env_id, trajectories, drawn), objective = GAMES[game], OBJECTIVES[method]
    demos = load_demonstrations(game).first(trajectories)
    began = time.process_time()
    # More than one rollout of PPO, and more than the steps after which SAC begins to learn.
    few, full = (
        {"on-policy": 4096, "off-policy": 1050},
        {"on-policy": ON_POLICY[game], "off-policy": OFF_POLICY},
    )
    steps = (few if quick else full).get(method, 0)
    out = None if quick else str(Path(runs) / f"{game}-{method}-{seed}")
    if method == "cloning":
        policy: BaseAlgorithm = ppo(demos, env_id, seed)
        torch.manual_seed(seed)
        clone_behaviour(policy, demos.transitions(EVERY, seed=seed), steps=10 if quick else 10_000)
    else:
        on, shared = (
            method == "on-policy",
            {"expert_subsample": EVERY, "seed": seed, "out": out, "quiet": True},
        )
        policy = ppo(demos, env_id, seed, LOG_STD) if on else sac(demos, env_id, seed)
        settings: dict[str, Any] = shared if on else shared | {"absorbing": True, "critic_every": 4}
        imitate(demos, objective, algorithm=policy, steps=steps, **settings)
    seconds = time.process_time() - began
    found = {
        mode: mean_return(policy, env_id, mode, 2 if quick else 50, seed) for mode in (True, False)
    }
    key: Row = {
        "game": game,
        "method": method,
        "seed": seed,
        "objective": objective,
        "steps": policy.num_timesteps,
    }
    returned = found[not drawn]
    scores = {"ratio": returned / demos.expert_return, "return": returned, "mode": found[True]}
    return {
        **key,
        **scores,
        "expert": demos.expert_return,
        "trajectories": trajectories,
        "cpu_seconds": round(seconds, 1),
    }


def mean_return(policy: BaseAlgorithm, env_id: str, mode: bool, episodes: int, seed: int) -> float:
    """Return the mean return of whole episodes in gymnasium's environment."""
    venv = make_vec_env(env_id, n_envs=1, seed=1000 + seed)
    found = evaluate_policy(policy, venv, episodes, deterministic=mode, warn=False)[0]
    return float(np.mean(found))  # type: ignore[arg-type]


def bars(result: Result) -> None:
    """Add the required bars, for the better way of training in the mean of the seeds."""

    def means(game: str, *methods: str) -> dict[str, float]:
        rows = [r for r in result.rows if r["game"] == game and r["method"] in methods]
        return {
            m: float(np.mean([r["ratio"] for r in rows if r["method"] == m]))
            for m in {r["method"] for r in rows}
        }

    for game, bar in (("hopper", 0.95), ("halfcheetah", 0.9), ("walker2d", 0.9)):
        found = means(game, "on-policy", "off-policy")
        if found:
            best = max(found, key=lambda m: found[m])
            result.bar(f"{game}: mean ratio to the expert, {best}", found[best], ">=", bar)
    off = means("hopper", "off-policy")
    if off:
        result.bar(
            "hopper: mean ratio to the expert, off-policy, 300k steps", off["off-policy"], ">=", 0.9
        )


def picture(result: Result) -> None:
    """Plot every seed's ratio by method, with a panel for each environment."""
    from matplotlib.figure import Figure

    games = [game for game in GAMES if any(r["game"] == game for r in result.rows)]
    methods = ["cloning", "on-policy", "off-policy"]
    figure = Figure(figsize=(3.4 * len(games) + 1, 2.6), layout="constrained")
    for place, game in enumerate(games):
        axes = figure.add_subplot(1, len(games), place + 1)
        rows = [r for r in result.rows if r["game"] == game]
        axes.plot(
            [r["ratio"] for r in rows], [methods.index(r["method"]) for r in rows], "o", alpha=0.7
        )
        axes.axvline(1, color="k", linestyle="--")
        axes.set_yticks(range(len(methods)), methods)
        axes.set(
            title=GAMES[game][0],
            xlabel="return over the expert's",
            ylim=(-0.5, 2.5),
            xlim=(-0.1, 1.1),
        )
    figure.savefig(RESULTS / "imitation_mujoco.png", dpi=90)


def main() -> None:
    """Compute the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--games", nargs="*", default=list(GAMES), help="hopper, halfcheetah, walker2d"
    )
    parser.add_argument("--methods", nargs="*", default=["cloning", "on-policy", "off-policy"])
    parser.add_argument("--runs", default="runs/imitation_mujoco", help="folder of the checkpoints")
    options = parser.parse_args()
    one_thread()
    result = Result("imitation_mujoco", quick=options.quick)
    games, seeds = (["hopper"], SEEDS[:1]) if options.quick else (options.games, SEEDS)
    todo: list[dict[str, Any]] = [
        {"game": game, "method": method, "seed": seed}
        for game in games for method in options.methods for seed in seeds
    ]  # fmt: skip
    if not options.report:
        compute(result, partial(train, runs=options.runs, quick=options.quick), todo, options.jobs)
    bars(result)
    result.save()
    if not options.quick:
        picture(result)
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
