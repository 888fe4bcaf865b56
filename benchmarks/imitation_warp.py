"""Measure GAIL on MuJoCo Warp: speed, time to the expert's return, and the ratio at the end.

`DevicePPO` trains 4,096 environments on an NVIDIA GPU by `gail + r1(weight=1)`, from every 20th
pair of four trajectories (eleven for Walker2d). PPO's actions begin with a standard deviation of
0.37, observations are scaled by the demonstrations, as in `imitation_mujoco.py`. About every
million steps the policy is saved, loaded with plain PPO on the CPU, and played for 20 episodes in
gymnasium's own environment. `ratio` is their mean return over the expert's, with sampled actions if
the expert's were. `seconds` is wall-clock time from the first rollout until the first such ratio
that reaches the bar, without evaluations. `setup_seconds` is the time before it, in which Warp
compiles its kernels on a machine's first run. `steps_per_second` is the median over the iterations
from the fourth on: `DevicePPO` captures its graphs before.

Each row is saved when it is finished, and the same command continues with the missing ones. Speeds
of different GPUs do not compare; `gpu` names that of a row.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from advlearn_envs import make
from harness import Result, Row, arguments, compute, one_thread
from imitation_mujoco import EVERY, GAMES, LOG_STD, SEEDS, standardised
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from advlearn.imitation import DevicePPO, imitate, load_demonstrations

ENVS, N_STEPS = 4096, 32
STEPS = {"hopper": 16_000_000, "halfcheetah": 32_000_000, "walker2d": 32_000_000}
# Ratio to the expert that a policy has to reach.
BARS = {"hopper": 0.95, "halfcheetah": 0.9, "walker2d": 0.9}
HOPPER_SPEED, HOPPER_SECONDS = 400_000, 45
OBJECTIVE = "gail + r1(weight=1)"
EPISODES = 20
# Iterations between two evaluations.
INTERVAL = 8
# Iterations before the measured ones: two eager ones, and the captures.
BEFORE = 3
COLUMNS = [
    "game",
    "seed",
    "gpu",
    "steps_per_second",
    "seconds",
    "ratio",
    "best",
    "steps",
    "setup_seconds",
]


def ratio_of(learner: PPO, game: str, expert: float, episodes: int, seed: int) -> float:
    """Return the mean return in gymnasium's environment over the expert's, of the saved policy."""
    env_id, _, drawn = GAMES[game]
    with tempfile.TemporaryDirectory() as folder:
        learner.save(Path(folder) / "policy.zip")
        # With a seed, `load` would set the global generators, which the training draws from.
        policy = PPO.load(Path(folder) / "policy.zip", device="cpu", seed=None)
    venv = make_vec_env(env_id, n_envs=episodes, seed=1000 + seed)
    found, _ = evaluate_policy(policy, venv, episodes, deterministic=not drawn, warn=False)
    venv.close()
    return float(np.mean(found)) / expert


class Progress(BaseCallback):
    """Time the iterations, and evaluate between some of them with the clock stopped.

    Args:
        evaluate: Returns the ratio of the present policy.
        interval: Iterations between two evaluations.
    """

    def __init__(self, evaluate: Callable[[], float], interval: int) -> None:
        super().__init__()
        self.evaluate = evaluate
        self.interval = interval
        # Start of each iteration and end of the last one, and the evaluations.
        self.times: list[float] = []
        self.history: list[dict[str, float]] = []
        self.stopped = 0.0
        self.first: float | None = None

    def now(self) -> float:
        """Return the seconds of wall-clock time outside of evaluations."""
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - self.stopped

    def note(self) -> None:
        self.times.append(self.now())
        if self.first is None:
            self.first = self.times[0]

    def measure(self) -> None:
        """Evaluate, and take the time it needs from the clock."""
        before, steps = self.now(), self.num_timesteps
        ratio = self.evaluate()
        self.stopped += self.now() - before
        seconds = self.times[-1] - self.times[0]
        self.history.append({"steps": steps, "seconds": round(seconds, 2), "ratio": ratio})

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.note()
        done = len(self.times) - 1
        if done and done % self.interval == 0:
            self.measure()

    def _on_training_end(self) -> None:
        self.note()
        self.measure()


def train(game: str, seed: int, device: str, envs: int, quick: bool) -> Row:
    """Return the row of one run."""
    (env_id, trajectories, _), began = GAMES[game], time.perf_counter()
    demos = load_demonstrations(game).first(trajectories)
    n_steps = 8 if quick else N_STEPS
    env: Any = make(env_id, envs, device=device, seed=seed)
    learner = DevicePPO(
        "MlpPolicy",
        env,
        learning_rate=lambda left: 3e-4 * left,
        n_steps=n_steps,
        batch_size=envs * n_steps // 8,
        n_epochs=4,
        gamma=0.995,
        gae_lambda=0.97,
        seed=seed,
        policy_kwargs=standardised(demos, EVERY, seed) | {"log_std_init": LOG_STD},
    )
    expert, episodes = demos.expert_return, 2 if quick else EPISODES
    assert expert is not None
    progress = Progress(
        partial(ratio_of, learner, game, expert, episodes, seed), 2 if quick else INTERVAL
    )
    imitate(
        demos,
        OBJECTIVE,
        algorithm=learner,
        steps=(BEFORE + 2) * envs * n_steps if quick else STEPS[game],
        expert_subsample=EVERY,
        seed=seed,
        callbacks=[progress],
        quiet=True,
    )
    assert progress.first is not None
    taken = [after - start for start, after in pairwise(progress.times)][BEFORE:]
    reached = [e["seconds"] for e in progress.history if e["ratio"] >= BARS[game]]
    ratios = [e["ratio"] for e in progress.history]
    return {
        "game": game,
        "seed": seed,
        "device": device,
        "envs": envs,
        "gpu": torch.cuda.get_device_name() if device == "cuda" else "none",
        "steps_per_second": envs * n_steps / statistics.median(taken),
        "seconds": min(reached, default=math.inf),
        "ratio": ratios[-1],
        "best": max(ratios),
        "expert": expert,
        "trajectories": trajectories,
        "steps": learner.num_timesteps,
        "setup_seconds": round(progress.first - began, 1),
        "history": progress.history,
    }


def bars(result: Result) -> None:
    """Add the required bars of the games whose three seeds are measured, for the worst seed."""
    for game, bar in BARS.items():
        rows = [row for row in result.rows if row["game"] == game and row["device"] == "cuda"]
        if len(rows) < len(SEEDS):
            continue
        lowest = min(row["ratio"] for row in rows)
        result.bar(f"{game}: ratio to the expert at the end, lowest", lowest, ">=", bar)
        if game == "hopper":
            slowest = min(row["steps_per_second"] for row in rows)
            result.bar("hopper: training steps a second, lowest", slowest, ">=", HOPPER_SPEED)
            longest = max(row["seconds"] for row in rows)
            result.bar(f"hopper: seconds to {bar}, longest", longest, "<=", HOPPER_SECONDS)


def main() -> None:
    """Compute the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--games", nargs="*", default=list(GAMES), choices=list(GAMES))
    parser.add_argument("--seeds", nargs="*", default=list(SEEDS), type=int)
    options = parser.parse_args()
    quick = options.quick
    if not torch.cuda.is_available() and not (quick or options.report):
        print("imitation_warp: torch finds no CUDA device; --quick runs the same code on the CPU")
        return
    device, envs = ("cpu", 16) if quick else ("cuda", ENVS)
    games, seeds = (["hopper"], [0]) if quick else (options.games, options.seeds)
    one_thread()
    result = Result("imitation_warp", quick=quick)
    if not options.report:
        todo: list[dict[str, Any]] = [
            {"game": game, "seed": seed, "device": device, "envs": envs}
            for game in games
            for seed in seeds
        ]
        compute(result, partial(train, quick=quick), todo, options.jobs)
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
