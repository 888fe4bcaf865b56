"""Check environments before training: their id, their spaces, and a first reset and step."""

import sys
from collections.abc import Mapping
from copy import deepcopy
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from gymnasium import registry, spaces
from stable_baselines3.common.vec_env import VecEnv

from advlearn.imitation.demonstrations.dataset import Demonstrations
from advlearn.imitation.on_device.environment import unwrap_batch


def id_of(venv: VecEnv) -> str:
    """Return the gymnasium id of these environments; "" if they have none."""
    try:
        spec = venv.get_attr("spec", 0)[0]
    except (AttributeError, NotImplementedError):  # a batch, which gymnasium did not make
        return _id_of_batch(unwrap_batch(getattr(venv.unwrapped, "env", None)))
    return "" if spec is None else str(spec.id)


def compare(demonstrations: Demonstrations, stepped: str, settings: Mapping[str, Any]) -> None:
    """Refuse demonstrations of another environment; print a line for another version or settings.

    Args:
        demonstrations: The demonstrations.
        stepped: Id of the algorithm's environment; "" if it is unknown.
        settings: Its settings, as in `Demonstrations.env_settings`.

    Raises:
        ValueError: If the environments differ in more than their version.

    Example:
        >>> ends = np.array([2]), np.array([True])
        >>> demos = Demonstrations(np.zeros((3, 1)), np.zeros(2), *ends, env_id="Walker2d-v5")
        >>> compare(demos, "advlearn/Walker2d-v5", {})
        >>> compare(demos, "HalfCheetah-v5", {})
        Traceback (most recent call last):
        ValueError: env: expected Walker2d-v5 as in the demonstrations, got HalfCheetah-v5; pass \
that env or other demonstrations
    """
    demonstrated = demonstrations.env_id
    stepped_name, demonstrated_name = (n.rpartition("/")[2] for n in (stepped, demonstrated))
    if not stepped_name or not demonstrated_name:
        return
    if _unversioned(stepped_name) != _unversioned(demonstrated_name):
        raise ValueError(
            f"env: expected {demonstrated} as in the demonstrations, got {stepped}; pass that env "
            "or other demonstrations"
        )
    if stepped_name != demonstrated_name:
        print(f"env: the demonstrations are of {demonstrated}, got {stepped}", file=sys.stderr)
    before, now = dict(demonstrations.env_settings), dict(settings)
    if before != now:
        print(
            f"env: the demonstrations are of {demonstrated} with {before or 'its own settings'}, "
            f"got {now or 'its own settings'}",
            file=sys.stderr,
        )


def bounded(space: Any) -> None:
    """Refuse actions without bounds, since policies and replay buffers scale by the bounds."""
    if isinstance(space, spaces.Box) and not (
        np.isfinite(space.low).all() and np.isfinite(space.high).all()
    ):
        raise ValueError(
            f"env: expected actions with finite bounds, got {space}; state bounds in its "
            "action_space"
        )


def check_env(venv: VecEnv) -> None:
    """Check the spaces of vectorised environments, and one reset and one step of each.

    A seed for the next reset is kept. Batches have no separate environments and are not checked.

    Raises:
        ValueError: If spaces differ between environments, or an observation does not fit its space.
    """
    for name in ("observation_space", "action_space"):
        try:
            of_each = venv.get_attr(name)
        except (AttributeError, NotImplementedError):  # a batch has one space for all
            return
        for i, space in enumerate(of_each):
            if space != of_each[0]:
                raise ValueError(
                    f"env: expected the {name} {of_each[0]} of environment 0, got {space} in {i}"
                )
    # A monitor that allows whole episodes only refuses a second reset.
    if venv.has_attr("allow_early_resets") and not all(venv.get_attr("allow_early_resets")):
        return
    try:
        resets = venv.env_method("reset")
    except (AttributeError, NotImplementedError):  # no separate environments
        return
    space, action = (
        venv.get_attr("observation_space", 0)[0],
        deepcopy(venv.get_attr("action_space", 0)[0]),
    )
    action.seed(0)
    steps = _random_step(venv, action)
    for when, returned in (("reset", resets), ("step", steps)):
        for i, (observation, *_) in enumerate(returned):
            if fault := _fault(observation, space):
                raise ValueError(f"env: {fault} from the first {when} of environment {i}")


def _random_step(venv: VecEnv, action: spaces.Space[Any]) -> list[Any]:
    """Take a random action in each environment, one that its masks allow."""
    if not (isinstance(action, spaces.Discrete) and venv.has_attr("action_masks")):
        return venv.env_method("step", action.sample())
    masks = [np.asarray(mask, np.int8) for mask in venv.env_method("action_masks")]
    return [
        venv.env_method("step", action.sample(mask), indices=i)[0] for i, mask in enumerate(masks)
    ]


def _fault(observation: Any, space: Any) -> str:
    """Describe the difference between an observation and its space; "" if it fits.

    Bounds are not checked, since many environments exceed theirs.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(observation, dict) or observation.keys() != space.spaces.keys():
            got = (
                sorted(observation) if isinstance(observation, dict) else type(observation).__name__
            )
            return f"expected a dict of {sorted(space.spaces)}, got {got}"
        faults = ((_fault(observation[name], part), name) for name, part in space.spaces.items())
        return next((f"{fault} for {name!r}" for fault, name in faults if fault), "")
    array = np.asarray(observation)
    if array.shape != space.shape:
        return f"expected an observation of shape {space.shape}, got {array.shape}"
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and space.dtype.kind in "biu"):
        return f"expected an observation of {space.dtype}, got {array.dtype}"
    if not np.isfinite(array).all():
        return f"expected an observation of {space}, got one with NaN or infinity"
    return ""


def _unversioned(name: str) -> str:
    return name.rpartition("-v")[0] or name


def _id_of_batch(batch: Any) -> str:
    if find_spec("advlearn_envs") is None:
        return ""
    catalogue: Any = import_module("advlearn_envs.catalogue")
    cls = type(batch).__module__, type(batch).__name__
    for name, entry in catalogue.ENTRIES.items():
        if cls == (f"advlearn_envs.{entry.module}", entry.cls):
            return name if name in registry else f"{catalogue.NAMESPACE}/{name}"
    return ""
