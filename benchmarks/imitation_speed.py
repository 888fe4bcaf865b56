"""Measure the cost of the adversary in whole training, against plain PPO and the reference library.

Training runs on Hopper-v5 with ten demonstrations in one thread. Environments, policy, critic and
optimizers all count, since they run in one process; the figure is steps per CPU second. advlearn
uses a batch of advlearn_envs, which equals gymnasium's Hopper step for step, and a fused Adam, also
in plain PPO. Runs are made in pairs, one after the other, so that a slow minute of the machine
affects both; the ratio is the median of the pairs' ratios.

- `alone`: PPO of stable-baselines3 on the true reward, and `imitate` with the same PPO and the
  default settings, which are GAIL with R1.
- `reference`: imitation 1.0.1 with the hyperparameters of its quickstart (8 environments, rollouts
  of 2,048 steps, batches of 64, five epochs, eight critic steps of 1,024 a rollout), `imitate` with
  the same, and with its default settings. The library runs in a separate environment, named by
  ADVLEARN_PEERS_IMITATION (the path of its python, with imitation 1.0.1 and the same MuJoCo), on
  Hopper-v4, since its gymnasium has no v5. Without it the part is left out.
"""

import json
import os
import statistics
import subprocess
import time
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from harness import Result, Row, arguments, compute, one_thread
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from advlearn.data.files import find
from advlearn.imitation import Demonstrations, imitate, load_demonstrations
from advlearn.imitation.sb3.algorithms import ADAM, environments

PAIRS = 5
# One rollout and its critic steps before the timing starts, then whole rollouts of either setting.
STEPS = 49_152
# Environments, and arguments of PPO; the first are those of `imitate` by name.
OURS: tuple[int, dict[str, Any]] = (16, {"n_steps": 128, "batch_size": 256, "n_epochs": 5})
THEIRS: tuple[int, dict[str, Any]] = (
    8,
    {"batch_size": 64, "ent_coef": 0.0, "learning_rate": 0.0004, "gamma": 0.95, "n_epochs": 5},
)
METHODS = {
    "alone": ("PPO, true reward", "GAIL, our settings"),
    "reference": ("imitation 1.0.1", "GAIL, its settings", "GAIL, our settings"),
}
COLUMNS = ["part", "pair", "method", "steps", "cpu_seconds", "steps_per_second"]


def hopper(quick: bool) -> tuple[Demonstrations, str]:
    """Return demonstrations and their environment; the quick form uses CartPole, without a file."""
    if not quick:
        return load_demonstrations("hopper").first(10), "Hopper-v5"
    states = np.random.default_rng(0).normal(size=(21, 4)).astype(np.float32)
    return Demonstrations(
        states, np.arange(20) % 2, np.array([20]), np.array([False]), "CartPole-v1"
    ), "CartPole-v1"


def make_ppo(venv: VecEnv, settings: dict[str, Any], seed: int) -> PPO:
    """Return PPO with these settings."""
    return PPO(
        "MlpPolicy",
        venv,
        seed=seed,
        device="cpu",
        policy_kwargs={"optimizer_kwargs": ADAM},
        **settings,
    )


def train(part: str, method: str, pair: int, quick: bool) -> Row:
    """Train and return the timed row."""
    key = {"part": part, "method": method, "pair": pair}
    steps = 2048 if quick else STEPS
    if method == "imitation 1.0.1":
        script = str(Path(__file__).parent / "peers" / "imitation_hopper.py")
        command = [
            os.environ["ADVLEARN_PEERS_IMITATION"],
            script,
            str(find("demos", "hopper.npz")),
            str(pair),
        ]
        output = subprocess.run(
            [*command, str(steps)], check=True, capture_output=True, text=True
        ).stdout
        return {**key, **json.loads(output.splitlines()[-1])}
    demos, env_id = hopper(quick)
    envs, settings = THEIRS if method == "GAIL, its settings" else OURS
    learner = make_ppo(environments(env_id, envs, pair), settings, pair)
    given: dict[str, Any] = (
        {"objective": "gail", "batch_size": 1024} if method == "GAIL, its settings" else {}
    )
    began = time.process_time()
    if method == "PPO, true reward":
        learner.learn(steps)
    else:
        imitate(demos, algorithm=learner, steps=steps, seed=pair, quiet=True, **given)
    seconds = time.process_time() - began
    done = learner.num_timesteps
    figures = {
        "steps": done,
        "cpu_seconds": round(seconds, 2),
        "steps_per_second": round(done / seconds),
    }
    return {**key, **figures, "mujoco": version("mujoco") if find_spec("mujoco") else ""}


def ratio(result: Result, part: str, above: str, below: str) -> float:
    """Return the median over pairs of the speeds' ratio."""
    speeds = {
        (r["method"], r["pair"]): r["steps_per_second"] for r in result.rows if r["part"] == part
    }
    pairs = [p for m, p in speeds if m == above and (below, p) in speeds]
    return (
        statistics.median(speeds[above, p] / speeds[below, p] for p in pairs)
        if pairs
        else float("nan")
    )


def bars(result: Result) -> None:
    """Return the required bars from the rows."""
    parts = {r["part"] for r in result.rows}
    if "alone" in parts:
        cost = 1 / ratio(result, "alone", "GAIL, our settings", "PPO, true reward") - 1
        result.bar("share that the adversary adds to PPO's time", cost, "<=", 0.15)
    if "reference" in parts:
        speed_ratio = ratio(result, "reference", "GAIL, our settings", "imitation 1.0.1")
        result.bar("our settings, over the reference library", speed_ratio, ">=", 3.0)
        its = ratio(result, "reference", "GAIL, its settings", "imitation 1.0.1")
        result.bar("its settings, over the reference library", its, ">=", 1.3)


def main() -> None:
    """Compute the missing rows."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("imitation_speed", quick=options.quick)
    parts = [
        part for part in METHODS if part == "alone" or (os.environ.get("ADVLEARN_PEERS_IMITATION"))
    ]
    if options.quick:
        parts = parts[:1]
    todo: list[dict[str, Any]] = [
        {"part": part, "method": method, "pair": pair}
        for part in parts for pair in range(1 if options.quick else PAIRS)
        for method in METHODS[part]
    ]  # fmt: skip
    if not options.report:
        compute(result, partial(train, quick=options.quick), todo, jobs=1)
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
