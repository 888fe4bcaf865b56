"""Compare regularizers of GAIL's critic, and the transfer of AIRL's and VAIRL's rewards to mirrors.

- `objectives`: GAIL without additions, with instance noise, with a gradient penalty; VAIL with the
  paper's rate of beta, with a faster one, and at three fixed betas; WAIL, GMMIL and optimal
  transport. The environments are Hopper-v5 and HalfCheetah-v5, with one and four trajectories,
  every 20th pair, at most five seeds, the PPO of `imitation_mujoco.py` and `--steps` environment
  steps (default 400,000, on a GPU 2M). With 200,000 and a larger standard deviation, in
  `results/imitation_ablation_tried.json`, all methods stayed below 0.08 on HalfCheetah. The rewards
  of WAIL, GMMIL and optimal transport have either sign, which matters where Hopper ends early, so
  these three have absorbing states. `ratio` is the mean return of 20 episodes of the sampled policy
  over the expert's.
- `score`: for each method, the interquartile mean of the ratios over both environments, both
  numbers of trajectories and all seeds that every method has, and its 95 % interval from 2,000
  bootstrap samples that draw seeds within each environment and number of trajectories (Agarwal et
  al. 2021, section 4).
- `mazes`: the paper's C- and S-maze. The reward of a state is learned from 20 episodes of a noisy
  scripted expert. Then a new policy is trained on it in the mirrored maze, where `transfer` is the
  mean return of ten episodes of its mode, and `expert` is the scripted expert's. The PPO is that of
  `examples/airl_transfer_maze.py` with positions scaled to the box, 1M steps in each C-maze and 2M
  in each S-maze: 200,000 steps do not suffice to imitate there, and 2M do. The new policy explores
  by gSDE. `imitation` is the return of the imitating policy in the first maze.
"""

from typing import Any

import numpy as np
import torch
from advlearn_envs import CMaze, CMazeMirrored, SMaze, SMazeMirrored
from advlearn_envs.experts import maze_expert
from advlearn_envs.maze import Maze
from advlearn_envs.sb3 import StableBaselinesVecEnv
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from imitation_mujoco import EVERY, GAMES, LOG_STD, Standardised, mean_return, ppo
from scipy.stats import trim_mean
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize

from advlearn.imitation import (
    Demonstrations,
    LearnedRewardVecEnv,
    imitate,
    load_demonstrations,
    record,
)

SEEDS = (0, 1, 2, 3, 4)
# Name of a method to its objective.
METHODS = {
    "GAIL": "gail",
    "GAIL + instance noise": "gail + instance_noise",
    "GAIL + gradient penalty": "gail + gradient_penalty",
    "GAIL + R1": "gail + r1(weight=1)",
    "VAIL": "vail",
    "VAIL, fast beta": "gail + bottleneck(i_c=0.5, beta_lr=0.001)",
    "VAIL, beta 0": "gail + bottleneck(i_c=0.5, beta_lr=0)",
    "VAIL, beta 0.01": "gail + bottleneck(i_c=0.5, beta=0.01, beta_lr=0)",
    "VAIL, beta 0.1": "gail + bottleneck(i_c=0.5, beta=0.1, beta_lr=0)",
    "WAIL": "wail",
    "GMMIL": "gmmil",
    "OT": "otil",
}
# Objectives whose reward has either sign.
ABSORBING = ("WAIL", "GMMIL", "OT")
PLACES = [("hopper", 1), ("hopper", 4), ("halfcheetah", 1), ("halfcheetah", 4)]
STEPS_CPU, STEPS_GPU = 400_000, 2_000_000
MAZE_STEPS = {"C": 1_000_000, "S": 2_000_000}
MAZES = {"C": (CMaze, CMazeMirrored), "S": (SMaze, SMazeMirrored)}
# Used for the new policy only, which has no demonstrations: with noise drawn anew at every step it
# stays below the second barrier of the S-maze, right under the goal.
EXPLORING = {
    "use_sde": True,
    "sde_sample_freq": 10,
    "gamma": 0.998,
    "gae_lambda": 0.98,
    "ent_coef": 0.01,
}
LEARNERS = {
    "AIRL": "airl",
    "VAIRL": "vairl",
    "AIRL + gradient penalty": "airl + gradient_penalty",
    "VAIRL + gradient penalty": "vairl + gradient_penalty",
    "AIRL + spectral norm": "airl + spectral_norm",
    "VAIRL + spectral norm": "vairl + spectral_norm",
}
COLUMNS = [
    "part",
    "game",
    "method",
    "trajectories",
    "seed",
    "ratio",
    "low",
    "high",
    "imitation",
    "transfer",
    "expert",
]


def train(game: str, trajectories: int, method: str, seed: int, steps: int) -> Row:
    """Return the row of one run of the ablation."""
    env_id = GAMES[game][0]
    demos = load_demonstrations(game).first(trajectories)
    policy = ppo(demos, env_id, seed, LOG_STD)
    shared: dict[str, Any] = {
        "expert_subsample": EVERY,
        "seed": seed,
        "absorbing": method in ABSORBING,
        "quiet": True,
    }
    imitate(demos, METHODS[method], algorithm=policy, steps=steps, **shared)
    returned = mean_return(policy, env_id, False, 20 if steps > 5000 else 1, seed)
    key: Row = {
        "part": "objectives",
        "game": game,
        "trajectories": trajectories,
        "method": method,
        "seed": seed,
    }
    scores = {
        "ratio": returned / demos.expert_return,
        "return": returned,
        "expert": demos.expert_return,
    }
    return {**key, "steps": steps, **scores, "objective": METHODS[method]}


class Noisy:
    """Run the scripted expert of a maze with less force and some noise.

    AIRL needs an expert whose actions have a density.
    """

    def __init__(self, maze: type[Maze], noise: float, seed: int) -> None:
        self.rule, self.noise, self.draw = maze_expert(maze(1)), noise, np.random.default_rng(seed)

    def predict(
        self, observations: np.ndarray, deterministic: bool = True
    ) -> tuple[np.ndarray, None]:
        """Return forces for positions, as a policy of stable-baselines3 returns them."""
        forces = (1 - self.noise) * self.rule(torch.as_tensor(observations)).numpy()
        return (forces + self.noise * self.draw.normal(size=forces.shape)).clip(-1, 1).astype(
            np.float32
        ), None


def maze_ppo(
    venv: VecEnv, maze: type[Maze], seed: int, exploring: dict[str, Any] | None = None
) -> PPO:
    """Return PPO of 100 steps a rollout, positions from -4 to 4, and a rate that decays to zero."""
    low, high = np.array(maze.LOW, np.float32), np.array(maze.HIGH, np.float32)
    scale = {"mean": (low + high) / 2, "scale": (high - low) / 8}
    policy_kwargs = {"features_extractor_class": Standardised, "features_extractor_kwargs": scale}
    rollout: dict[str, Any] = {
        "n_steps": 100,
        "batch_size": 800,
        "n_epochs": 8,
        "seed": seed,
        "device": "cpu",
    }
    learning = {"learning_rate": lambda left: 1e-3 * left, **(exploring or {})}
    return PPO("MlpPolicy", venv, policy_kwargs=policy_kwargs, **learning, **rollout)


def batch(maze: type[Maze], environments: int) -> StableBaselinesVecEnv:
    """Return a batch of environments for stable-baselines3."""
    return StableBaselinesVecEnv(maze(environments))


def mode_return(policy: Any, maze: type[Maze]) -> float:
    """Return the mean return of ten episodes of a policy's mode."""
    episodes: Demonstrations = record(policy, batch(maze, 10), episodes=10, deterministic=True)
    return float(episodes.expert_return or np.nan)


def transfer(maze: str, method: str, seed: int, steps: int) -> Row:
    """Return the row of a reward that is transferred from a maze to its mirror."""
    here, there = MAZES[maze]
    demos = record(Noisy(here, 0.3, seed), batch(here, 20), episodes=20)
    policy = maze_ppo(VecMonitor(batch(here, 64)), here, seed)
    run = imitate(
        demos,
        LEARNERS[method],
        steps=steps,
        algorithm=policy,
        critic_inputs="state",
        seed=seed,
        quiet=True,
    )
    paid = VecNormalize(
        VecMonitor(LearnedRewardVecEnv(batch(there, 64), run.reward)),
        norm_obs=False,
        gamma=EXPLORING["gamma"],
    )
    fresh = maze_ppo(paid, there, seed + 100, EXPLORING).learn(steps)
    found = {
        "imitation": mode_return(policy, here),
        "unchanged": mode_return(policy, there),
        "transfer": mode_return(fresh, there),
    }
    key: Row = {"part": "mazes", "game": maze, "method": method, "seed": seed, "steps": steps}
    return {
        **key,
        **found,
        "expert": mode_return(Noisy(there, 0.0, 0), there),
        "shown": demos.expert_return,
    }


def scores(result: Result) -> list[Row]:
    """Return interquartile means and intervals, by method, of the runs that all methods have."""
    draw, found = np.random.default_rng(0), list[Row]()
    done = [r for r in result.rows if r["part"] == "objectives"]
    runs_of = {m: {_run(r) for r in done if r["method"] == m} for m in METHODS}
    common = set.intersection(*(runs for runs in runs_of.values() if runs)) if done else set[Any]()
    for method in METHODS:
        rows = [r for r in done if r["method"] == method and _run(r) in common]
        strata = [
            np.array([r["ratio"] for r in rows if _place(r) == place])
            for place in dict.fromkeys(map(_place, rows))
        ]
        if not strata:
            continue
        drawn = [
            np.concatenate([draw.choice(s, len(s)) for s in strata])
            for _ in range(20 if result.quick else 2000)
        ]
        low, high = np.percentile([trim_mean(d, 0.25) for d in drawn], (2.5, 97.5))
        middle = float(trim_mean(np.concatenate(strata), 0.25))
        runs = sum(map(len, strata))
        found.append(
            {
                "part": "score",
                "method": method,
                "ratio": middle,
                "low": low,
                "high": high,
                "runs": runs,
            }
        )
    return found


def _place(row: Row) -> tuple[Any, ...]:
    return row["game"], row["trajectories"], row["steps"]


def _run(row: Row) -> tuple[Any, ...]:
    return *_place(row), row["seed"]


def bars(result: Result) -> None:
    """Add the bar of the S-maze, which is the paper's figure."""
    rows = [r for r in result.rows if r["part"] == "mazes" and r["game"] == "S"]
    by = {m: [r["transfer"] for r in rows if r["method"] == m] for m in LEARNERS}
    vairl = {m: float(np.mean(v)) for m, v in by.items() if m.startswith("VAIRL") and v}
    if vairl:
        best = max(vairl, key=lambda m: vairl[m])
        name = f"S-maze, mirrored, {len(by[best])} seeds: mean return on the reward of {best}"
        result.bar(name, vairl[best], ">=", 74.0)


def picture(result: Result) -> None:
    """Plot the scores with their intervals, and every transfer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    axes = figure.add_subplot(1, 3, 1)
    rows = [r for r in result.rows if r["part"] == "score"]
    for place, row in enumerate(rows):
        axes.plot([row["low"], row["high"]], [place, place], "-", color="tab:blue")
        axes.plot([row["ratio"]], [place], "o", color="tab:blue")
    axes.set_yticks(range(len(rows)), [r["method"] for r in rows])
    axes.set(xlabel="return over the expert's", title="interquartile mean, 95 % interval")
    for place, maze in enumerate(MAZES):
        panel = figure.add_subplot(1, 3, place + 2)
        runs = [r for r in result.rows if r["part"] == "mazes" and r["game"] == maze]
        names = list(LEARNERS)
        panel.plot(
            [r["transfer"] for r in runs], [names.index(r["method"]) for r in runs], "o", alpha=0.7
        )
        if runs:
            panel.axvline(runs[0]["expert"], color="k", linestyle="--")
        panel.set_yticks(range(len(names)), names)
        panel.set(xlabel="return in the mirrored maze", title=f"{maze}-maze")
    figure.savefig(RESULTS / "imitation_ablation.png", dpi=90)


def main() -> None:
    """Compute the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--parts", nargs="*", default=["mazes", "objectives"], help="mazes, objectives"
    )
    parser.add_argument("--steps", type=int, default=None, help="environment steps of the ablation")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many seeds")
    options = parser.parse_args()
    one_thread()
    quick, seeds = options.quick, SEEDS[: 1 if options.quick else options.seeds]
    result = Result("imitation_ablation", quick=quick)
    steps = (
        4096 if quick else options.steps or (STEPS_CPU if options.device == "cpu" else STEPS_GPU)
    )
    few = 1 if quick else None
    # Seed by seed, so that an unfinished table has the same seeds for every method.
    runs: list[dict[str, Any]] = [
        {"game": game, "trajectories": n, "method": method, "seed": seed, "steps": steps}
        for seed in seeds for game, n in PLACES[:few] for method in list(METHODS)[:few]
    ]  # fmt: skip
    mazes: list[dict[str, Any]] = [
        {
            "part": "mazes", "game": maze, "method": method, "seed": seed,
            "steps": 6400 if quick else MAZE_STEPS[maze],
        }
        for seed in seeds for maze in list(MAZES)[:few] for method in list(LEARNERS)[:few]
    ]  # fmt: skip
    if not options.report:
        compute(result, _maze, mazes if "mazes" in options.parts else [], options.jobs)
        compute(result, train, runs if "objectives" in options.parts else [], options.jobs)
    result.rows = [r for r in result.rows if r["part"] != "score"] + scores(result)
    bars(result)
    result.save()
    if not quick:
        picture(result)
    result.show(COLUMNS)


def _maze(part: str, game: str, method: str, seed: int, steps: int) -> Row:
    return transfer(game, method, seed, steps)


if __name__ == "__main__":
    main()
