"""What can be known of environments before anything is trained in them: their id, and whether they are sound."""

import sys
from copy import deepcopy
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from gymnasium import registry, spaces
from stable_baselines3.common.vec_env import VecEnv

from advlearn.imitation.on_device.environment import unwrap_batch


def id_of(venv: VecEnv) -> str:
    """The id that gymnasium makes one of these environments by; "" where they have none."""
    try:
        spec = venv.get_attr("spec", 0)[0]
    except (AttributeError, NotImplementedError):  # a batch, which gymnasium did not make
        return _id_of_batch(unwrap_batch(getattr(venv.unwrapped, "env", None)))
    return "" if spec is None else str(spec.id)


def compare(demonstrated: str, stepped: str) -> None:
    """Refuse demonstrations of another environment; remark on those of another version. "" is any.

    Example:
        >>> compare("Hopper-v5", "advlearn/Hopper-v5")
        >>> compare("Walker2d-v5", "HalfCheetah-v5")
        Traceback (most recent call last):
        ValueError: env: expected Walker2d-v5 as in the demonstrations, got HalfCheetah-v5
    """
    ours, theirs = (name.rpartition("/")[2] for name in (stepped, demonstrated))
    if not ours or not theirs or ours == theirs:
        return
    if _unversioned(ours) != _unversioned(theirs):
        raise ValueError(f"env: expected {demonstrated} as in the demonstrations, got {stepped}")
    print(f"env: {stepped}, and the demonstrations are of {demonstrated}", file=sys.stderr)


def bounded(space: Any) -> None:
    """Refuse actions without bounds, which policies and replay buffers scale by."""
    if isinstance(space, spaces.Box) and not (
        np.isfinite(space.low).all() and np.isfinite(space.high).all()
    ):
        raise ValueError(f"env: expected actions with finite bounds, got {space}")


def check_env(venv: VecEnv) -> None:
    """Reset each environment, make one step, and refuse what does not fit its space, or spaces that differ.

    A seed that waits for the first reset of all goes on waiting. Batches, and whatever else has no
    environments of its own, are taken as they are.

    Raises:
        ValueError: The environments are not sound.
    """
    for name in ("observation_space", "action_space"):
        try:
            found = venv.get_attr(name)
        except (
            AttributeError,
            NotImplementedError,
        ):  # a batch has one space, not one for each environment
            return
        for i, space in enumerate(found):
            if space != found[0]:
                raise ValueError(
                    f"env: expected the {name} {found[0]} of environment 0, got {space} in {i}"
                )
    # A monitor that counts whole episodes only would not be reset again.
    if venv.has_attr("allow_early_resets") and not all(venv.get_attr("allow_early_resets")):
        return
    try:
        resets = venv.env_method("reset")
    except (
        AttributeError,
        NotImplementedError,
    ):  # nothing here is an environment that could be reset alone
        return
    space, action = (
        venv.get_attr("observation_space", 0)[0],
        deepcopy(venv.get_attr("action_space", 0)[0]),
    )
    action.seed(0)
    steps = venv.env_method("step", action.sample())
    for when, returned in (("reset", resets), ("step", steps)):
        for i, (observation, *_) in enumerate(returned):
            odd = _misfit(observation, space)
            if odd:
                raise ValueError(f"env: environment {i} returned {odd} at its first {when}")


def _misfit(observation: Any, space: Any) -> str:
    """What is wrong with an observation, in words; "" if nothing is. Bounds are advice: many leave theirs."""
    if isinstance(space, spaces.Dict):
        if not isinstance(observation, dict) or observation.keys() != space.spaces.keys():
            got = (
                sorted(observation) if isinstance(observation, dict) else type(observation).__name__
            )
            return f"{got}, expected a dict of {sorted(space.spaces)},"
        parts = ((_misfit(observation[name], part), name) for name, part in space.spaces.items())
        return next((f"{odd} for {name!r}" for odd, name in parts if odd), "")
    seen = np.asarray(observation)
    if seen.shape != space.shape:
        return f"an observation of shape {seen.shape}, expected {space.shape},"
    if seen.dtype.kind not in "biuf" or (seen.dtype.kind == "f" and space.dtype.kind in "biu"):
        return f"an observation of {seen.dtype}, expected {space.dtype},"
    return (
        ""
        if np.isfinite(seen).all()
        else f"an observation with NaN or infinity, expected one of {space},"
    )


def _unversioned(name: str) -> str:
    return name.rpartition("-v")[0] or name


def _id_of_batch(batch: Any) -> str:
    if find_spec("advlearn_envs") is None:
        return ""
    catalogue: Any = import_module("advlearn_envs.catalogue")
    where = type(batch).__module__, type(batch).__name__
    for name, entry in catalogue.ENTRIES.items():
        if where == (f"advlearn_envs.{entry.module}", entry.cls):
            return name if name in registry else f"{catalogue.NAMESPACE}/{name}"
    return ""
