"""Imitate with every algorithm in every kind of environment, and compare with stable-baselines3.

A row is one of 12 algorithms in one of 8 set-ups of an environment (`walks.py`) that writes the
true return so far into its observations. The runs are a few rollouts long. A cell holds if

- `returns`: with equal seeds, the returns of single episodes are equal to the last digit in
  `evaluate_policy` of stable-baselines3 (that of sb3-contrib for MaskablePPO), in the observations
  that `record` keeps, in `ImitationResult.returns` of the same environment, and in those of an
  environment that it builds itself; and `record` states which episodes the environment ended;
- `last_values`: the advantages of every rollout are computed with the values and ends of the last
  states that stable-baselines3 computes them with; empty for algorithms without rollouts;
- `resume`: a run that is interrupted twice ends with the weights, the scale of observations and the
  history of an uninterrupted run; the largest difference of a number, inf if the history differs.

Otherwise the cell is refused, in one line and before the first step. RecurrentPPO has an
environment that needs a memory in all set-ups, and MaskablePPO one in which a forbidden action is
an error.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import sb3_contrib
import stable_baselines3
import torch
from harness import Result, Row, arguments, compute
from sb3_contrib.common.maskable.evaluation import evaluate_policy as evaluate_masked
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecFrameStack,
    VecNormalize,
    sync_envs_normalization,
)
from walks import EDGE, ID, LIMIT

from advlearn.imitation import Demonstrations, ImitationResult, imitate, record

ON_POLICY = ("PPO", "A2C", "TRPO", "RecurrentPPO", "MaskablePPO")
DISCRETE = ("DQN", "QRDQN", "MaskablePPO")
ALGORITHMS = (*ON_POLICY, "SAC", "TD3", "DDPG", "TQC", "CrossQ", "DQN", "QRDQN")
SETUPS = (
    "plain",
    "VecNormalize",
    "frame stack",
    "recurrent",
    "masks",
    "Dict",
    "time limit",
    "SubprocVecEnv",
)
STEPS, SAVE_EVERY, INTERRUPTED = 96, 16, (40, 75)
EPISODES, SEED, SHORTER = 6, 7, 6
COLUMNS = ["algorithm", "setup", "outcome", "right", "returns", "last_values", "resume", "line"]


class Towards:
    """The expert: walk towards the cue until the end, as far as masks allow."""

    def __init__(self, discrete: bool) -> None:
        self.discrete = discrete

    def predict(
        self, observations: Any, deterministic: bool = True, action_masks: Any = None
    ) -> Any:
        """Return the actions of a batch of observations."""
        walk = observations["walk"] if isinstance(observations, dict) else observations
        right = walk[:, -1 if isinstance(observations, dict) else -2] >= 0
        if not self.discrete:
            return np.where(right, 1.0, -1.0)[:, None], None
        order = np.where(right[:, None], [2, 1, 0], [0, 1, 2])
        allowed = np.ones_like(order, bool) if action_masks is None else action_masks
        best = np.take_along_axis(allowed, order, 1).argmax(1)
        return order[np.arange(len(order)), best], None


class Interrupt(BaseCallback):
    """Raise an error at a step."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.at:
            raise OSError("interrupted")
        return True


def environment(algorithm: str, setup: str, count: int) -> VecEnv:
    """Return environments of a set-up, with their seed set."""
    discrete = algorithm in DISCRETE or setup == "masks"
    settings: dict[str, Any] = {"discrete": discrete, "dicts": setup == "Dict"}
    settings["hidden"] = setup == "recurrent" or algorithm == "RecurrentPPO"
    settings["masks"] = setup == "masks" or algorithm == "MaskablePPO"
    settings["strict"] = algorithm == "MaskablePPO"
    if setup == "time limit":
        settings["max_episode_steps"] = SHORTER
    kind = SubprocVecEnv if setup == "SubprocVecEnv" else DummyVecEnv
    venv = make_vec_env(ID, count, seed=SEED, env_kwargs=settings, vec_env_cls=kind)
    if setup == "VecNormalize":
        return VecNormalize(venv)
    return VecFrameStack(venv, 3) if setup == "frame stack" else venv


def learner(algorithm: str, setup: str, venv: VecEnv) -> Any:
    """Return an algorithm with small networks and short rollouts."""
    kind = "MultiInput" if setup == "Dict" else "Mlp"
    policy = f"{kind}LstmPolicy" if algorithm == "RecurrentPPO" else f"{kind}Policy"
    settings: dict[str, Any] = {"seed": 0, "device": "cpu", "policy_kwargs": {"net_arch": [8]}}
    if algorithm in ON_POLICY:
        settings |= {"n_steps": 8} | ({} if algorithm == "A2C" else {"batch_size": 8})
    else:
        settings |= {"buffer_size": 64, "batch_size": 8, "learning_starts": 16, "train_freq": 2}
    made = stable_baselines3 if hasattr(stable_baselines3, algorithm) else sb3_contrib
    return getattr(made, algorithm)(policy, venv, **settings)


def cell(algorithm: str, setup: str) -> Row:
    """Return the row of an algorithm in a set-up."""
    row: Row = {"algorithm": algorithm, "setup": setup, "outcome": "holds", "line": ""}
    venv = environment(algorithm, setup, 2)
    trained: Any = None
    try:
        demonstrations = record(Towards(algorithm in DISCRETE or setup == "masks"), venv, 4)
        trained = learner(algorithm, setup, venv)
        with last_values(trained) as pairs:
            run = imitate(demonstrations, steps=STEPS, algorithm=trained, quiet=True)
    except (AssertionError, TypeError, ValueError) as error:
        line = str(error)
        early = trained is None or trained.num_timesteps == 0
        return {**row, "outcome": "refused", "right": early and "\n" not in line, "line": line}
    finally:
        venv.close()
    row["returns"] = equal_returns(run, algorithm, setup)
    row["last_values"] = pairs_equal(pairs) if algorithm in ON_POLICY else None
    row["resume"] = resumed_difference(demonstrations, algorithm, setup)
    right = row["returns"] and row["last_values"] is not False and row["resume"] == 0
    return {**row, "right": bool(right)}


@contextmanager
def last_values(algorithm: Any) -> Iterator[list[Any]]:
    """Collect the values and ends of the last states with which advantages are computed."""
    pairs: list[Any] = []
    buffer = type(getattr(algorithm, "rollout_buffer", None))
    compute_advantages = getattr(buffer, "compute_returns_and_advantage", None)
    if compute_advantages is None:
        yield pairs
        return

    def collect(self: Any, last_values: torch.Tensor, dones: Any) -> None:
        pairs.append((last_values.flatten().tolist(), np.asarray(dones).tolist()))
        compute_advantages(self, last_values=last_values, dones=dones)

    buffer.compute_returns_and_advantage = collect
    try:
        yield pairs
    finally:
        buffer.compute_returns_and_advantage = compute_advantages


def pairs_equal(pairs: list[Any]) -> bool:
    """Return whether each rollout had two calls with the same values: SB3's, then advlearn's."""
    return len(pairs) == 2 * STEPS // 16 and pairs[::2] == pairs[1::2]


def equal_returns(run: ImitationResult, algorithm: str, setup: str) -> bool:
    """Return whether all ways to measure the returns of episodes agree."""
    same: list[bool] = []
    for count in (1, 2):
        venv = environment(algorithm, setup, count)
        if isinstance(venv, VecNormalize):
            sync_envs_normalization(run.policy.get_env(), venv)
            venv.training = False
        try:
            evaluated = evaluation(run, algorithm, venv)
            venv.seed(SEED)
            recorded = record(run.policy, venv, EPISODES, deterministic=True)
            venv.seed(SEED)
            measured = [run.returns(venv, EPISODES)]
        finally:
            venv.close()
        measured += [run.returns(episodes=EPISODES, seed=SEED)] if count == 1 else []
        measured.append(returns_of(recorded))
        same += [sorted(returns) == sorted(evaluated) for returns in measured]
        same += [recorded.expert_return == np.mean(evaluated), ends_right(recorded, setup)]
    return all(same)


def evaluation(run: ImitationResult, algorithm: str, venv: VecEnv) -> list[float]:
    """Return the returns of episodes as stable-baselines3 measures them."""
    evaluate: Any = evaluate_masked if algorithm == "MaskablePPO" else evaluate_policy
    return evaluate(run.policy, venv, EPISODES, return_episode_rewards=True)[0]


def returns_of(recorded: Demonstrations) -> list[float]:
    """Return the returns that the last observations of episodes hold."""
    seen = recorded.observations
    paid = seen["paid"] if isinstance(seen, dict) else seen
    return [float(paid[end, -1]) for end in last_rows(recorded)]


def ends_right(recorded: Demonstrations, setup: str) -> bool:
    """Return whether exactly the episodes that left the line are recorded as ended by it."""
    seen = recorded.observations
    walk = seen["walk"][:, 0] if isinstance(seen, dict) else seen[:, -3]
    ended = np.abs(walk[last_rows(recorded)]) >= EDGE
    limit = SHORTER if setup == "time limit" else LIMIT
    lengths = recorded.lengths
    by_limit = bool((lengths[~ended] == limit).all() and (lengths <= limit).all())
    return by_limit and bool((ended == recorded.terminated).all())


def last_rows(recorded: Demonstrations) -> Any:
    """Return the rows of the last observations of episodes."""
    return np.cumsum(recorded.lengths + 1) - 1


def resumed_difference(demonstrations: Demonstrations, algorithm: str, setup: str) -> float:
    """Return the largest difference between a resumed run and an uninterrupted one."""
    with tempfile.TemporaryDirectory() as name:
        whole = saved_run(demonstrations, algorithm, setup, Path(name) / "whole", inf)
        for step in INTERRUPTED:
            try:
                saved_run(demonstrations, algorithm, setup, Path(name) / "broken", step)
            except OSError:
                continue
            return nan
        resumed = saved_run(demonstrations, algorithm, setup, Path(name) / "broken", inf)
    if str(whole.history) != str(resumed.history):
        return inf
    return float((numbers_of(whole) - numbers_of(resumed)).abs().max())


def saved_run(
    demonstrations: Demonstrations, algorithm: str, setup: str, out: Path, at: float
) -> ImitationResult:
    """Return a run with checkpoints that is interrupted at a step."""
    venv = environment(algorithm, setup, 2)
    try:
        return imitate(
            demonstrations, steps=STEPS, algorithm=learner(algorithm, setup, venv), quiet=True,
            out=out, save_every=SAVE_EVERY, callbacks=[Interrupt(at)],
        )  # fmt: skip
    finally:
        venv.close()


def numbers_of(run: ImitationResult) -> torch.Tensor:
    """Return the weights of the policy and the critic, and the scale of observations."""
    states = [run.policy.policy.state_dict(), run.reward.adversary.state_dict()]
    parts = [part for state in states for part in state.values() if torch.is_tensor(part)]
    scale: Any = run.policy.get_vec_normalize_env()
    if scale is not None:
        parts += [torch.as_tensor(scale.obs_rms.mean), torch.as_tensor(scale.obs_rms.var)]
    return torch.cat([part.detach().double().flatten() for part in parts])


def main() -> None:
    """Compute the missing cells and the bars."""
    options = arguments(__doc__).parse_args()
    result = Result("imitation_wrappers", quick=options.quick)
    todo = [{"algorithm": name, "setup": setup} for name in ALGORITHMS for setup in SETUPS]
    if options.quick:
        quick = (("RecurrentPPO", "frame stack"), ("MaskablePPO", "time limit"), ("SAC", "masks"))
        todo = [{"algorithm": name, "setup": setup} for name, setup in quick]
    if not options.report:
        compute(result, cell, todo, options.jobs)
    result.rows.sort(
        key=lambda row: (ALGORITHMS.index(row["algorithm"]), SETUPS.index(row["setup"]))
    )
    if not options.quick:
        result.bar("cells", len(result.rows), "==", len(ALGORITHMS) * len(SETUPS))
        holding = [row for row in result.rows if row["outcome"] == "holds"]
        result.bar("cells that are not refused", len(holding), ">=", 90)
    wrong = [row for row in result.rows if not row["right"]]
    result.bar("cells that do not hold and are not refused by one line", len(wrong), "==", 0)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
