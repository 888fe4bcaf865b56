"""Read demonstrations from files, names of data sets and policies; write files."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from advlearn.core.arguments import Count, Seed, checked
from advlearn.core.checks import check_method
from advlearn.core.files import RefusedFileError
from advlearn.data.files import find
from advlearn.data.npz import read_npz, write_npz
from advlearn.imitation.demonstrations.dataset import Array, Demonstrations, from_arrays
from advlearn.imitation.demonstrations.episodes import joined, row_of, together
from advlearn.imitation.demonstrations.hdf5 import SUFFIXES, from_hdf5
from advlearn.imitation.demonstrations.sources import (
    from_huggingface,
    from_minari,
    from_trajectories,
)

PACKAGED = Path(__file__).parent / "packaged"


@checked
def load_demonstrations(path: str | Path, *, max_bytes: Count | None = None) -> Demonstrations:
    """Read demonstrations from an npz file of flat arrays, or from a data set by its name.

    No file is unpickled, and the sizes in a file are checked before its arrays are read.

    Args:
        path: A name such as ``"cartpole"``: a file in ``demos/`` of the data folder that
            ``ADVLEARN_DATA`` names, else one that ships with advlearn (a few episodes of CartPole,
            Pendulum, Hopper and HalfCheetah); or the path of a file with
            ``observations``, ``episode_lengths``, ``terminated`` and, optionally,
            ``actions``, ``env_id`` and ``expert_return_mean``; for a dict space, with
            ``observations/name`` for each part. Or an npz file or a folder of trajectories that
            the package `imitation` saved, a folder of LeRobot, or an HDF5 file for `from_hdf5`.
            Or ``"minari:ID"`` for `from_minari`, or ``"hf:NAME"`` for `from_huggingface`.
        max_bytes: The largest sum of the bytes of all arrays of a file; None: 1 GiB, or 20 times
            the size of the file where that is more.

    Returns:
        The demonstrations.

    Raises:
        FileNotFoundError: If the file does not exist.
        ImportError: If the package that loads the data set is not installed.
        ValueError: If the file is damaged, is larger than `max_bytes` or lacks an array, or
            `Demonstrations` refuses one.
    """
    name, path = str(path), Path(path)
    origin, _, dataset = name.partition(":")
    if origin in ("minari", "hf"):
        return from_minari(dataset) if origin == "minari" else from_huggingface(dataset)
    if not path.suffix and (named := _named(name)):
        path = named
        logging.getLogger("advlearn").info("demonstrations: %r is read from %s", name, path)
    if path.is_dir():
        return from_huggingface(path)
    if path.suffix in SUFFIXES and path.is_file():
        return from_hdf5(path, max_bytes=max_bytes)
    if not path.is_file():
        shipped = ", ".join(sorted(file.stem for file in PACKAGED.glob("*.npz")))
        raise FileNotFoundError(
            f"demonstrations: expected a path, minari:ID, hf:NAME or a name, got {path}, which "
            f"does not exist; {shipped} ship with advlearn"
        )
    try:
        return _from_file(path, max_bytes)
    except RefusedFileError as error:
        raise RefusedFileError(
            f"demonstrations: expected an npz file of plain arrays, got {path}, which is refused: "
            f"{error}; record or copy it again"
        ) from None


def _from_file(path: Path, max_bytes: int | None) -> Demonstrations:
    """Read an npz file; arrays of wrong types can cause errors of several kinds."""
    # The package `imitation` saves information of the environment as objects.
    arrays = read_npz(path, max_bytes, skip=("infos",))
    try:
        if {"obs", "acts", "terminal", "indices"} <= arrays.keys():
            return from_trajectories(_split(arrays))
        return from_arrays(arrays, str(path))
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError):
        raise RefusedFileError("its arrays have other types or shapes") from None


def _split(arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Split the joined trajectories of a file of `imitation` at the indices of their ends."""
    ends = arrays["indices"]
    # Each trajectory has one observation more than actions.
    split = {"obs": np.split(arrays["obs"], ends + np.arange(len(ends)) + 1)}
    split |= {name: np.split(arrays[name], ends) for name in ("acts", "rews") if name in arrays}
    split["terminal"] = list(arrays["terminal"])
    if len({len(parts) for parts in split.values()}) != 1:
        raise RefusedFileError("its indices are not those of its trajectories")
    return [dict(zip(split, row, strict=True)) for row in zip(*split.values(), strict=True)]


def _named(name: str) -> Path | None:
    """Return the file with a name, from the data folders or from those that ship with advlearn."""
    shipped = PACKAGED / f"{name}.npz"
    return find("demos", f"{name}.npz") or (shipped if shipped.is_file() else None)


@checked
def record(
    policy: Any, env: str | VecEnv, episodes: Count, *, deterministic: bool = False, seed: Seed = 0
) -> Demonstrations:
    """Roll out a policy and record whole episodes, in the environment's own units.

    Observations and rewards are recorded below any `VecNormalize`. A policy with a `VecNormalize`
    or a `VecFrameStack` gets one in a new environment too; a policy with a memory gets its state,
    and a policy that takes ``action_masks`` those of the environment.

    Args:
        policy: An object with ``predict(observations, deterministic=...)`` as in stable-baselines3.
        env: Environment id, or a vectorised environment that resets itself.
        episodes: Number of episodes; each environment contributes as many.
        deterministic: Whether to take the policy's mode; otherwise actions are drawn.
        seed: Seeds an environment that is built from an id.

    Returns:
        The episodes, environment by environment.

    Raises:
        ValueError: If `episodes` is not positive.
    """
    check_method("policy", policy, "predict")
    # Late, since the package `sb3` builds on this one.
    from advlearn.imitation.sb3.environment_checks import id_of
    from advlearn.imitation.sb3.making import environment_for, settings_of
    from advlearn.imitation.sb3.playing import playing, shared

    venv = environment_for(policy, env, seed=seed) if isinstance(env, str) else env
    # As many of each environment, since the first episodes to end are the short ones.
    counts = shared(episodes, venv.num_envs)
    ended: list[list[tuple[list[Any], bool]]] = [[] for _ in counts]
    with playing(policy, venv, deterministic=deterministic) as (first, take_step):
        running: list[list[Any]] = [[(row_of(first, i), None, 0.0)] for i in range(venv.num_envs)]
        while any(len(of_env) < count for of_env, count in zip(ended, counts, strict=True)):
            step = take_step()
            for i, info in enumerate(step.infos):
                after = info["terminal_observation"] if step.ends[i] else row_of(step.after, i)
                running[i].append((after, np.array(step.actions[i]), float(step.rewards[i])))
                if step.ends[i]:
                    ended[i].append((running[i], not info.get("TimeLimit.truncated", False)))
                    running[i] = [(row_of(step.after, i), None, 0.0)]
    whole = [
        episode for of_env, count in zip(ended, counts, strict=True) for episode in of_env[:count]
    ]
    returns = [sum(reward for _, _, reward in steps) for steps, _ in whole]
    parts = [
        (
            together([o for o, _, _ in steps], np.stack),
            np.stack([a for _, a, _ in steps[1:]]),
            terminated,
        )
        for steps, terminated in whole
    ]
    mean = float(np.mean(returns))
    if isinstance(env, str):
        return joined(parts, env, mean)
    return replace(joined(parts, id_of(venv), mean), env_settings=settings_of(venv))


@checked
def save_demonstrations(demonstrations: Demonstrations, path: str | Path) -> Path:
    """Write demonstrations to an npz file that `load_demonstrations` reads.

    An interrupted call leaves no partial file.

    Args:
        demonstrations: The demonstrations.
        path: The file.

    Returns:
        The file.
    """
    path, observations, actions = Path(path), demonstrations.observations, demonstrations.actions
    arrays: dict[str, Any] = {} if actions is None else {"actions": actions}
    if isinstance(observations, dict):
        arrays |= {f"observations/{name}": part for name, part in observations.items()}
    else:
        arrays["observations"] = observations
    arrays["episode_lengths"] = demonstrations.lengths
    arrays["terminated"] = demonstrations.terminated
    arrays["env_id"] = np.array(demonstrations.env_id)
    if demonstrations.env_settings:
        arrays["env_settings"] = np.array(json.dumps(dict(demonstrations.env_settings)))
    arrays["expert_return_mean"] = np.array(demonstrations.expert_return)
    write_npz(path, arrays)
    return path
