"""Collect the settings that must match when a run of imitation is resumed."""

import hashlib
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnvWrapper

from advlearn.core.identity import constructor_values
from advlearn.core.optimizer_state import check_fits
from advlearn.imitation.demonstrations.dataset import Demonstrations
from advlearn.imitation.on_device.environment import unwrap_batch

# Attributes with the settings of algorithms; each algorithm has some of them.
SETTINGS = (
    "n_steps",
    "batch_size",
    "n_epochs",
    "gamma",
    "gae_lambda",
    "ent_coef",
    "vf_coef",
    "max_grad_norm",
    "buffer_size",
    "learning_starts",
    "tau",
    "gradient_steps",
)
# Arguments without an effect on results, or compared under another name.
_NOT_COMPARED = (
    "env", "policy", "learning_rate", "seed", "device", "verbose", "tensorboard_log",
    "stats_window_size", "capture",
)  # fmt: skip
_SCHEDULES = ("clip_range", "clip_range_vf")
# Arguments that are objects with a readable text.
_OBJECTS = ("action_noise", "train_freq", "policy_kwargs", "policy_class")


def check_optimizers(algorithm: BaseAlgorithm, folder: Path) -> None:
    """Check the restored state of the policy's optimizers against their parameters.

    Args:
        algorithm: The algorithm.
        folder: Folder of the checkpoint, for the message.

    Raises:
        ValueError: A value has another shape than its parameter.
    """
    for name in algorithm.get_parameters():
        part = attrgetter(name)(algorithm)
        if isinstance(part, torch.optim.Optimizer):
            try:
                check_fits(part, part.state_dict())
            except ValueError as error:
                raise ValueError(f"out: {folder} holds a damaged checkpoint: {error}") from None


def resume_settings(
    objective: str, algorithm: BaseAlgorithm, demonstrations: Demonstrations, env_id: str
) -> dict[str, Any]:
    """Return the objective, environment, demonstrations and algorithm of a run as plain values."""
    kind = type(algorithm).__name__
    settings = {name: getattr(algorithm, name) for name in SETTINGS if hasattr(algorithm, name)}
    # A schedule is compared by its rate at the start of the run.
    settings["learning_rate"] = float(algorithm.lr_schedule(1.0))
    return {
        "objective": objective,
        "algorithm": kind,
        "n_envs": algorithm.n_envs,
        "env": env_id,
        "pairs": len(demonstrations),
        "demonstrations": fingerprint(demonstrations),
        **{f"{kind}.{name}": value for name, value in settings.items()},
    }


def facts_of(algorithm: BaseAlgorithm) -> dict[str, Any]:
    """Return the arguments of an algorithm and of its environments, as plain values.

    These are the constructor's arguments that the algorithm keeps under the same name, schedules
    at three points of the run, the arguments and wrappers of the environment, its spaces, the
    wrappers of the vectorised environments with their arguments, such as those of `VecNormalize`,
    and the device.

    Args:
        algorithm: The algorithm with its environments.
    """
    kept = {name: value for name, value in vars(algorithm).items() if name not in SETTINGS}
    arguments = {
        name: _course(kept[name]) if name in _SCHEDULES and callable(kept[name]) else _plain(value)
        for name, value in constructor_values(algorithm).items()
        if name in kept and name not in _NOT_COMPARED
    }
    objects = {name: _plain(kept[name]) for name in _OBJECTS if kept.get(name) is not None}
    return {
        "algorithm_settings": arguments | objects,
        "learning_rate_course": _course(algorithm.lr_schedule),
        "environment": _environment(algorithm.env),
        "device": torch.device(algorithm.device).type,
    }


def _environment(venv: Any) -> dict[str, Any]:
    """Return the wrappers of vectorised environments, and the arguments of the first one."""
    wrappers: dict[str, Any] = {}
    while isinstance(venv, VecEnvWrapper):
        held = constructor_values(venv)
        wrappers[type(venv).__name__] = {n: _plain(v) for n, v in held.items() if n != "venv"}
        venv = venv.venv
    found: dict[str, Any] = {
        "wrappers": wrappers,
        "observation_space": _plain(venv.observation_space),
        "action_space": _plain(venv.action_space),
    }
    try:
        spec = venv.get_attr("spec", 0)[0]
    except (AttributeError, NotImplementedError):  # a batch, which gymnasium did not make
        batch = unwrap_batch(getattr(venv, "env", None))
        return found | {"arguments": constructor_values(batch)}
    if spec is None:
        return found
    added = [f"{w.name} {_plain(w.kwargs)}" for w in getattr(spec, "additional_wrappers", ())]
    found |= {"max_episode_steps": getattr(spec, "max_episode_steps", None)}
    given = getattr(spec, "kwargs", {})
    arguments = {n: _plain(value) for n, value in given.items() if n != "render_mode"}
    return found | {"arguments": arguments, "additional_wrappers": added}


def _course(schedule: Any) -> list[float]:
    """Return a schedule's values at the start, in the middle and at the end of a run."""
    return [float(schedule(left)) for left in (1.0, 0.5, 0.0)]


def _plain(value: Any) -> str:
    """Return a value as text without memory addresses."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))


def fingerprint(demonstrations: Demonstrations) -> str:
    """Return a checksum of twelve characters of the observations, the actions and the ends.

    Example:
        >>> zeros = Demonstrations(np.zeros((3, 1)), np.zeros(2), np.array([2]), np.array([True]))
        >>> ones = Demonstrations(np.ones((3, 1)), np.zeros(2), np.array([2]), np.array([True]))
        >>> fingerprint(zeros) == fingerprint(zeros), fingerprint(zeros) == fingerprint(ones)
        (True, False)
    """
    observations, actions = demonstrations.observations, demonstrations.actions
    arrays = (
        [observations[name] for name in sorted(observations)]
        if isinstance(observations, dict)
        else [observations]
    )
    arrays += [demonstrations.lengths, demonstrations.terminated]
    arrays += [] if actions is None else [actions]
    checksum = hashlib.sha256()
    for array in arrays:
        checksum.update(f"{array.shape}".encode())
        checksum.update(np.ascontiguousarray(array).tobytes())
    return checksum.hexdigest()[:12]
