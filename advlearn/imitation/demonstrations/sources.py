"""Read demonstrations from `imitation`, Minari, Hugging Face and LeRobot."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from advlearn.core.arguments import checked
from advlearn.core.checks import check_method, describe_value
from advlearn.imitation.demonstrations.dataset import Array, Demonstrations
from advlearn.imitation.demonstrations.episodes import Part, arrays_of, joined, together


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
        parts.append((arrays_of(given["obs"]), actions, bool(given["terminal"])))
        returns.append(float("nan") if rewards is None else float(np.sum(rewards)))
    return joined(parts, env_id, float(np.mean(returns)) if returns else float("nan"))


@checked
def from_huggingface(dataset: Any, env_id: str = "") -> Demonstrations:
    """Build demonstrations from a Hugging Face data set of the package `imitation`, or of LeRobot.

    Args:
        dataset: A ``datasets.Dataset``; or its name, whose split ``train`` is streamed; or the
            folder of one that `imitation` or LeRobot saved. A row is an episode with ``obs``,
            ``acts``, ``rews`` and ``terminal``; ``infos``, which hold pickles, are not read. Or a
            row is a frame with ``episode_index``, as `from_frames` reads them.
        env_id: Id of the environment, which such a data set does not hold.

    Returns:
        The demonstrations.

    Raises:
        ImportError: If a name or a folder is given and `datasets` is not installed.
        ConnectionError: If the data set cannot be downloaded.
        ValueError: If `from_trajectories` or `from_frames` refuses a row.
    """
    if isinstance(dataset, str | Path):
        try:
            import datasets  # type: ignore[import-not-found]
        except ImportError:
            raise ImportError(
                f"dataset: {dataset!r} is loaded by the package datasets, which is not installed: "
                "pip install datasets"
            ) from None
        dataset = _loaded(datasets, dataset)
    if not isinstance(dataset, Iterable):
        raise TypeError(
            f"dataset: expected a Dataset, a name or a folder, got {describe_value(dataset)}; pass "
            "a datasets.Dataset or another iterable of rows"
        )
    rows: Iterator[Any] = iter(cast(Iterable[Any], dataset))
    first = list(islice(rows, 1))
    frames = bool(first) and isinstance(first[0], Mapping) and "episode_index" in first[0]
    return (from_frames if frames else from_trajectories)(chain(first, rows), env_id)


def _loaded(datasets: Any, dataset: str | Path) -> Any:
    """Return the rows of a data set by its name, or by the folder that it was saved to."""
    folder = Path(dataset)
    if (folder / "state.json").is_file():
        return datasets.load_from_disk(str(folder))
    if (folder / "meta" / "info.json").is_file():
        files = str(folder / "data" / "**" / "*.parquet")
        return datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
    try:
        return datasets.load_dataset(str(dataset), split="train", streaming=True)
    except OSError as error:
        raise _not_downloaded("hf", str(dataset), error) from None


@checked
def from_frames(frames: Iterable[Any], env_id: str = "") -> Demonstrations:
    """Build demonstrations from the frames of a LeRobot data set.

    Such a data set does not hold the observation after the last action of an episode, so that this
    action is left out, and no episode counts as ended by the environment.

    Args:
        frames: Mappings with ``episode_index``, ``action``, ``observation`` or parts of it such as
            ``observation.state``, and, optionally, ``next.reward``. Parts that are not numbers,
            such as videos, are left out. Frames are ordered by episode and time.
        env_id: Id of the environment.

    Returns:
        The demonstrations; observations are an array if a frame has one part, else a dict.

    Raises:
        ValueError: If a frame lacks a column, or no episode has two frames.

    Example:
        >>> frames = [
        ...     {"episode_index": 0, "observation.state": [float(t)], "action": [1.0, t]}
        ...     for t in range(4)
        ... ]
        >>> demos = from_frames(frames)
        >>> len(demos), demos.observations.ravel().tolist(), demos.actions[:, 1].tolist()
        (3, [0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0])
    """
    parts: list[Part] = []
    returns: list[float] = []
    for index, episode in groupby(frames, key=lambda frame: _column(frame, "episode_index")):
        rows = list(episode)
        if len(rows) < 2:
            continue
        seen = [_numeric_parts(row) for row in rows]
        if not seen[0]:
            raise ValueError(
                f"frames: expected observations that are numbers, got {', '.join(rows[0])} in "
                f"episode {index}; add observation.state"
            )
        stacked = together(seen, np.stack)
        acts = np.stack([np.asarray(_column(row, "action")) for row in rows[:-1]])
        parts.append((stacked if len(stacked) > 1 else next(iter(stacked.values())), acts, False))
        rewards = [row["next.reward"] for row in rows if "next.reward" in row]
        returns.append(float(np.sum(rewards)) if rewards else float("nan"))
    if not parts:
        raise ValueError("frames: expected an episode of at least two frames, got none; add frames")
    return joined(parts, env_id, float(np.mean(returns)) if returns else float("nan"))


def _column(frame: Mapping[str, Any], name: str) -> Any:
    if name not in frame:
        raise ValueError(
            f"frames: expected episode_index and action, got {', '.join(frame)}; add {name}"
        )
    return frame[name]


def _numeric_parts(frame: Mapping[str, Any]) -> dict[str, Array]:
    """Return the parts of an observation that are numbers, by their names."""
    found: dict[str, Array] = {}
    for name, value in frame.items():
        head, _, part = name.partition(".")
        array = np.asarray(value) if head == "observation" else np.asarray(None)
        if array.dtype.kind in "fiub":
            found[part or name] = np.atleast_1d(array)
    return found


@checked
def from_minari(dataset: Any, *, download: bool = True) -> Demonstrations:
    """Build demonstrations from a Minari data set.

    Args:
        dataset: A ``minari.MinariDataset``, or its id.
        download: Whether to download a data set that is not on this machine.

    Returns:
        The demonstrations.

    Raises:
        ImportError: If an id is given and Minari is not installed.
        FileNotFoundError: If the data set is not on this machine, and `download` is False.
        ConnectionError: If it cannot be downloaded.
    """
    if isinstance(dataset, str):
        try:
            import minari  # type: ignore[import-not-found]
        except ImportError:
            raise ImportError(
                f"dataset: {dataset!r} is loaded by the package minari, which is not installed: "
                "pip install minari"
            ) from None
        dataset = _minari(minari, dataset, download)
    check_method("dataset", dataset, "iterate_episodes")
    episodes = list(dataset.iterate_episodes())
    parts = [
        (arrays_of(e.observations), np.asarray(e.actions), bool(e.terminations[-1]))
        for e in episodes
    ]
    spec = getattr(dataset, "env_spec", None)
    # Wrappers of the environment cannot be saved with demonstrations; `imitate` then asks for it.
    name = "" if getattr(spec, "additional_wrappers", ()) else getattr(spec, "id", "")
    whole = joined(parts, name, float(np.mean([np.sum(e.rewards) for e in episodes])))
    from advlearn.imitation.sb3.making import plain_settings

    return replace(whole, env_settings=plain_settings(spec) if name else {})


def _minari(minari: Any, name: str, download: bool) -> Any:
    """Return a data set by its id, from this machine or from the network."""
    try:
        return minari.load_dataset(name)
    except FileNotFoundError:
        if not download:
            raise FileNotFoundError(
                f"dataset: expected {name!r} on this machine, where it is not; pass download=True, "
                f"or run: minari download {name}"
            ) from None
    # Packages for downloads raise errors of many kinds.
    try:
        return minari.load_dataset(name, download=True)
    except Exception as error:
        raise _not_downloaded("minari", name, error) from None


def _not_downloaded(origin: str, name: str, error: Exception) -> ConnectionError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return ConnectionError(
        f"dataset: {origin}:{name} is not on this machine and cannot be downloaded ({reason}); "
        "check the name and the connection"
    )


def _fields(trajectory: Any) -> Mapping[str, Any]:
    if isinstance(trajectory, Mapping):
        return cast(Mapping[str, Any], trajectory)
    names = ("obs", "acts", "rews", "terminal")
    return {name: getattr(trajectory, name) for name in names if hasattr(trajectory, name)}
