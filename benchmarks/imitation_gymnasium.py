"""Imitate experts that are trained here, in environments that no default was tuned on.

InvertedPendulum-v5 and Reacher-v5 (MuJoCo), and LunarLander-v3, which needs box2d and pygame
(`pip install "gymnasium[box2d]"`); without them its rows are left out, and the output says so.

- The expert is PPO of stable-baselines3 with `VecNormalize`, trained here on the true reward and
  kept in the folder of `--runs` in the form of rl-baselines3-zoo, which `zoo_expert` reads. Its
  mode is recorded for ten episodes.
- `imitation` is `imitate` with its defaults (GAIL with R1, `"ppo"`, `absorbing="auto"`), from all
  pairs of the ten episodes, and nothing but the number of steps set. It is measured after each
  number of steps of `GAMES` (`budget`). A later row continues the run of the row before, and its
  CPU seconds are those since then. The bars are on the most steps.
- `true reward` is the same PPO with the same steps on the environment's own reward, one seed: what
  the algorithm reaches in these steps when the reward is known.

`share` is (return - random) / (expert - random), with the return of a random policy; the bar for
Reacher, whose returns are negative, is on it, and the other bars are on return over expert. Returns
are the mean of 50 episodes of the mode in gymnasium's own environment. The expert and the runs
continue from their last checkpoints when the benchmark is started again.
"""

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from harness import Result, Row, arguments, one_thread
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

from advlearn.imitation import (
    Demonstrations,
    imitate,
    load_demonstrations,
    record,
    save_demonstrations,
    zoo_expert,
)
from advlearn.imitation.sb3 import algorithms

SEEDS = (0, 1, 2)
EPISODES, MEASURED = 10, 50
SAVE_EVERY = 2_000  # steps of each environment between two checkpoints of a run
CHUNK = 20_000  # steps of an expert between two checkpoints
# Id to the expert's steps and settings of PPO.
EXPERTS: dict[str, tuple[int, dict[str, Any]]] = {
    "InvertedPendulum-v5": (100_000, {"n_steps": 64, "batch_size": 256, "gamma": 0.99}),
    "Reacher-v5": (400_000, {"n_steps": 64, "batch_size": 256, "gamma": 0.9}),
    "LunarLander-v3": (
        700_000,
        {
            "n_steps": 512,
            "batch_size": 128,
            "n_epochs": 4,
            "gamma": 0.999,
            "gae_lambda": 0.98,
            "ent_coef": 0.01,
        },
    ),
}
# Id to the numbers of steps after which a run is measured.
GAMES: dict[str, tuple[int, ...]] = {
    "InvertedPendulum-v5": (100_000,),
    "Reacher-v5": (200_000, 400_000),
    "LunarLander-v3": (400_000, 1_000_000),
}
COLUMNS = ["game", "method", "seed", "budget", "return", "expert", "random", "share", "cpu_seconds"]


def usable(env_id: str) -> bool:
    """Return whether the packages of an environment are installed."""
    wanted = ("Box2D", "pygame") if env_id.startswith("LunarLander") else ("mujoco",)
    return all(importlib.util.find_spec(name) for name in wanted)


def expert_folder(env_id: str, runs: str, steps: int) -> Path:
    """Train an expert, or continue to, and return its folder, in the form of the zoo."""
    folder = Path(runs) / "experts" / "ppo" / f"{env_id}_1"
    file, scale = folder / f"{env_id}.zip", folder / env_id / "vecnormalize.pkl"
    settings = EXPERTS[env_id][1]
    plain = make_vec_env(env_id, 16, seed=0)
    if file.exists():
        learner = PPO.load(file, VecNormalize.load(str(scale), plain), device="cpu")
    else:
        venv = VecNormalize(plain, gamma=settings["gamma"])
        learner = PPO("MlpPolicy", venv, seed=0, device="cpu", **settings)
    scale.parent.mkdir(parents=True, exist_ok=True)
    while learner.num_timesteps < steps:
        # A rate in steps, so that it decays over the whole training and not over a chunk.
        left = 1 - learner.num_timesteps / steps
        learner.learning_rate = 6e-4 * left + 1e-5
        learner._setup_lr_schedule()
        chunk = min(CHUNK, steps - learner.num_timesteps)
        learner.learn(chunk, reset_num_timesteps=False)
        learner.get_vec_normalize_env().save(str(scale))  # type: ignore[union-attr]
        learner.save(file)
    return folder


def demonstrations(env_id: str, runs: str, quick: bool) -> tuple[Demonstrations, Row]:
    """Return demonstrations, and the returns of the expert and of a random policy."""
    file = Path(runs) / "experts" / f"{env_id}.npz"
    steps = 2048 if quick else EXPERTS[env_id][0]
    expert = zoo_expert(expert_folder(env_id, runs, steps), trust=True)
    if not file.exists():
        recorded = record(expert, env_id, 2 if quick else EPISODES, deterministic=True)
        save_demonstrations(recorded, file)
    levels = file.with_suffix(".json")
    if not levels.exists():
        count = 2 if quick else MEASURED
        found = record(expert, env_id, count, deterministic=True, seed=1000)
        level = {"expert": found.expert_return, "random": random_return(env_id, count)}
        levels.write_text(json.dumps(level))
    return load_demonstrations(file), json.loads(levels.read_text())


def random_return(env_id: str, episodes: int) -> float:
    """Return the mean return of actions drawn from the space."""
    env = gym.make(env_id)
    env.action_space.seed(0)
    total = 0.0
    for episode in range(episodes):
        env.reset(seed=2000 + episode)
        ended = False
        while not ended:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, ended = total + float(reward), terminated or truncated
    return total / episodes


def imitation(env_id: str, seed: int, budget: int, runs: str, quick: bool) -> Row:
    """Return the row of one run of `imitate` with its defaults."""
    demos, level = demonstrations(env_id, runs, quick)
    out = Path(runs) / f"{env_id}-{seed}"
    began = time.process_time()
    run = imitate(
        demos,
        steps=2048 if quick else budget,
        env=env_id,
        seed=seed,
        out=None if quick else out,
        save_every=SAVE_EVERY,
        quiet=True,
    )
    seconds = time.process_time() - began
    returns = run.returns(env_id, 2 if quick else MEASURED, seed=1000 + seed)
    key = {"game": env_id, "method": "imitation", "seed": seed, "budget": budget}
    found = {"absorbing": run.reward.absorbing, "pairs": int(demos.lengths.sum())}
    return key | scores(returns, level) | found | cost(run.policy.num_timesteps, seconds)


def true_reward(env_id: str, seed: int, budget: int, runs: str, quick: bool) -> Row:
    """Return the row of the same PPO on the environment's own reward."""
    _, level = demonstrations(env_id, runs, quick)
    learner = algorithms.build("ppo", env_id, seed)
    began = time.process_time()
    learner.learn(2048 if quick else budget)
    seconds = time.process_time() - began
    venv = make_vec_env(env_id, 1, seed=1000 + seed)
    count = 2 if quick else MEASURED
    returns: Any = evaluate_policy(learner, venv, count, return_episode_rewards=True)[0]
    key = {"game": env_id, "method": "true reward", "seed": seed, "budget": budget}
    return key | scores(np.array(returns), level) | cost(learner.num_timesteps, seconds)


def scores(returns: Any, level: Row) -> Row:
    """Return the mean and the deviation of returns, and their share of the expert's."""
    mean = float(returns.mean())
    share = (mean - level["random"]) / (level["expert"] - level["random"])
    return {"return": mean, "deviation": float(returns.std()), **level, "share": share}


def cost(steps: int, seconds: float) -> Row:
    """Return the steps and the CPU seconds of a training."""
    return {"steps": steps, "cpu_seconds": round(seconds, 1)}


def bars(result: Result) -> None:
    """State the required bars: the worst of the seeds, after the most steps that were run."""
    for game, budgets in GAMES.items():
        every = [r for r in result.rows if (r["game"], r["method"]) == (game, "imitation")]
        reached = [b for b in budgets if any(r["budget"] == b for r in every)]
        if not reached:
            continue
        rows = [r for r in every if r["budget"] == reached[-1]]
        if game == "Reacher-v5":
            name, found = "share of the way from random to the expert", [r["share"] for r in rows]
        else:
            name, found = "return over the expert's", [r["return"] / r["expert"] for r in rows]
        result.bar(f"{game}: {name}, worst of {len(rows)} seeds", min(found), ">=", 0.9)


def main() -> None:
    """Compute the missing rows, the quickest environment first."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--runs", default="runs/imitation_gymnasium", help="folder of checkpoints")
    parser.add_argument("--games", nargs="*", default=list(GAMES), help="ids to run")
    options = parser.parse_args()
    one_thread()
    quick = options.quick
    result = Result("imitation_gymnasium", quick=quick)
    games = ["InvertedPendulum-v5"] if quick else options.games
    for game in [] if options.report else games:
        if not usable(game):
            print(f"{game}: left out, since its packages are not installed", file=sys.stderr)
            continue
        compute_game(result, game, options.runs, quick)
    bars(result)
    result.save()
    result.show(COLUMNS)


def compute_game(result: Result, game: str, runs: str, quick: bool) -> None:
    """Compute the missing rows of an environment; a quick run keeps its files to itself."""
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        folder = scratch if quick else runs
        for budget in GAMES[game]:
            for seed in SEEDS[:1] if quick else SEEDS:
                if not result.has(game=game, method="imitation", seed=seed, budget=budget):
                    result.add(imitation(game, seed, budget, folder, quick))
            if not result.has(game=game, method="true reward", budget=budget):
                result.add(true_reward(game, SEEDS[0], budget, folder, quick))


if __name__ == "__main__":
    main()
