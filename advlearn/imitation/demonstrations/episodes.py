"""Join episodes to demonstrations, for observations that are arrays or dicts of arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from advlearn.imitation.demonstrations.dataset import Array, Demonstrations

Part = tuple[Any, Array | None, bool]
"""Observations (T + 1, ...), actions (T, ...) or None, and whether the environment ended it."""


def joined(parts: Sequence[Part], env_id: str, expert_return: float) -> Demonstrations:
    """Join episodes, one after the other.

    Args:
        parts: The episodes.
        env_id: Id of the environment.
        expert_return: The mean return; NaN if it is unknown.

    Raises:
        ValueError: If there is none, some have actions and some have none, or `Demonstrations`
            refuses the arrays.
    """
    if not parts:
        raise ValueError("demonstrations: expected at least one episode, got none")
    recorded = [actions for _, actions, _ in parts if actions is not None]
    if len(recorded) not in (0, len(parts)):
        raise ValueError(
            f"actions: expected in every episode or in none, got them in {len(recorded)} of "
            f"{len(parts)}; leave them out, or leave the other episodes out"
        )
    lengths = [len(actions) for actions in recorded] or [
        steps_of(observations) for observations, _, _ in parts
    ]
    return Demonstrations(
        together([observations for observations, _, _ in parts], np.concatenate),
        np.concatenate(recorded) if recorded else None,
        np.array(lengths),
        np.array([terminated for _, _, terminated in parts]),
        env_id,
        expert_return,
    )


def together(observations: list[Any], join: Callable[[list[Any]], Array]) -> Any:
    """Join arrays, or dicts of arrays name by name."""
    if isinstance(observations[0], dict):
        return {name: join([parts[name] for parts in observations]) for name in observations[0]}
    return join(observations)


def steps_of(observations: Any) -> int:
    """Return the steps of an episode whose last observation is included."""
    part = next(iter(observations.values())) if isinstance(observations, dict) else observations
    return len(part) - 1


def row_of(observations: Any, i: int) -> Any:
    """Return a copy of the observation of environment `i`."""
    return together([observations], lambda parts: np.array(parts[0][i]))


def arrays_of(observations: Any) -> Any:
    """Convert arrays, dicts or a ``DictObs`` of `imitation` to an array or a dict of arrays."""
    observations = observations.unwrap() if hasattr(observations, "unwrap") else observations
    return together([observations], lambda parts: np.asarray(parts[0]))
