"""Read demonstrations from files, policies, `imitation`, Minari and Hugging Face; write files."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from advlearn.core.arguments import Count, Seed, checked
from advlearn.core.checks import check_method
from advlearn.core.files import RefusedFileError
from advlearn.data.files import find
from advlearn.data.npz import read_npz, write_npz
from advlearn.imitation.demonstrations.dataset import Array, Demonstrations, from_arrays

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
            ``observations/name`` for each part. Or ``"minari:ID"`` for `from_minari`, or
            ``"hf:NAME"`` for `from_huggingface`.
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
    arrays = read_npz(path, max_bytes)
    try:
        return from_arrays(arrays, str(path))
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError):
        raise RefusedFileError("its arrays have other types or shapes") from None


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
        running: list[list[Any]] = [[(_row(first, i), None, 0.0)] for i in range(venv.num_envs)]
        while any(len(of_env) < count for of_env, count in zip(ended, counts, strict=True)):
            step = take_step()
            for i, info in enumerate(step.infos):
                after = info["terminal_observation"] if step.ends[i] else _row(step.after, i)
                running[i].append((after, np.array(step.actions[i]), float(step.rewards[i])))
                if step.ends[i]:
                    ended[i].append((running[i], not info.get("TimeLimit.truncated", False)))
                    running[i] = [(_row(step.after, i), None, 0.0)]
    whole = [
        episode for of_env, count in zip(ended, counts, strict=True) for episode in of_env[:count]
    ]
    returns = [sum(reward for _, _, reward in steps) for steps, _ in whole]
    parts = [
        (
            _together([o for o, _, _ in steps], np.stack),
            np.stack([a for _, a, _ in steps[1:]]),
            terminated,
        )
        for steps, terminated in whole
    ]
    mean = float(np.mean(returns))
    if isinstance(env, str):
        return _joined(parts, env, mean)
    return replace(_joined(parts, id_of(venv), mean), env_settings=settings_of(venv))


@checked
def from_trajectories(trajectories: Iterable[Any], env_id: str = "") -> Demonstrations:
    """Build demonstrations from trajectories of the package `imitation`.

    Args:
        trajectories: Objects or mappings with ``obs`` (T + 1, ...) or a ``DictObs``, ``acts``
            (T, ...), ``terminal`` and, optionally, ``rews``. If actions were not recorded, no
            trajectory has ``acts``. They are read one by one, so they may be streamed.
        env_id: Id of the environment.

    Returns:
        The demonstrations.

    Raises:
        ValueError: If there is no trajectory, one lacks ``obs`` or ``terminal``, or
            `Demonstrations` refuses the arrays.

    Example:
        >>> row = {
        ...     "obs": [[0.0], [1.0], [2.0]],
        ...     "acts": [1, 1],
        ...     "rews": [1.0, 1.0],
        ...     "terminal": True,
        ... }
        >>> demos = from_trajectories([row, row])
        >>> len(demos), demos.episodes, demos.expert_return
        (4, 2, 2.0)
    """
    parts: list[tuple[Any, Array | None, bool]] = []
    returns: list[float] = []
    for trajectory in trajectories:
        given = _fields(trajectory)
        missing = [name for name in ("obs", "terminal") if given.get(name) is None]
        if missing:
            raise ValueError(
                f"trajectories: expected obs and terminal, got {', '.join(given)} in number "
                f"{len(parts)}; add {', '.join(missing)}"
            )
        acts, rewards = given.get("acts"), given.get("rews")
        actions = None if acts is None else np.asarray(acts)
        parts.append((_arrays(given["obs"]), actions, bool(given["terminal"])))
        returns.append(float("nan") if rewards is None else float(np.sum(rewards)))
    return _joined(parts, env_id, float(np.mean(returns)) if returns else float("nan"))


@checked
def from_huggingface(dataset: Any, env_id: str = "") -> Demonstrations:
    """Build demonstrations from a Hugging Face data set in the layout of the package `imitation`.

    Args:
        dataset: A ``datasets.Dataset``, or its name, whose split ``train`` is streamed. A row is an
            episode with ``obs``, ``acts``, ``rews`` and ``terminal``; ``infos``, which hold
            pickles, are not read.
        env_id: Id of the environment, which such a data set does not hold.

    Returns:
        The demonstrations.

    Raises:
        ImportError: If a name is given and `datasets` is not installed.
        ValueError: If `from_trajectories` refuses a row.
    """
    if isinstance(dataset, str):
        try:
            import datasets  # type: ignore[import-not-found]
        except ImportError:
            raise ImportError(
                f"dataset: {dataset!r} is loaded by the package datasets, which is not installed: "
                "pip install datasets"
            ) from None
        dataset = datasets.load_dataset(dataset, split="train", streaming=True)
    return from_trajectories(dataset, env_id)


@checked
def from_minari(dataset: Any) -> Demonstrations:
    """Build demonstrations from a Minari data set.

    Args:
        dataset: A ``minari.MinariDataset``, or its id.

    Returns:
        The demonstrations.

    Raises:
        ImportError: If an id is given and Minari is not installed.
    """
    if isinstance(dataset, str):
        try:
            import minari  # type: ignore[import-not-found]
        except ImportError:
            raise ImportError(
                f"dataset: {dataset!r} is loaded by the package minari, which is not installed: "
                "pip install minari"
            ) from None
        dataset = minari.load_dataset(dataset)
    check_method("dataset", dataset, "iterate_episodes")
    episodes = list(dataset.iterate_episodes())
    parts = [
        (_arrays(e.observations), np.asarray(e.actions), bool(e.terminations[-1])) for e in episodes
    ]
    spec = getattr(dataset, "env_spec", None)
    # Wrappers of the environment cannot be saved with demonstrations; `imitate` then asks for it.
    name = "" if getattr(spec, "additional_wrappers", ()) else getattr(spec, "id", "")
    joined = _joined(parts, name, float(np.mean([np.sum(e.rewards) for e in episodes])))
    from advlearn.imitation.sb3.making import plain_settings

    return replace(joined, env_settings=plain_settings(spec) if name else {})


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


def _fields(trajectory: Any) -> Mapping[str, Any]:
    if isinstance(trajectory, Mapping):
        return cast(Mapping[str, Any], trajectory)
    names = ("obs", "acts", "rews", "terminal")
    return {name: getattr(trajectory, name) for name in names if hasattr(trajectory, name)}


def _joined(
    parts: Sequence[tuple[Any, Array | None, bool]], env_id: str, expert_return: float
) -> Demonstrations:
    if not parts:
        raise ValueError("demonstrations: expected at least one episode, got none")
    recorded = [actions for _, actions, _ in parts if actions is not None]
    if len(recorded) not in (0, len(parts)):
        raise ValueError(
            f"actions: expected in every episode or in none, got them in {len(recorded)} of "
            f"{len(parts)}; leave them out, or leave the other episodes out"
        )
    lengths = [len(actions) for actions in recorded] or [
        _steps(observations) for observations, _, _ in parts
    ]
    return Demonstrations(
        _together([observations for observations, _, _ in parts], np.concatenate),
        np.concatenate(recorded) if recorded else None,
        np.array(lengths),
        np.array([terminated for _, _, terminated in parts]),
        env_id,
        expert_return,
    )


def _together(observations: list[Any], join: Callable[[list[Any]], Array]) -> Any:
    """Join arrays, or dicts of arrays name by name."""
    if isinstance(observations[0], dict):
        return {name: join([parts[name] for parts in observations]) for name in observations[0]}
    return join(observations)


def _steps(observations: Any) -> int:
    """Return the steps of an episode whose last observation is included."""
    part = next(iter(observations.values())) if isinstance(observations, dict) else observations
    return len(part) - 1


def _row(observations: Any, i: int) -> Any:
    """Return a copy of the observation of environment `i`."""
    return _together([observations], lambda parts: np.array(parts[0][i]))


def _arrays(observations: Any) -> Any:
    """Convert arrays, dicts or a ``DictObs`` of `imitation` to an array or a dict of arrays."""
    observations = observations.unwrap() if hasattr(observations, "unwrap") else observations
    return _together([observations], lambda parts: np.asarray(parts[0]))
