"""Check that demonstrations fit the spaces of an environment."""

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
    """Check demonstrations against an environment's spaces, and move the channels of images first.

    Args:
        demonstrations: Episodes.
        observation_space: Space of an algorithm of stable-baselines3, with channels first.
        action_space: The environment's space of actions.

    Returns:
        The demonstrations, with channels first.

    Raises:
        ValueError: If observations or actions have another shape, kind or range.
        TypeError: If a space is not supported.
    """
    where = f" of {demonstrations.env_id}" if demonstrations.env_id else ""
    layout = Layout(observation_space)
    observations = _observations(demonstrations.observations, layout, where)
    _check_actions(demonstrations.actions, action_space, where)
    return replace(demonstrations, observations=observations)


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


def _check_actions(actions: Array | None, space: Any, where: str) -> None:
    if isinstance(space, spaces.Discrete):
        low, high = int(space.start), int(space.start + space.n - 1)
        if actions is not None and (actions.dtype.kind not in "iu" or actions.ndim != 1):
            raise ValueError(
                f"demonstrations{where}: expected int actions (N,), got {actions.dtype} "
                f"{actions.shape}"
            )
    elif isinstance(space, spaces.Box):
        low, high = space.low, space.high
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ValueError(
                f"env: expected actions with finite bounds, got {space}; state bounds in its "
                "action_space"
            )
        if actions is not None and actions.shape[1:] != space.shape:
            raise ValueError(
                f"demonstrations{where}: expected actions of shape {space.shape}, got "
                f"{actions.shape[1:]}"
            )
    else:
        raise TypeError(f"env: expected Discrete or Box actions, got {space}")
    if actions is not None and ((actions < low).any() or (actions > high).any()):
        raise ValueError(
            f"demonstrations{where}: expected actions within {space}, got {actions.min():.4g} to "
            f"{actions.max():.4g}; clip or rescale them"
        )
