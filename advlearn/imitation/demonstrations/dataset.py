"""Expert demonstrations: episodes in flat arrays, checked when they are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from advlearn.imitation.demonstrations.layout import flat
from advlearn.imitation.demonstrations.transitions import Transitions

Array = NDArray[Any]


@final
@dataclass(frozen=True, eq=False)
class Demonstrations:
    """Episodes of an expert, one after the other.

    Args:
        observations: Observations, (sum of (T_i + 1), ...); the last one of each episode is
            included. Of a dict space, a dict of such arrays.
        actions: Actions, (sum of T_i, d) float, or (sum of T_i,) int; None where nobody noted them:
            then a critic may see states only, and nothing is cloned.
        lengths: Steps T_i of each episode, int64 (n,).
        terminated: Whether the environment ended the episode, bool (n,); False where a time limit
            did.
        env_id: The environment, for messages and as a default.
        expert_return: The expert's mean return, NaN where it is not known.

    Raises:
        ValueError: Lengths that do not add up, one transition or none, numbers that are not finite.

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

    def __post_init__(self) -> None:
        episodes, steps = len(self.lengths), int(np.sum(self.lengths))
        if len(self.terminated) != episodes:
            raise ValueError(
                f"terminated: expected {episodes} values, one an episode, got {len(self.terminated)}"
            )
        if episodes and int(np.min(self.lengths)) < 1:
            raise ValueError(
                f"lengths: expected at least 1 step in every episode, got {int(np.min(self.lengths))}"
            )
        if steps < 2:
            raise ValueError(f"demonstrations: expected at least 2 transitions, got {steps}")
        seen = {
            f"observations{at}": (part, steps + episodes)
            for at, part in _parts(self.observations).items()
        }
        seen |= {} if self.actions is None else {"actions": (self.actions, steps)}
        for name, (values, wanted) in seen.items():
            if len(values) != wanted:
                raise ValueError(
                    f"{name}: expected {wanted} rows for {episodes} episodes, got {len(values)}"
                )
            bad = int((~np.isfinite(values.reshape(wanted, -1)).all(1)).sum())
            if bad:
                raise ValueError(
                    f"{name}: expected finite numbers, got NaN or infinity in {bad} of {wanted} rows"
                )

    def __len__(self) -> int:
        return int(np.sum(self.lengths))

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self.lengths)

    def first(self, episodes: int) -> "Demonstrations":
        """The first `episodes` of them.

        Raises:
            ValueError: If there are not so many.
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

    def transitions(self, every: int = 1, *, seed: int = 0) -> Transitions:
        """Pairs of all episodes, or every `every`-th of each, from a start drawn below it (Ho and Ermon 2016, B).

        Args:
            every: Distance between two pairs that are kept.
            seed: Seeds the starts.

        Returns:
            Transitions of tensors on the CPU, each observation as one vector; actions are (N, 0)
            where there are none.
        """
        if every < 1:
            raise ValueError(f"every: expected at least 1, got {every}")
        draw = np.random.default_rng(seed)
        ends = np.cumsum(self.lengths)
        kept: list[Array] = []
        for end, length in zip(ends, self.lengths, strict=True):
            start = int(draw.integers(min(every, length)))
            kept.append(np.arange(end - length + start, end, every))
        # Episode i has one observation more than actions, so its rows lie i further on.
        rows = np.concatenate(kept)
        episode = np.searchsorted(ends, rows, side="right")
        last = np.isin(rows, ends - 1)
        return Transitions.of(
            flat(_each(self.observations, lambda part: part[rows + episode])),
            np.zeros((len(rows), 0), np.float32) if self.actions is None else self.actions[rows],
            flat(_each(self.observations, lambda part: part[rows + episode + 1])),
            last & self.terminated[episode],
        )


def from_arrays(arrays: Mapping[str, Any], source: str = "arrays") -> Demonstrations:
    """Demonstrations of flat arrays by name, as a file holds them and `advlearn_envs.experts.record` returns them.

    Args:
        arrays: What `load_demonstrations` names.
        source: Where they are from, for what is said of them.

    Raises:
        ValueError: An array is missing, or is one that `Demonstrations` refuses.

    Example:
        >>> states, actions = np.zeros((4, 2), np.float32), np.array([0, 1, 0])
        >>> ends = {"episode_lengths": np.array([3]), "terminated": np.array([False])}
        >>> len(from_arrays({"observations": states, "actions": actions, **ends}))
        3
    """
    given = dict(arrays)
    seen: Any = {
        name.partition("/")[2]: given[name] for name in given if name.startswith("observations/")
    }
    if seen:
        given["observations"] = seen
    missing = {"observations", "episode_lengths", "terminated"} - given.keys()
    if missing:
        raise ValueError(
            f"demonstrations: {source} lacks {', '.join(sorted(missing))}; it has {', '.join(given)}"
        )
    return Demonstrations(
        given["observations"],
        given.get("actions"),
        given["episode_lengths"],
        np.asarray(given["terminated"]).astype(bool),
        str(given.get("env_id", "")),
        float(given.get("expert_return_mean", np.nan)),
    )


def _parts(observations: Array | dict[str, Array]) -> dict[str, Array]:
    """The arrays of observations, by how a message names them."""
    if isinstance(observations, dict):
        return {f"[{name!r}]": part for name, part in observations.items()}
    return {"": observations}


def _each(
    observations: Array | dict[str, Array], change: Callable[[Array], Array]
) -> Array | dict[str, Array]:
    if isinstance(observations, dict):
        return {name: change(part) for name, part in observations.items()}
    return change(observations)
