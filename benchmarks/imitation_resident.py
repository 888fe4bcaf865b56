"""Training steps a second of PPO and of GAIL, with rollouts in numpy and with rollouts that stay on the device.

`numpy` is stable-baselines3's PPO on `StableBaselinesVecEnv`, `resident` is `DevicePPO` on the
same batch: the same network, 32 steps of each environment, four passes in eight minibatches. Both
count episodes (`VecMonitor` there). GAIL makes `imitate`'s eight critic steps for each rollout,
from a scripted expert. What is timed is whole iterations, rollout and training, from the second on:
CPU seconds of one core, on a GPU seconds on the clock.
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


def player(way: str, game: str, envs: int, device: str, steps: int) -> PPO:
    """PPO on a batch, one way or the other."""
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
    """Episodes of a scripted expert; how good it is does not change what a step costs."""
    env: Any = make(game, 4, time_limit=100)
    policy = (
        maze_expert(env)
        if game == "CMaze-v0"
        else lambda seen: (seen[:, 2] + seen[:, 3] > 0).long()
    )
    found = record(env, policy, source="scripted")
    return Demonstrations(
        *(found[name] for name in ("observations", "actions", "episode_lengths", "terminated"))
    )


class Clock(BaseCallback):
    """Note when each iteration starts, and when the last one ends."""

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
    """A row: iterations of one way, the first of which is not counted."""
    learner, clock = player(way, game, envs, device, steps), Clock(device)
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
    """State the bar of 4096 environments on a GPU, where one was measured."""
    for row in result.rows:
        if (row["device"], row["envs"], row["way"]) == ("cuda", 4096, "resident"):
            name = f"{row['task']} on {row['game']}, 4096 environments on a GPU: training steps a second"
            result.bar(name, row["steps_per_second"], ">=", 500_000)


def over_numpy(row: Row, rows: list[Row]) -> Row:
    """The row with its speed over that of the same cell in numpy."""
    cell = ("task", "game", "envs", "device")
    for other in rows:
        if other["way"] == "numpy" and all(other[name] == row[name] for name in cell):
            return {**row, "over_numpy": row["steps_per_second"] / other["steps_per_second"]}
    return row


def main() -> None:
    """Compute the rows that are missing."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    # Of stable-baselines3's PPO, which is measured there all the same.
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
