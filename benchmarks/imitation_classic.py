"""Measure GAIL on classic control with the paper's demonstrations, and its time to solve CartPole.

- `paper`: CartPole-v1 from one episode, Acrobot-v1 and MountainCar-v0 from one and from ten, every
  n-th pair kept as in the paper (10, 5 and 5), at most 1.5M environment steps (the paper's
  budget). The return is the mean of 50 episodes (MountainCar: 500, whose episodes differ by ten) of
  the sampled policy on gymnasium's own environment; `expert` is that of the demonstrations.
- `time`: CartPole from one whole episode: CPU seconds until a policy's mode reaches a mean return
  of 475 over 20 episodes, evaluated every 8,192 steps (16,384 for the reference library), without
  the time of the evaluations. The reference library runs its documented quickstart on the same
  episode, at most 196,608 steps. It runs in a separate environment, named by
  ADVLEARN_PEERS_IMITATION (the path of its python, with imitation 1.0.1); without it its rows are
  left out.

Training uses 64 batched environments of advlearn_envs. For `paper` the critic has an R1 penalty and
the rate of PPO decays to zero. Both were chosen on CartPole's seeds 0 and 1, where without them
returns rose to 460 and fell again (an earlier run of the three seeds at a constant rate without R1
ended at 481, 327 and 73). MountainCar uses plain GAIL with the reward log D - log(1 - D), and its
policy's observations are scaled by the demonstrations, since its speeds are below 0.07. This was
chosen on seeds 0 and 1, mostly from one episode. Eight runs without that scale (300,000 to 1M
steps) ended between -200 and -114. With it three whole runs at gamma 0.99 ended at -101.5, -101.8
and -101.8, and with the reward log D three at -100.8, -102.6 and -102.6. `time` is plain GAIL at a
constant rate.
"""

import json
import os
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from advlearn_envs import make
from advlearn_envs.sb3 import StableBaselinesVecEnv
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from imitation_mujoco import standardised
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecMonitor

from advlearn.data.files import find
from advlearn.imitation import ImitationResult, imitate, load_demonstrations

SEEDS = (0, 1, 2)
# Name of the demonstrations to id, kept pairs, steps, objective, settings of `imitate` and of PPO.
HELD = "gail + r1(weight=1)"
GAMES: dict[str, tuple[str, int, int, str, dict[str, Any], dict[str, Any]]] = {
    "cartpole": ("CartPole-v1", 10, 300_000, HELD, {}, {"gamma": 0.98, "gae_lambda": 0.8}),
    "acrobot": (
        "Acrobot-v1",
        5,
        1_500_000,
        HELD,
        {"reward": "log"},
        {"gamma": 0.99, "gae_lambda": 0.95},
    ),
    "mountaincar": (
        "MountainCar-v0",
        5,
        1_500_000,
        "gail",
        {"reward": "logit"},
        {"gamma": 0.995, "gae_lambda": 0.95},
    ),
}
CRITIC_STEPS = 4
PAPER = [("cartpole", 1), ("acrobot", 1), ("acrobot", 10), ("mountaincar", 1), ("mountaincar", 10)]
COLUMNS = [
    "part",
    "game",
    "method",
    "episodes",
    "seed",
    "return",
    "expert",
    "steps",
    "cpu_seconds",
    "steps_per_second",
]


def make_ppo(game: str, seed: int, rate: Any, policy: dict[str, Any] | None = None) -> PPO:
    """Return PPO on 64 batched environments."""
    env_id, _, _, _, _, settings = GAMES[game]
    venv = VecMonitor(StableBaselinesVecEnv(make(env_id, 64)))
    rollout: dict[str, Any] = {
        "n_steps": 32,
        "batch_size": 256,
        "n_epochs": 4,
        "learning_rate": rate,
    }
    return PPO(
        "MlpPolicy", venv, seed=seed, device="cpu", policy_kwargs=policy, **rollout, **settings
    )


def decaying(left: float) -> float:
    """Return a learning rate that decays to zero with the remaining share of the run."""
    return 1e-3 * left


class Until(BaseCallback):
    """Stop when the mode of the policy reaches a return; record the CPU seconds until then."""

    def __init__(self, env_id: str, wanted: float, every: int) -> None:
        super().__init__()
        self.venv = make_vec_env(env_id, n_envs=1, seed=10_000)
        self.wanted, self.every, self.due = wanted, every, every
        self.began, self.looking = time.process_time(), 0.0
        self.seconds: float | None = None

    def _on_step(self) -> bool:
        return self.seconds is None

    def _on_rollout_start(self) -> None:
        if self.num_timesteps < self.due:
            return
        self.due += self.every
        start = time.process_time()
        figures, _ = evaluate_policy(self.model, self.venv, 20, warn=False)
        self.looking += time.process_time() - start
        if float(np.mean(figures)) >= self.wanted:  # type: ignore[arg-type]
            self.seconds = time.process_time() - self.began - self.looking


def paper(game: str, episodes: int, seed: int, quick: bool) -> Row:
    """Return a row of the paper's table."""
    env_id, every, steps, objective, settings, _ = GAMES[game]
    demos = load_demonstrations(game).first(episodes)
    scale = standardised(demos, every, seed) if game == "mountaincar" else None
    began = time.process_time()
    run = imitate(
        demos,
        objective,
        steps=2048 if quick else steps,
        algorithm=make_ppo(game, seed, decaying, scale),
        expert_subsample=every,
        critic_steps=CRITIC_STEPS,
        seed=seed,
        quiet=True,
        **settings,
    )
    seconds = time.process_time() - began
    episodes_measured = 2 if quick else 500 if game == "mountaincar" else 50
    returns = run.returns(env_id, episodes_measured, deterministic=False, seed=1000 + seed)
    key = {
        "part": "paper",
        "game": game,
        "method": f"advlearn {objective}",
        "episodes": episodes,
        "seed": seed,
    }
    return {
        **key,
        "return": float(returns.mean()),
        "expert": demos.expert_return,
        "shown": episodes_measured,
        **_cost(run, seconds),
    }


def until(seed: int, quick: bool) -> Row:
    """Return the row of the time until 475 on CartPole."""
    demos = load_demonstrations("cartpole").first(1)
    watch = Until("CartPole-v1", 475, 8192)
    learner = make_ppo("cartpole", seed, 1e-3)
    watch.began = time.process_time()
    steps = 2048 if quick else 196_608
    run = imitate(
        demos,
        "gail",
        steps=steps,
        algorithm=learner,
        seed=seed,
        callbacks=[watch],
        quiet=True,
        critic_steps=CRITIC_STEPS,
    )
    seconds = watch.seconds or time.process_time() - watch.began - watch.looking
    key = {
        "part": "time",
        "game": "cartpole",
        "method": "advlearn gail",
        "episodes": 1,
        "seed": seed,
    }
    returns = run.returns("CartPole-v1", 2 if quick else 20)
    reached = {
        "reached": watch.seconds is not None,
        "return": float(returns.mean()),
        "expert": 500.0,
    }
    return {**key, **reached, **_cost(run, seconds)}


def reference(seed: int) -> Row:
    """Return the row of the reference library on the same episode, in its own environment."""
    script = Path(__file__).parent / "peers" / "imitation_cartpole.py"
    file = str(find("demos", "cartpole.npz"))
    command = [os.environ["ADVLEARN_PEERS_IMITATION"], str(script), file, str(seed)]
    output = subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.splitlines()[-1]
    key = {
        "part": "time",
        "game": "cartpole",
        "method": "imitation 1.0.1 gail",
        "episodes": 1,
        "seed": seed,
    }
    return {**key, "expert": 500.0, **json.loads(output)}


def _cost(run: ImitationResult, seconds: float) -> Row:
    steps = run.policy.num_timesteps
    return {
        "steps": steps,
        "cpu_seconds": round(seconds, 2),
        "steps_per_second": round(steps / seconds),
    }


def bars(result: Result) -> None:
    """Return the required bars from the rows."""

    def figures(part: str, game: str, method: str, name: str) -> list[float]:
        rows = [
            r for r in result.rows if (r["part"], r["game"], r["method"]) == (part, game, method)
        ]
        return [r[name] for r in rows]

    for game, bar in (("cartpole", 475.0), ("acrobot", -79.0), ("mountaincar", -101.6)):
        for episodes in sorted({e for g, e in PAPER if g == game}):
            rows = [
                r
                for r in result.rows
                if r["part"] == "paper" and r["game"] == game and r["episodes"] == episodes
            ]
            if rows:
                mean = float(np.mean([r["return"] for r in rows]))
                result.bar(
                    f"{game} from {episodes}: mean return of {len(rows)} seeds", mean, ">=", bar
                )
    seconds = figures("time", "cartpole", "advlearn gail", "cpu_seconds")
    reference_seconds = figures("time", "cartpole", "imitation 1.0.1 gail", "cpu_seconds")
    if seconds and reference_seconds:
        name = (
            "cartpole: CPU seconds to 475 over the reference library's, "
            "which may not have reached it"
        )
        result.bar(name, float(np.mean(seconds) / np.mean(reference_seconds)), "<=", 0.1)


def main() -> None:
    """Compute the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--parts", nargs="*", default=["time", "paper"], help="parts to run: time, paper"
    )
    options = parser.parse_args()
    one_thread()
    quick, seeds = options.quick, SEEDS[:1] if options.quick else SEEDS
    result = Result("imitation_classic", quick=quick)
    if "time" in options.parts and not options.report:
        for seed in seeds:
            if not result.has(part="time", method="advlearn gail", seed=seed):
                result.add(until(seed, quick))
        for seed in seeds if os.environ.get("ADVLEARN_PEERS_IMITATION") and not quick else ():
            if not result.has(part="time", method="imitation 1.0.1 gail", seed=seed):
                result.add(reference(seed))
    if "paper" in options.parts and not options.report:
        games = PAPER[:1] if quick else PAPER
        todo: list[dict[str, Any]] = [
            {"game": g, "episodes": n, "seed": seed} for g, n in games for seed in seeds
        ]
        compute(result, partial(paper, quick=quick), todo, options.jobs)
    bars(result)
    result.save()
    if not quick:
        picture(result)
    result.show(COLUMNS)


def picture(result: Result) -> None:
    """Plot every seed's return, scaled from a poor return to the expert's, by environment."""
    from matplotlib.figure import Figure

    poor = {"cartpole": 0.0, "acrobot": -500.0, "mountaincar": -200.0}
    rows = [r for r in result.rows if r["part"] == "paper"]
    names = list(dict.fromkeys(f"{r['game']}, {r['episodes']}" for r in rows))
    figure = Figure(figsize=(6, 0.5 * len(names) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    for row in rows:
        share = (row["return"] - poor[row["game"]]) / (row["expert"] - poor[row["game"]])
        axes.plot(
            [share],
            [names.index(f"{row['game']}, {row['episodes']}")],
            "o",
            color="tab:blue",
            alpha=0.7,
        )
    axes.axvline(1, color="k", linewidth=0.5)
    axes.set_yticks(range(len(names)), names)
    axes.set(
        xlabel="return as a share of the expert's", title="GAIL, episodes of the expert, every seed"
    )
    figure.savefig(RESULTS / "imitation_classic.png", dpi=90)


if __name__ == "__main__":
    main()
