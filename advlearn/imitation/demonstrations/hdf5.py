"""Read demonstrations from HDF5 files of D4RL and robomimic."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from advlearn.core.arguments import Count, checked
from advlearn.core.files import RefusedFileError
from advlearn.data.npz import MOST_BYTES, MOST_TIMES
from advlearn.imitation.demonstrations.dataset import Array, Demonstrations
from advlearn.imitation.demonstrations.episodes import Part, joined

SUFFIXES = (".hdf5", ".h5", ".hdf")
# The type of environments of gymnasium in the attributes of a file of robomimic.
_GYM = 2


@checked
def from_hdf5(
    path: str | Path,
    env_id: str = "",
    *,
    keys: Sequence[str] | None = None,
    max_bytes: Count | None = None,
) -> Demonstrations:
    """Read demonstrations from an HDF5 file of D4RL or robomimic.

    A file of D4RL holds ``observations``, ``actions``, ``rewards``, ``terminals`` and, optionally,
    ``timeouts`` and ``next_observations``, one row for each step; steps after the last end are left
    out. A file of robomimic holds ``data/demo_0/obs/NAME``, ``next_obs/NAME``, ``actions``,
    ``rewards`` and ``dones`` for each episode. A file without the observations after a step lacks
    the last one of each episode: then the last action is left out, and no episode counts as ended
    by the environment.

    Args:
        path: The file.
        env_id: Id of the environment; empty: the one that a file of robomimic names, if it is one
            of gymnasium.
        keys: Parts of the observations of robomimic that become one vector, in this order; None:
            all parts, as a dict.
        max_bytes: The largest sum of the bytes of all arrays; None: 1 GiB, or 20 times the size of
            the file where that is more.

    Returns:
        The demonstrations.

    Raises:
        ImportError: If h5py is not installed.
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is damaged, is too large, refers to other files, or lacks an array.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: expected a file, got {path}, which does not exist")
    try:
        import h5py  # type: ignore[import-not-found]
    except ImportError:
        raise ImportError(
            f"path: {str(path)!r} is read by the package h5py, which is not installed: "
            "pip install h5py"
        ) from None
    module: Any = h5py
    limit = max(MOST_BYTES, MOST_TIMES * path.stat().st_size) if max_bytes is None else max_bytes
    try:
        with module.File(path, "r") as file:
            _check(module, file, limit)
            episodes = _robomimic(file["data"], keys) if "data" in file else _d4rl(file)
            name = env_id or (_gym_id(file["data"]) if "data" in file else "")
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError) as error:
        raise RefusedFileError(
            f"path: expected an HDF5 file of D4RL or robomimic, got {path}, which cannot be read: "
            f"{' '.join(str(error).split())}; download or record it again"
        ) from None
    parts, returns = [part for part, _ in episodes], [total for _, total in episodes]
    return joined(parts, name, float(np.mean(returns)) if returns else float("nan"))


def _check(h5py: Any, group: Any, limit: int) -> None:
    """Refuse links to other files, arrays of objects, and arrays that are too large together."""
    found: list[Any] = [group]
    seen: set[int] = set()
    size = 0
    while found:
        here = found.pop()
        address = h5py.h5o.get_info(here.id).addr
        if address in seen:  # a group may hold itself
            continue
        seen.add(address)
        for name in here:
            if not isinstance(here.get(name, getlink=True), h5py.HardLink):
                raise RefusedFileError(f"path: expected plain arrays, got a link {name!r}")
            thing = here[name]
            if isinstance(thing, h5py.Group):
                found.append(thing)
                continue
            if thing.external or thing.is_virtual:
                raise RefusedFileError(f"path: expected plain arrays, got {name!r} in another file")
            size += thing.size * thing.dtype.itemsize
        if size > limit:
            raise RefusedFileError(
                f"path: expected at most {limit} bytes of arrays, got {size}; raise max_bytes"
            )


def _d4rl(file: Any) -> list[tuple[Part, float]]:
    """Return episodes and their returns from flat arrays."""
    missing = [n for n in ("observations", "actions", "rewards", "terminals") if n not in file]
    if missing:
        raise RefusedFileError(
            "path: expected observations, actions, rewards and terminals, or data/demo_0, got "
            f"{', '.join(file) or 'an empty file'}; add {', '.join(missing)}"
        )
    seen, actions, rewards = (_array(file, n) for n in ("observations", "actions", "rewards"))
    terminals = _array(file, "terminals").reshape(-1) > 0
    limits = _array(file, "timeouts").reshape(-1) > 0 if "timeouts" in file else terminals
    after = _array(file, "next_observations") if "next_observations" in file else None
    rows = {len(part) for part in (seen, actions, rewards, terminals, limits)}
    if len(rows) != 1 or (after is not None and len(after) not in rows):
        raise RefusedFileError(f"path: expected arrays of equal length, got {sorted(rows)} rows")
    episodes: list[tuple[Part, float]] = []
    start = 0
    for end in np.flatnonzero(terminals | limits) + 1:
        rows_of_episode = slice(start, end)
        last = None if after is None else after[end - 1]
        part = _episode(seen[rows_of_episode], actions[rows_of_episode], last, terminals[end - 1])
        if part is not None:
            episodes.append((part, float(np.sum(rewards[rows_of_episode]))))
        start = end
    return episodes


def _robomimic(data: Any, keys: Sequence[str] | None) -> list[tuple[Part, float]]:
    """Return episodes and their returns from one group for each."""
    episodes: list[tuple[Part, float]] = []
    for name in sorted(data, key=lambda name: (len(name), name)):
        demo = data[name]
        if not {"obs", "actions"} <= set(demo):
            raise RefusedFileError(
                f"path: expected obs and actions in data/{name}, got {', '.join(demo)}"
            )
        seen = _observations(demo["obs"], keys)
        after = _observations(demo["next_obs"], keys) if "next_obs" in demo else None
        last = None if after is None else _each(after, lambda part: part[-1])
        ended = bool(_array(demo, "dones").reshape(-1)[-1] > 0) if "dones" in demo else False
        part = _episode(seen, _array(demo, "actions"), last, ended)
        total = float(np.sum(_array(demo, "rewards"))) if "rewards" in demo else float("nan")
        if part is not None:
            episodes.append((part, total))
    return episodes


def _episode(seen: Any, actions: Array, last: Any, ended: Any) -> Part | None:
    """Return an episode with the observation after its last action; None if it has no step."""
    if last is None:
        return (seen, actions[:-1], False) if len(actions) > 1 else None
    if isinstance(seen, dict):
        whole: Any = {name: np.concatenate([seen[name], last[name][None]]) for name in seen}
    else:
        whole = np.concatenate([seen, last[None]])
    return whole, actions, bool(ended)


def _observations(group: Any, keys: Sequence[str] | None) -> Any:
    """Return the parts of the observations by name, or the chosen ones as vectors."""
    if keys is None:
        return {name: _array(group, name) for name in group}
    absent = [name for name in keys if name not in group]
    if absent:
        raise ValueError(
            f"keys: expected among {', '.join(group)}, got {', '.join(absent)}; choose others"
        )
    parts = [_array(group, name) for name in keys]
    return np.concatenate([part.reshape(len(part), -1) for part in parts], 1)


def _each(observations: Any, change: Any) -> Any:
    if isinstance(observations, Mapping):
        return {name: change(part) for name, part in observations.items()}
    return change(observations)


def _array(group: Any, name: str) -> Array:
    values = np.asarray(group[name][()])
    if values.dtype.kind not in "fiub" or not values.ndim:
        raise RefusedFileError(f"path: expected numbers in {name!r}, got {values.dtype}")
    return values


def _gym_id(data: Any) -> str:
    """Return the id of an environment of gymnasium that a file of robomimic names."""
    try:
        described = json.loads(data.attrs["env_args"])
        return str(described["env_name"]) if described["type"] == _GYM else ""
    except (KeyError, TypeError, ValueError):
        return ""
