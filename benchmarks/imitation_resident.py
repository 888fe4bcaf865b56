"""Measure training steps per second of PPO and GAIL, with rollouts in numpy and on the device.

`numpy` is stable-baselines3's PPO on `StableBaselinesVecEnv`, and `resident` is `DevicePPO` on the
same batch, with the same network, 32 steps of each environment, and four passes over eight
minibatches. Both count episodes (the first by `VecMonitor`). GAIL makes `imitate`'s eight critic
steps for each rollout, with a scripted expert. Whole iterations, rollout and training, are timed
from the second on: CPU seconds of one core, on a GPU wall-clock seconds.
"""

import statistics
import time
import warnings
from functools import partial
from typing import Any

import torch
from advlearn_envs import StableBaselinesVecEnv, make, record
from advlearn_envs.experts import maze_expert
from harness import Result, Row, arguments, compute, one_thread
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor

from advlearn.imitation import Demonstrations, DevicePPO, imitate

GAMES = ("CartPole-v1", "CMaze-v0")
WAYS = ("numpy", "resident")
TASKS = ("ppo", "gail")
COLUMNS = [
    "task",
    "game",
    "way",
    "envs",
    "device",
    "steps_per_second",
    "lowest",
    "highest",
    "over_numpy",
]


def make_ppo(way: str, game: str, envs: int, device: str, steps: int) -> PPO:
    """Return PPO on a batch, with rollouts in numpy or on the device."""
    env = make(game, envs, device=device)
    settings: dict[str, Any] = {
        "n_steps": steps,
        "batch_size": envs * steps // 8,
        "n_epochs": 4,
        "seed": 0,
    }
    if way == "resident":
        return DevicePPO("MlpPolicy", env, device=device, **settings)
    return PPO("MlpPolicy", VecMonitor(StableBaselinesVecEnv(env)), device=device, **settings)


def expert(game: str) -> Demonstrations:
    """Return episodes of a scripted expert; its return does not change the cost of a step."""
    env: Any = make(game, 4, time_limit=100)
    policy = (
        maze_expert(env)
        if game == "CMaze-v0"
        else lambda observations: (observations[:, 2] + observations[:, 3] > 0).long()
    )
    found = record(env, policy, source="scripted")
    return Demonstrations(
        *(found[name] for name in ("observations", "actions", "episode_lengths", "terminated"))
    )


class Clock(BaseCallback):
    """Record when each iteration starts, and when the last one ends."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.times: list[float] = []

    def note(self) -> None:
        if self.device == "cpu":
            self.times.append(time.process_time())
        else:
            torch.cuda.synchronize()
            self.times.append(time.perf_counter())

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.note()

    def _on_training_end(self) -> None:
        self.note()


def speed(task: str, game: str, way: str, envs: int, device: str, steps: int, rounds: int) -> Row:
    """Return a row: timed iterations of one way, without the first."""
    learner, clock = make_ppo(way, game, envs, device, steps), Clock(device)
    total = (1 + rounds) * envs * steps
    if task == "ppo":
        learner.learn(total, callback=clock)
    else:
        imitate(expert(game), "gail", steps=total, algorithm=learner, callbacks=[clock], quiet=True)
    seconds = [
        after - before for before, after in zip(clock.times[1:], clock.times[2:], strict=False)
    ]
    rates = [envs * steps / taken for taken in seconds]
    key = {"task": task, "game": game, "way": way, "envs": envs, "device": device}
    found = {
        "steps_per_second": statistics.median(rates),
        "lowest": min(rates),
        "highest": max(rates),
    }
    return {**key, **found, "iterations": rounds, "n_steps": steps}


def bars(result: Result) -> None:
    """Add the bar of 4096 environments on a GPU, if that was measured."""
    for row in result.rows:
        if (row["device"], row["envs"], row["way"]) == ("cuda", 4096, "resident"):
            name = (
                f"{row['task']} on {row['game']}, 4096 environments on a GPU: "
                "training steps a second"
            )
            result.bar(name, row["steps_per_second"], ">=", 500_000)


def over_numpy(row: Row, rows: list[Row]) -> Row:
    """Return the row with its speed over that of the same cell in numpy."""
    cell = ("task", "game", "envs", "device")
    for other in rows:
        if other["way"] == "numpy" and all(other[name] == row[name] for name in cell):
            return {**row, "over_numpy": row["steps_per_second"] / other["steps_per_second"]}
    return row


def main() -> None:
    """Compute the missing rows."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    # of stable-baselines3's PPO, which is measured on it on purpose
    warnings.filterwarnings("ignore", message="You are trying to run PPO on the GPU")
    quick = options.quick
    result = Result("imitation_resident", quick=quick)
    if not options.report:
        todo: list[Row] = [
            {"task": task, "game": game, "way": way, "envs": envs, "device": options.device}
            for envs in ((8,) if quick else (64, 4096))
            for game in GAMES
            for task in TASKS
            for way in WAYS
        ]
        compute(
            result,
            partial(speed, steps=8 if quick else 32, rounds=1 if quick else 5),
            todo,
            options.jobs,
        )
    bars(result)
    result.save()
    result.show(COLUMNS, [over_numpy(row, result.rows) for row in result.rows])


if __name__ == "__main__":
    main()
