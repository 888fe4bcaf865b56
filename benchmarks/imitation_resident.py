"""Measure training steps per second of PPO and GAIL, with rollouts in numpy and on the device.

`numpy` is stable-baselines3's PPO on `StableBaselinesVecEnv`, `resident` is `DevicePPO` on the same
batch without capture, and `captured`, on a GPU, is `DevicePPO` with its iterations in CUDA graphs.
All have the same network, 32 steps of each environment, and four passes over eight minibatches, and
count episodes (the first by `VecMonitor`). GAIL makes `imitate`'s eight critic steps for each
rollout, with a scripted expert. Whole iterations, rollout and training, are timed from the second
on, with capture from the fourth on: CPU seconds of one core, on a GPU wall-clock seconds.

`gail to 475`, on a GPU, is the wall-clock time of a whole call of `imitate` from one episode of the
scripted expert, with R1, until the mean return of the last hundred episodes is 475; the policy is
then played for twenty episodes in gymnasium's own CartPole, with its most likely actions.
"""

import math
import statistics
import time
import warnings
from functools import partial
from itertools import pairwise
from typing import Any

import gymnasium
import torch
from advlearn_envs import StableBaselinesVecEnv, make, record
from advlearn_envs.experts import maze_expert
from harness import Result, Row, arguments, compute, one_thread
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor

from advlearn.imitation import Demonstrations, DevicePPO, imitate

GAMES = ("CartPole-v1", "CMaze-v0")
WAYS = ("numpy", "resident")
# Environments of the comparison with captured iterations, and its bars for GAIL.
CAPTURED = {512: 800_000, 4096: 5_000_000, 16384: 12_000_000}
TO_475 = "gail to 475"
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
    "seconds",
    "played",
]


# Settings of the run to 475.
FAST: dict[str, Any] = {"n_steps": 32, "n_epochs": 4, "learning_rate": 1e-3, "seed": 0}


def make_ppo(way: str, game: str, envs: int, device: str, steps: int) -> PPO:
    """Return PPO on a batch, with rollouts in numpy or on the device."""
    env = make(game, envs, device=device)
    settings: dict[str, Any] = {
        "n_steps": steps,
        "batch_size": envs * steps // 8,
        "n_epochs": 4,
        "seed": 0,
    }
    if way != "numpy":
        capture = way == "captured"
        return DevicePPO("MlpPolicy", env, device=device, capture=capture, **settings)
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
    """Return a row: timed iterations of one way, without the first ones."""
    if task == TO_475:
        return to_475(game, way, envs, device)
    learner, clock = make_ppo(way, game, envs, device, steps), Clock(device)
    # A captured iteration is shorter, and begins with two eager ones and the capture.
    before, rounds = (3, 4 * rounds) if way == "captured" else (1, rounds)
    total = (before + rounds) * envs * steps
    if task == "ppo":
        learner.learn(total, callback=clock)
    else:
        imitate(expert(game), task, steps=total, algorithm=learner, callbacks=[clock], quiet=True)
    times = clock.times[before:]
    seconds = [after - start for start, after in pairwise(times)]
    rates = [envs * steps / taken for taken in seconds]
    key = {"task": task, "game": game, "way": way, "envs": envs, "device": device}
    found = {
        "steps_per_second": statistics.median(rates),
        "lowest": min(rates),
        "highest": max(rates),
    }
    return {**key, **found, "iterations": rounds, "n_steps": steps}


class Until(BaseCallback):
    """Stop when the last hundred episodes have this mean return, in three rollouts in a row."""

    def __init__(self, wanted: float) -> None:
        super().__init__()
        self.wanted = wanted
        self.reached = False
        self._in_a_row = 0

    def _on_step(self) -> bool:
        return not self.reached

    def _on_rollout_end(self) -> None:
        returns = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        good = len(returns) == 100 and statistics.mean(returns) >= self.wanted
        self._in_a_row = self._in_a_row + 1 if good else 0
        self.reached = self._in_a_row == 3


def to_475(game: str, way: str, envs: int, device: str) -> Row:
    """Return a row: the time that GAIL needs from one episode."""
    # Balances the pole for all 500 steps.
    plan = torch.tensor([0.1, 0.2, 1.0, 0.5])
    env: Any = make(game, 1)
    found = record(env, lambda o: (o @ plan > 0).long(), source="scripted")
    names = ("observations", "actions", "episode_lengths", "terminated")
    one = Demonstrations(*(found[name] for name in names)).first(1)
    until = Until(475)
    torch.zeros(1, device=device)  # starts CUDA, which every program does once
    began = time.perf_counter()
    learner = DevicePPO(
        "MlpPolicy",
        make(game, envs, device=device),
        device=device,
        capture=way == "captured",
        **FAST,
        batch_size=envs * FAST["n_steps"] // 4,
    )
    imitate(one, steps=3_000_000, algorithm=learner, callbacks=[until], quiet=True)
    seconds = time.perf_counter() - began
    single = gymnasium.make(game)
    played, _ = evaluate_policy(learner, Monitor(single), 20)
    key = {"task": TO_475, "game": game, "way": way, "envs": envs, "device": device}
    figures = {"seconds": seconds, "reached": until.reached, "steps": learner.num_timesteps}
    return {**key, **figures, "episode": len(one), "played": played}


def bars(result: Result) -> None:
    """Add the bar of 4096 environments on a GPU, if that was measured."""
    for row in result.rows:
        if (row["device"], row["envs"], row["way"]) == ("cuda", 4096, "resident"):
            name = (
                f"{row['task']} on {row['game']}, 4096 environments on a GPU: "
                "training steps a second"
            )
            result.bar(name, row["steps_per_second"], ">=", 500_000)
    for row in result.rows:
        if row["way"] == "captured" and row["task"] == "gail" and row["envs"] in CAPTURED:
            name = f"captured GAIL, {row['envs']} environments on a GPU: training steps a second"
            result.bar(name, row["steps_per_second"], ">=", CAPTURED[row["envs"]])
        if row["way"] == "captured" and row["task"] == TO_475:
            seconds = row["seconds"] if row["reached"] and row["played"] >= 475 else math.inf
            result.bar("GAIL on CartPole from one episode to 475: seconds", seconds, "<=", 3)


def captured_rows() -> list[Row]:
    """Return the rows of captured iterations, each after the eager one of its cell."""
    cells: list[tuple[str, int, str]] = [
        (task, envs, way)
        for envs in CAPTURED
        for task in (*TASKS, "gail + r1(weight=1)")
        for way in ("resident", "captured")
    ]
    cells.append(("gail", 64, "captured"))
    cells += [(TO_475, 256, way) for way in ("captured", "resident")]
    return [
        {"task": task, "game": "CartPole-v1", "way": way, "envs": envs, "device": "cuda"}
        for task, envs, way in cells
    ]


def over_numpy(row: Row, rows: list[Row]) -> Row:
    """Return the row with its speed over that of the same cell in numpy."""
    cell = ("task", "game", "envs", "device")
    for other in rows:
        same = row["task"] != TO_475 and other["way"] == "numpy"
        if same and all(other[name] == row[name] for name in cell):
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
        if options.device == "cuda" and not quick:
            todo += [row for row in captured_rows() if row not in todo]
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
