"""Check that demonstrations fit the spaces of an environment."""

from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

from advlearn.imitation.demonstrations.dataset import Array, Demonstrations
from advlearn.imitation.demonstrations.layout import Layout


def validate_demonstrations(
    demonstrations: Demonstrations, observation_space: Any, action_space: Any, *, clip: bool = False
) -> Demonstrations:
    """Check demonstrations against an environment's spaces, and move the channels of images first.

    Args:
        demonstrations: Episodes.
        observation_space: Space of an algorithm of stable-baselines3, with channels first.
        action_space: The environment's space of actions.
        clip: Whether to clip actions to the bounds; otherwise only roundings are clipped.

    Returns:
        The demonstrations, with channels first and actions in the type and range of their space.

    Raises:
        ValueError: If observations or actions have another shape, kind or range.
        TypeError: If a space is not supported.
    """
    where = f" of {demonstrations.env_id}" if demonstrations.env_id else ""
    layout = Layout(observation_space)
    observations = _observations(demonstrations.observations, layout, where)
    actions = _fitted_actions(demonstrations.actions, action_space, where, clip=clip)
    return replace(demonstrations, observations=observations, actions=actions)


def _observations(given: Any, layout: Layout, where: str) -> Any:
    if not layout.dicts:
        if isinstance(given, dict):
            raise ValueError(
                f"demonstrations{where}: expected an array of observations, got a dict of "
                f"{sorted(given)}"
            )
        return _channels_first(given, layout.parts[""], where)
    if not isinstance(given, dict) or given.keys() != layout.parts.keys():
        got = (
            f"a dict of {sorted(given)}" if isinstance(given, dict) else f"one array {given.shape}"
        )
        raise ValueError(
            f"demonstrations{where}: expected a dict of observations {sorted(layout.parts)}, got "
            f"{got}"
        )
    return {
        name: _channels_first(given[name], part, f"{where} at {name!r}")
        for name, part in layout.parts.items()
    }


def _channels_first(observations: Array, space: Any, where: str) -> Array:
    shape, got = space.shape, observations.shape[1:]
    if is_image_space(space) and got != shape and got == (*shape[1:], shape[0]):
        observations = np.ascontiguousarray(np.moveaxis(observations, -1, 1))
        got = shape
    if got != shape:
        raise ValueError(
            f"demonstrations{where}: expected observations of shape {shape}, got {got}"
        )
    if is_image_space(space) and observations.dtype != np.uint8:
        raise ValueError(
            f"demonstrations{where}: expected images as uint8 from 0 to 255, got "
            f"{observations.dtype}; multiply by 255 and convert"
        )
    return observations


def _fitted_actions(actions: Array | None, space: Any, where: str, *, clip: bool) -> Array | None:
    """Return actions in the type and the range of a space."""
    if isinstance(space, spaces.Discrete):
        low, high = int(space.start), int(space.start + space.n - 1)
        actions = None if actions is None else _whole(actions, where)
    elif isinstance(space, spaces.Box):
        low, high = space.low, space.high
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ValueError(
                f"env: expected actions with finite bounds, got {space}; state bounds in its "
                "action_space"
            )
        if len(space.shape) != 1:
            raise ValueError(
                f"env: expected actions that are vectors, got {space}; flatten them in a wrapper"
            )
        if actions is not None and actions.shape[1:] != space.shape:
            raise ValueError(
                f"demonstrations{where}: expected actions of shape {space.shape}, got "
                f"{actions.shape[1:]}"
            )
        if actions is not None:
            actions = _within_rounding(actions, space)
    else:
        raise TypeError(f"env: expected Discrete or Box actions, got {space}")
    if actions is None or not ((actions < low).any() or (actions > high).any()):
        return actions
    if clip and isinstance(space, spaces.Box):
        return np.clip(actions, low, high)
    way = "pass clip=True or rescale them" if isinstance(space, spaces.Box) else "renumber them"
    raise ValueError(
        f"demonstrations{where}: expected actions within {space}, got {actions.min():.9g} to "
        f"{actions.max():.9g}; {way}"
    )


def _whole(actions: Array, where: str) -> Array:
    """Return discrete actions as integers (N,); whole floats and a column (N, 1) are converted."""
    column = actions[:, 0] if actions.shape[1:] == (1,) else actions
    whole = column.dtype.kind in "iu" or (
        column.dtype.kind == "f" and bool((column == np.round(column)).all())
    )
    if column.ndim != 1 or not whole:
        raise ValueError(
            f"demonstrations{where}: expected int actions (N,), got {actions.dtype} {actions.shape}"
        )
    return column if column.dtype.kind in "iu" else column.astype(np.int64)


def _within_rounding(actions: Array, space: spaces.Box) -> Array:
    """Clip actions that leave the bounds by the rounding of float32 only."""
    # The bound itself is rounded once, and a rescaled action a few times.
    margin = 8 * np.finfo(np.float32).eps * np.maximum(np.abs(space.low), np.abs(space.high))
    clipped = np.clip(actions, space.low, space.high)
    return np.where(np.abs(actions - clipped) <= margin, clipped, actions)
