"""Measure steps per second of the batched environments, and how far they are from gymnasium's.

The batches, gymnasium's own vectorised CartPole and a loop over one gymnasium environment are timed
in turns in one run on one core, in CPU seconds (wall-clock seconds on a GPU). Actions are drawn in
advance; resets are included. The classic environments are compared step by step with gymnasium's.
The MuJoCo environments, if MuJoCo is installed, are timed in batches of 16 and 64 against
stable-baselines3's use of gymnasium: a `DummyVecEnv` of environments in a `Monitor`.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
from advlearn_envs import GymnasiumVectorEnv, StableBaselinesVecEnv, make
from advlearn_envs.batched import BatchedEnv, Choice
from advlearn_envs.catalogue import ENTRIES, available
from harness import Result, Row, arguments, one_thread
from stable_baselines3.common.env_util import make_vec_env
from torch import Tensor

CLASSIC = ("CartPole-v1", "Pendulum-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Acrobot-v1")
MUJOCO = [name for name in ("Hopper-v5", "HalfCheetah-v5", "Walker2d-v5") if name in available()]
Call = Callable[[], Any]
Clock = Callable[[], float]


def drawn(env: BatchedEnv, steps: int, seed: int = 0) -> Tensor:
    """Return random actions (steps, N) or (steps, N, A) on the environment's device."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(env.ACTIONS, Choice):
        return torch.randint(0, env.ACTIONS.n, (steps, env.num_envs), generator=generator).to(
            env.device
        )
    high = torch.tensor(env.ACTIONS.high)
    return ((torch.rand(steps, env.num_envs, len(high), generator=generator) * 2 - 1) * high).to(
        env.device
    )


def batch(name: str, envs: int, device: str) -> Call:
    """Return a function that steps a batch, with tensors in and out."""
    env = make(name, envs, device=device)
    env.reset(seed=0)
    actions = list(drawn(env, 16))
    turn = iter(range(10**9))
    return lambda: env.step(actions[next(turn) % 16])


def through(adapter: str, envs: int, device: str) -> Call:
    """Return a function that steps CartPole through an adapter, with numpy arrays."""
    if adapter == "gymnasium, vectorised":
        vector = gymnasium.make_vec("CartPole-v1", envs, vectorization_mode="vector_entry_point")
    elif adapter == "gymnasium, SyncVectorEnv":
        vector = gymnasium.make_vec("CartPole-v1", envs, vectorization_mode="sync")
    elif adapter == "advlearn as gymnasium VectorEnv":
        vector = GymnasiumVectorEnv(make("CartPole-v1", envs, device=device))
    else:
        vector = StableBaselinesVecEnv(make("CartPole-v1", envs, device=device))
    vector.reset()
    actions = list(np.random.default_rng(0).integers(0, 2, (16, envs)))
    turn = iter(range(10**9))
    return lambda: vector.step(actions[next(turn) % 16])


def through_sb3(way: str, name: str, envs: int) -> Call:
    """Return a function that steps an environment of continuous actions through SB3."""
    env = make(name, envs)
    venv = (
        make_vec_env(name, envs, seed=0)
        if way == "gymnasium, SB3 DummyVecEnv"
        else StableBaselinesVecEnv(env)
    )
    venv.reset()
    actions = list(drawn(env, 64).numpy())
    turn = iter(range(10**9))
    return lambda: venv.step(actions[next(turn) % 64])


def seconds(call: Call, repeats: int, device: str, clock: Clock = time.process_time) -> float:
    """Return the seconds of one call: by `clock` on a CPU, wall-clock on a GPU."""
    if device == "cpu":
        start = clock()
        for _ in range(repeats):
            call()
        return (clock() - start) / repeats
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def speeds(envs: int, device: str, rounds: int, budget: float) -> list[Row]:
    """Return a row for each environment and each way of stepping CartPole, timed in turns."""
    names = [name for name, entry in ENTRIES.items() if entry.needs is None]
    calls: dict[tuple[str, str], Call] = {
        ("advlearn batch", name): batch(name, envs, device) for name in names
    }
    for way in ("advlearn as gymnasium VectorEnv", "advlearn as SB3 VecEnv"):
        calls[way, "CartPole-v1"] = through(way, envs, device)
    if device == "cpu":
        for way in ("gymnasium, vectorised", "gymnasium, SyncVectorEnv"):
            calls[way, "CartPole-v1"] = through(way, envs, device)
    return timed(calls, envs, device, rounds, budget)


def mujoco_speeds(envs: int, rounds: int, budget: float) -> list[Row]:
    """Return a row for each MuJoCo environment and way of stepping it on a CPU, timed in turns."""
    calls: dict[tuple[str, str], Call] = {
        ("advlearn batch", name): batch(name, envs, "cpu") for name in MUJOCO
    }
    for way in ("advlearn as SB3 VecEnv", "gymnasium, SB3 DummyVecEnv"):
        calls |= {(way, name): through_sb3(way, name, envs) for name in MUJOCO}
    return timed(calls, envs, "cpu", rounds, budget)


def timed(
    calls: dict[tuple[str, str], Call],
    envs: int,
    device: str,
    rounds: int,
    budget: float,
    clock: Clock = time.process_time,
) -> list[Row]:
    """Return a row for each way and environment."""
    # Warm up, and repeat so that each round takes about as long for every way.
    repeats = {
        key: max(1, int(budget / (seconds(call, 2, device, clock) + 1e-9)))
        for key, call in calls.items()
    }
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            times[key].append(seconds(call, repeats[key], device, clock))
    return [
        {
            "measure": "speed",
            "way": way,
            "env": name,
            "envs": envs,
            "device": device,
            "step_us": 1e6 * statistics.median(taken),
            "steps_per_second": envs / statistics.median(taken),
            "lowest": envs / max(taken),
            "highest": envs / min(taken),
            "rounds": rounds,
        }
        for (way, name), taken in times.items()
    ]


def difference(name: str, steps: int, every_step: bool, seed: int = 0) -> Row:
    """Return the largest difference from gymnasium in observation and reward over random steps.

    The state of the gymnasium environment is set to that of the batch at the start of each
    episode, and before every step if `every_step`.
    """
    env, reference = make(name, 1, seed=seed), gymnasium.make(name).unwrapped
    reference.reset(seed=seed)
    env.reset()
    hand_over(env, reference)
    worst, flags, episodes = 0.0, 0, 0
    for action in drawn(env, steps, seed):
        step = env.step(action)
        observation, reward, terminated, _, _ = reference.step(
            action[0].numpy() if action.ndim > 1 else int(action)
        )
        worst = max(worst, float(np.abs(step.final_observations[0].numpy() - observation).max()))
        worst = max(worst, abs(float(step.rewards) - float(reward)))
        flags += bool(step.terminated) != terminated
        ended = bool(step.terminated | step.truncated)
        episodes += ended
        if ended:
            reference.reset()
        if ended or every_step:
            hand_over(env, reference)
    return {
        "measure": "difference",
        "env": name,
        "device": "cpu",
        "state_handed_over": "every step" if every_step else "every episode",
        "steps": steps,
        "episodes": episodes,
        "seed": seed,
        "largest_difference": worst,
        "terminations_that_differ": flags,
    }


def hand_over(env: BatchedEnv, reference: gymnasium.Env) -> None:
    """Copy the batch's state to a gymnasium environment, in the precision that it has now."""
    # The continuous mountain car keeps float64 after a reset and float32 after a step.
    rounds = env.NAME == "MountainCarContinuous-v0"
    reference.state = env.state[0].numpy().astype(reference.state.dtype if rounds else np.float64)
    reference.steps_beyond_terminated = None


def bars(result: Result) -> None:
    """Return the required bars, and the errors over whole episodes (the acrobot is chaotic)."""
    for row in result.rows:
        if (row["measure"], row["device"], row.get("way")) == ("speed", "cpu", "advlearn batch"):
            if row["env"] == "CartPole-v1":
                result.bar(
                    "CartPole, steps a second on one core", row["steps_per_second"], ">=", 1e6
                )
        elif row["measure"] == "difference":
            over = ", over whole episodes" if row["state_handed_over"] == "every episode" else ""
            result.bar(
                f"largest difference, {row['env']}{over}", row["largest_difference"], "<=", 1e-5
            )
    found = [row for row in result.rows if row["measure"] == "difference"]
    result.bar(
        "terminations that differ", sum(row["terminations_that_differ"] for row in found), "==", 0
    )


def main() -> None:
    """Time all environments, and compare the classic ones."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("envs", quick=options.quick)
    if not options.report:
        rows = speeds(
            32 if options.quick else 4096,
            options.device,
            *((1, 1e-4) if options.quick else (5, 0.4)),
        )
        if options.device == "cpu":
            for envs in (2,) if options.quick else (16, 64):
                rows += mujoco_speeds(envs, *((1, 1e-4) if options.quick else (5, 0.4)))
            steps = 30 if options.quick else 10_000
            rows += [difference(name, steps, every) for every in (True, False) for name in CLASSIC]
        result.rows = [row for row in result.rows if row["device"] != options.device] + rows
    bars(result)
    result.save()
    result.show(
        ["way", "env", "envs", "device", "step_us", "steps_per_second", "lowest", "highest"],
        [row for row in result.rows if row["measure"] == "speed"],
    )
    result.bars = []
    result.show(
        [
            "env",
            "state_handed_over",
            "steps",
            "episodes",
            "largest_difference",
            "terminations_that_differ",
        ],
        [row for row in result.rows if row["measure"] == "difference"],
    )


if __name__ == "__main__":
    main()
