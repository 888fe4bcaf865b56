"""Expert demonstrations: episodes in flat arrays, checked when they are built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from advlearn.core.arguments import checked
from advlearn.imitation.demonstrations.arrays import as_flags, as_number, as_settings, check_layout
from advlearn.imitation.demonstrations.layout import flat
from advlearn.imitation.demonstrations.transitions import Transitions

Array = NDArray[Any]


@checked
@final
@dataclass(frozen=True, eq=False)
class Demonstrations:
    """Hold the episodes of an expert, one after the other.

    Args:
        observations: Observations, (sum of (T_i + 1), ...), with the last one of each episode; for
            a dict space, a dict of such arrays.
        actions: Actions, (sum of T_i, d) float or (sum of T_i,) int; None if they were not
            recorded. Without them a critic reads states only, and behaviour cloning is refused.
        lengths: Steps T_i of each episode, int64 (n,).
        terminated: Whether the environment ended the episode, bool (n,); False if a time limit
            did.
        env_id: Id of the environment, for messages and as a default.
        expert_return: The expert's mean return; NaN if it is unknown.
        env_settings: Keyword arguments with which gymnasium makes the environment, and
            ``max_episode_steps`` if it is not that of the id: numbers, texts, lists and dicts.

    Raises:
        ValueError: If the lengths do not add up, there are fewer than two transitions, or a value
            is not finite.

    Example:
        >>> demos = Demonstrations(
        ...     np.zeros((4, 2)), np.zeros(3, np.int64), np.array([3]), np.array([True])
        ... )
        >>> len(demos), demos.episodes
        (3, 1)
    """

    observations: Any
    actions: Array | None
    lengths: Array
    terminated: Array
    env_id: str = ""
    expert_return: float = float("nan")
    env_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        counts = f"episodes={self.episodes}, transitions={len(self)}"
        return (
            f"Demonstrations({counts}, env_id={self.env_id!r}, "
            f"expert_return={self.expert_return:g})"
        )

    def __post_init__(self) -> None:
        check_layout(self.observations, self.actions, self.lengths, self.terminated)
        if self.lengths.dtype.kind == "u" or self.lengths.dtype.itemsize < 4:
            # A short type cannot hold the number of states; numpy cannot split by an unsigned one.
            object.__setattr__(self, "lengths", self.lengths.astype(np.int64))
        episodes, steps = len(self.lengths), int(np.sum(self.lengths))
        if len(self.terminated) != episodes:
            raise ValueError(
                f"terminated: expected {episodes} values, one for each episode, got "
                f"{len(self.terminated)}"
            )
        if episodes and int(np.min(self.lengths)) < 1:
            raise ValueError(
                "lengths: expected at least 1 step in every episode, got "
                f"{int(np.min(self.lengths))}; leave empty episodes out"
            )
        if steps < 2:
            raise ValueError(f"demonstrations: expected at least 2 transitions, got {steps}")
        columns = {
            f"observations{key}": (part, steps + episodes)
            for key, part in _parts(self.observations).items()
        }
        columns |= {} if self.actions is None else {"actions": (self.actions, steps)}
        for name, (values, rows) in columns.items():
            if len(values) != rows:
                raise ValueError(
                    f"{name}: expected {rows} rows for {episodes} episodes, got {len(values)}"
                )
            bad = int((~np.isfinite(values.reshape(rows, -1)).all(1)).sum())
            if bad:
                raise ValueError(
                    f"{name}: expected finite numbers, got NaN or infinity in {bad} of {rows} rows"
                )

    def __len__(self) -> int:
        return int(np.sum(self.lengths))

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self.lengths)

    def first(self, episodes: int) -> "Demonstrations":
        """Return the first episodes.

        Args:
            episodes: Number of episodes.

        Raises:
            ValueError: If there are fewer episodes.
        """
        if not 1 <= episodes <= self.episodes:
            raise ValueError(f"episodes: expected 1 to {self.episodes}, got {episodes}")
        steps = int(self.lengths[:episodes].sum())
        return replace(
            self,
            observations=_each(self.observations, lambda part: part[: steps + episodes]),
            actions=None if self.actions is None else self.actions[:steps],
            lengths=self.lengths[:episodes],
            terminated=self.terminated[:episodes],
        )

    def transitions(self, every: int = 1, *, seed: int = 0, window: int = 1) -> Transitions:
        """Return the transitions of all episodes, or every n-th transition of each episode.

        The first one of each episode is drawn from its first `every` transitions (Ho and Ermon
        2016, appendix B).

        Args:
            every: Steps between two transitions that are kept.
            seed: Seeds the draw.
            window: Number of observations in a vector, the oldest first; those before the first
                one of an episode are copies of it.

        Returns:
            Transitions on the CPU, each window of observations as one vector; actions are (N, 0) if
            there are none.

        Raises:
            ValueError: If `every` is below 1.
        """
        if every < 1:
            raise ValueError(f"every: expected at least 1, got {every}")
        generator = np.random.default_rng(seed)
        ends = np.cumsum(self.lengths)
        parts: list[Array] = []
        for end, length in zip(ends, self.lengths, strict=True):
            start = int(generator.integers(min(every, length)))
            parts.append(np.arange(end - length + start, end, every))
        # Each episode has one observation more than actions: shift the rows of episode i by i.
        rows = np.concatenate(parts)
        episode = np.searchsorted(ends, rows, side="right")
        last = np.isin(rows, ends - 1)
        first = (ends - self.lengths)[episode] + episode

        def windows(newest: Array) -> Array:
            """Return the observations up to these rows, but none before the episode's first."""
            vectors: list[Array] = []
            for back in reversed(range(window)):
                frame = np.maximum(newest - back, first)
                vectors.append(flat(_each(self.observations, itemgetter(frame))))
            return np.concatenate(vectors, 1)

        return Transitions.of(
            windows(rows + episode),
            np.zeros((len(rows), 0), np.float32) if self.actions is None else self.actions[rows],
            windows(rows + episode + 1),
            last & self.terminated[episode],
        )


@checked
def from_arrays(arrays: Mapping[str, Any], source: str = "arrays") -> Demonstrations:
    """Build demonstrations from flat arrays, as `advlearn_envs.experts.record` returns them.

    Args:
        arrays: Arrays with the names that `load_demonstrations` lists.
        source: Where they come from, for messages.

    Returns:
        The demonstrations.

    Raises:
        ValueError: If an array is missing, or `Demonstrations` refuses one.

    Example:
        >>> states, actions = np.zeros((4, 2), np.float32), np.array([0, 1, 0])
        >>> ends = {"episode_lengths": np.array([3]), "terminated": np.array([False])}
        >>> len(from_arrays({"observations": states, "actions": actions, **ends}))
        3
    """
    given = dict(arrays)
    parts: Any = {
        name.partition("/")[2]: given[name] for name in given if name.startswith("observations/")
    }
    if parts:
        given["observations"] = parts
    missing = {"observations", "episode_lengths", "terminated"} - given.keys()
    if missing:
        raise ValueError(
            "demonstrations: expected observations, episode_lengths and terminated, got "
            f"{', '.join(given)} in {source}; add {', '.join(sorted(missing))}"
        )
    return Demonstrations(
        given["observations"],
        given.get("actions"),
        given["episode_lengths"],
        as_flags("terminated", given["terminated"]),
        str(given.get("env_id", "")),
        as_number("expert_return_mean", given.get("expert_return_mean", np.nan)),
        as_settings("env_settings", given.get("env_settings", "{}")),
    )


def _parts(observations: Array | dict[str, Array]) -> dict[str, Array]:
    """Return the arrays of observations by the suffix that a message gives their name."""
    if isinstance(observations, dict):
        return {f"[{name!r}]": part for name, part in observations.items()}
    return {"": observations}


def _each(
    observations: Array | dict[str, Array], change: Callable[[Array], Array]
) -> Array | dict[str, Array]:
    if isinstance(observations, dict):
        return {name: change(part) for name, part in observations.items()}
    return change(observations)
