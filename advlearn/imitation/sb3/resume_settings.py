"""Settings that must match when a run of imitation is resumed, as plain values."""

import hashlib
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from advlearn.imitation.demonstrations.dataset import Demonstrations

# What an algorithm of stable-baselines3 is made with, by attribute; each has some of them.
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
    objective: str, player: BaseAlgorithm, demonstrations: Demonstrations, env_id: str
) -> dict[str, Any]:
    """Objective, environment, demonstrations by their contents, and the algorithm's main settings by its name."""
    algorithm = type(player).__name__
    found = {name: getattr(player, name) for name in SETTINGS if hasattr(player, name)}
    found["learning_rate"] = float(
        player.lr_schedule(1.0)
    )  # at the start of the run, where it changes
    return {
        "objective": objective,
        "algorithm": algorithm,
        "n_envs": player.n_envs,
        "env": env_id,
        "pairs": len(demonstrations),
        "demonstrations": fingerprint(demonstrations),
        **{f"{algorithm}.{name}": value for name, value in found.items()},
    }


def fingerprint(demonstrations: Demonstrations) -> str:
    """Twelve characters that differ where what was seen or done does.

    Example:
        >>> one = Demonstrations(np.zeros((3, 1)), np.zeros(2), np.array([2]), np.array([True]))
        >>> other = Demonstrations(np.ones((3, 1)), np.zeros(2), np.array([2]), np.array([True]))
        >>> fingerprint(one) == fingerprint(one), fingerprint(one) == fingerprint(other)
        (True, False)
    """
    seen = demonstrations.observations
    parts = [seen[name] for name in sorted(seen)] if isinstance(seen, dict) else [seen]
    ends = demonstrations.lengths, demonstrations.terminated
    found = hashlib.sha256()
    for part in (
        *parts,
        *ends,
        *([] if demonstrations.actions is None else [demonstrations.actions]),
    ):
        found.update(f"{part.shape}".encode())
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:12]
