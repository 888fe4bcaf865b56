"""Collect the settings that must match when a run of imitation is resumed."""

import hashlib
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from advlearn.imitation.demonstrations.dataset import Demonstrations

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
