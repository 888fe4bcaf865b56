"""Demonstrations from what people have: a policy to roll out, trajectories of `imitation`, Minari, Hugging Face."""

import logging
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from advlearn.data.files import find
from advlearn.imitation.demonstrations.dataset import Array, Demonstrations, from_arrays
from advlearn.training.files import atomic_write

PACKAGED = Path(__file__).parent / "packaged"


def load_demonstrations(path: str | Path) -> Demonstrations:
    """Read demonstrations from an npz file of flat arrays, or from a data set by its name; without pickles.

    Args:
        path: A name such as ``"cartpole"``: a file in ``demos/`` of the data folder that
            ``ADVLEARN_DATA`` names, else one that ships with advlearn (a few episodes of CartPole,
            Pendulum, Hopper and HalfCheetah); or the path of a file with
            ``observations``, ``episode_lengths``, ``terminated`` and, optionally,
            ``actions``, ``env_id`` and ``expert_return_mean``; of a dict space
            ``observations/name`` for each part. Or ``"minari:ID"`` and ``"hf:NAME"``, for what
            `from_minari` and `from_huggingface` take.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: A data set, and the package that loads it is not installed.
        ValueError: It is cut off, lacks an array, or holds what `Demonstrations` refuses.
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
            f"demonstrations: there is no file {path}; expected a path, minari:ID, hf:NAME or a "
            f"name, of which {shipped} ship with advlearn"
        )
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"demonstrations: {path} is cut off or no npz file of plain arrays: {error}"
        ) from None
    return from_arrays(arrays, str(path))


def _named(name: str) -> Path | None:
    """Return the file of a name, in the data folders or among those that ship with advlearn."""
    shipped = PACKAGED / f"{name}.npz"
    return find("demos", f"{name}.npz") or (shipped if shipped.is_file() else None)


def record(
    policy: Any, env: str | VecEnv, episodes: int, *, deterministic: bool = False, seed: int = 0
) -> Demonstrations:
    """Roll out a policy until so many episodes have ended.

    Args:
        policy: Whatever has ``predict(observations, deterministic=...)`` as in stable-baselines3.
        env: Environment id, or a vectorised environment that resets itself.
        episodes: How many; those of one environment after the other, so that short ones are not
            preferred.
        deterministic: Take the policy's mode, else draw from it.
        seed: Seeds an environment that is made here.

    Raises:
        ValueError: `episodes` is not positive.
    """
    if episodes < 1:
        raise ValueError(f"episodes: expected at least 1, got {episodes}")
    from stable_baselines3.common.env_util import make_vec_env

    venv = make_vec_env(env, n_envs=1, seed=seed) if isinstance(env, str) else env
    # As many of each environment: taking the first to end would take the short ones.
    wanted = [
        episodes // venv.num_envs + (i < episodes % venv.num_envs) for i in range(venv.num_envs)
    ]
    seen: Any = venv.reset()
    running: list[list[Any]] = [[(_row(seen, i), None, 0.0)] for i in range(venv.num_envs)]
    done: list[list[tuple[list[Any], bool]]] = [[] for _ in range(venv.num_envs)]
    while any(len(found) < n for found, n in zip(done, wanted, strict=True)):
        actions, _ = policy.predict(seen, deterministic=deterministic)
        seen, rewards, ends, infos = venv.step(actions)
        for i, info in enumerate(infos):
            after = info["terminal_observation"] if ends[i] else _row(seen, i)
            running[i].append((after, np.array(actions[i]), float(rewards[i])))
            if ends[i]:
                done[i].append((running[i], not info.get("TimeLimit.truncated", False)))
                running[i] = [(_row(seen, i), None, 0.0)]
    kept = [episode for found, n in zip(done, wanted, strict=True) for episode in found[:n]]
    returns = [sum(reward for _, _, reward in steps) for steps, _ in kept]
    parts = [
        (
            _together([o for o, _, _ in steps], np.stack),
            np.stack([a for _, a, _ in steps[1:]]),
            terminated,
        )
        for steps, terminated in kept
    ]
    return _joined(parts, env if isinstance(env, str) else "", float(np.mean(returns)))


def from_trajectories(trajectories: Iterable[Any], env_id: str = "") -> Demonstrations:
    """Demonstrations from trajectories as the package `imitation` has them.

    Args:
        trajectories: Objects, or mappings, with ``obs`` (T + 1, ...) or its ``DictObs``, ``acts``
            (T, ...) and ``terminal``; ``rews`` if there is one, and all without ``acts`` where
            nobody noted them. They are taken one by one, so they may be streamed.
        env_id: The environment.

    Raises:
        ValueError: None at all, one without ``obs`` or ``terminal``, or what `Demonstrations`
        refuses.

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
        t = _fields(trajectory)
        lacking = [name for name in ("obs", "terminal") if t.get(name) is None]
        if lacking:
            raise ValueError(
                f"trajectories: number {len(parts)} lacks {', '.join(lacking)}; it has {', '.join(t)}"
            )
        acts = t.get("acts")
        parts.append(
            (_arrays(t["obs"]), None if acts is None else np.asarray(acts), bool(t["terminal"]))
        )
        returns.append(float("nan") if t.get("rews") is None else float(np.sum(t["rews"])))
    return _joined(parts, env_id, float(np.mean(returns)) if returns else float("nan"))


def from_huggingface(dataset: Any, env_id: str = "") -> Demonstrations:
    """Demonstrations from a Hugging Face data set in the layout of the package `imitation`, one episode a row.

    Args:
        dataset: A ``datasets.Dataset``, or its name, whose split ``train`` is streamed. Rows have
            ``obs``, ``acts``, ``rews`` and ``terminal``; ``infos``, which are pickled as text, are
            left alone.
        env_id: The environment, which such a data set does not name.

    Raises:
        ImportError: A name, and `datasets` is not installed.
        ValueError: A row lacks something; see `from_trajectories`.
    """
    if isinstance(dataset, str):
        try:
            import datasets  # type: ignore[import-not-found]
        except ImportError:
            raise ImportError(
                f"dataset: {dataset!r} is a name; to load it: pip install datasets"
            ) from None
        dataset = datasets.load_dataset(dataset, split="train", streaming=True)
    return from_trajectories(dataset, env_id)


def from_minari(dataset: Any) -> Demonstrations:
    """Demonstrations from a Minari data set.

    Args:
        dataset: A ``minari.MinariDataset``, or its id, which is loaded.

    Raises:
        ImportError: An id, and Minari is not installed.
    """
    if isinstance(dataset, str):
        try:
            import minari  # type: ignore[import-not-found]
        except ImportError:
            raise ImportError(
                f"dataset: {dataset!r} is an id, and Minari, which loads it, is not installed"
            ) from None
        dataset = minari.load_dataset(dataset)
    given = list(dataset.iterate_episodes())
    parts = [
        (_arrays(e.observations), np.asarray(e.actions), bool(e.terminations[-1])) for e in given
    ]
    spec = getattr(dataset, "env_spec", None)
    return _joined(
        parts, getattr(spec, "id", ""), float(np.mean([np.sum(e.rewards) for e in given]))
    )


def save_demonstrations(demonstrations: Demonstrations, path: str | Path) -> Path:
    """Write demonstrations to an npz file that `load_demonstrations` reads; the file is whole or absent."""
    path, seen, actions = Path(path), demonstrations.observations, demonstrations.actions
    named: dict[str, Any] = {} if actions is None else {"actions": actions}
    named |= (
        {f"observations/{n}": p for n, p in seen.items()}
        if isinstance(seen, dict)
        else {"observations": seen}
    )
    with atomic_write(path) as file:
        np.savez_compressed(
            file,
            **named,
            episode_lengths=demonstrations.lengths,
            terminated=demonstrations.terminated,
            env_id=np.array(demonstrations.env_id),
            expert_return_mean=np.array(demonstrations.expert_return),
        )
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
    acted = [actions for _, actions, _ in parts if actions is not None]
    if len(acted) not in (0, len(parts)):
        raise ValueError(
            f"actions: expected in every episode or in none, got them in {len(acted)} of {len(parts)}"
        )
    lengths = [len(actions) for actions in acted] or [
        _steps(observations) for observations, _, _ in parts
    ]
    return Demonstrations(
        _together([observations for observations, _, _ in parts], np.concatenate),
        np.concatenate(acted) if acted else None,
        np.array(lengths),
        np.array([terminated for _, _, terminated in parts]),
        env_id,
        expert_return,
    )


def _together(observations: list[Any], join: Callable[[list[Any]], Array]) -> Any:
    """Arrays joined, or dicts of arrays by name."""
    if isinstance(observations[0], dict):
        return {name: join([one[name] for one in observations]) for name in observations[0]}
    return join(observations)


def _steps(observations: Any) -> int:
    """Steps of an episode whose last observation is included."""
    return (
        len(next(iter(observations.values())) if isinstance(observations, dict) else observations)
        - 1
    )


def _row(observations: Any, i: int) -> Any:
    """A copy of the observation of environment `i`."""
    return _together([observations], lambda parts: np.array(parts[0][i]))


def _arrays(observations: Any) -> Any:
    """Arrays, or a dict of them, from arrays, dicts or the ``DictObs`` of `imitation`."""
    observations = observations.unwrap() if hasattr(observations, "unwrap") else observations
    return _together([observations], lambda parts: np.asarray(parts[0]))
