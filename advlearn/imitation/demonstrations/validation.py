"""Whether demonstrations are of an environment with given spaces."""

from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

from advlearn.imitation.demonstrations.dataset import Array, Demonstrations
from advlearn.imitation.demonstrations.layout import Layout


def validate_demonstrations(
    demonstrations: Demonstrations, observation_space: Any, action_space: Any
) -> Demonstrations:
    """The demonstrations, if they are of an environment with these spaces, with the channels of images first.

    Args:
        demonstrations: Episodes.
        observation_space: As an algorithm of stable-baselines3 knows it, which has channels first.
        action_space: The environment's.

    Raises:
        ValueError: Another shape, kind or range of observations or actions.
        TypeError: A space that is not supported.
    """
    where = f" of {demonstrations.env_id}" if demonstrations.env_id else ""
    layout = Layout(observation_space)
    seen = _observations(demonstrations.observations, layout, where)
    _actions(demonstrations.actions, action_space, where)
    return replace(demonstrations, observations=seen)


def _observations(seen: Any, layout: Layout, where: str) -> Any:
    if not layout.dicts:
        if isinstance(seen, dict):
            raise ValueError(
                f"demonstrations{where}: expected an array of observations, got a dict of {sorted(seen)}"
            )
        return _oriented(seen, layout.parts[""], where)
    if not isinstance(seen, dict) or seen.keys() != layout.parts.keys():
        got = f"a dict of {sorted(seen)}" if isinstance(seen, dict) else f"one array {seen.shape}"
        raise ValueError(
            f"demonstrations{where}: expected a dict of observations {sorted(layout.parts)}, got {got}"
        )
    return {
        name: _oriented(seen[name], part, f"{where} at {name!r}")
        for name, part in layout.parts.items()
    }


def _oriented(seen: Array, space: Any, where: str) -> Array:
    shape, got = space.shape, seen.shape[1:]
    if is_image_space(space) and got != shape and got == (*shape[1:], shape[0]):
        seen = np.ascontiguousarray(np.moveaxis(seen, -1, 1))
        got = shape
    if got != shape:
        raise ValueError(
            f"demonstrations{where}: expected observations of shape {shape}, got {got}"
        )
    if is_image_space(space) and seen.dtype != np.uint8:
        raise ValueError(
            f"demonstrations{where}: expected images as uint8 from 0 to 255, got {seen.dtype}"
        )
    return seen


def _actions(actions: Array | None, space: Any, where: str) -> None:
    if isinstance(space, spaces.Discrete):
        low, high = int(space.start), int(space.start + space.n - 1)
        if actions is not None and (actions.dtype.kind not in "iu" or actions.ndim != 1):
            raise ValueError(
                f"demonstrations{where}: expected int actions (N,), got {actions.dtype} {actions.shape}"
            )
    elif isinstance(space, spaces.Box):
        low, high = space.low, space.high
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ValueError(f"env: expected actions with finite bounds, got {space}")
        if actions is not None and actions.shape[1:] != space.shape:
            raise ValueError(
                f"demonstrations{where}: expected actions of shape {space.shape}, got {actions.shape[1:]}"
            )
    else:
        raise TypeError(f"env: expected Discrete or Box actions, got {space}")
    if actions is not None and ((actions < low).any() or (actions > high).any()):
        found = f"{actions.min():.4g} to {actions.max():.4g}"
        raise ValueError(
            f"demonstrations{where}: actions from {found} leave the environment's range {space}"
        )
