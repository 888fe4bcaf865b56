"""PPO with rollouts that stay on a device, and its buffer, distributions and wrappers."""

from advlearn._lazy import lazy

_NAMES = {
    "Batch": "environment",
    "BatchWrapper": "environment",
    "DeviceCategorical": "actions",
    "DeviceGaussian": "actions",
    "DevicePPO": "ppo",
    "DeviceRecording": "environment",
    "DeviceRolloutBuffer": "buffer",
    "EpisodeCounter": "environment",
}


def _where() -> dict[str, str]:
    return {name: f"{__name__}.{module}" for name, module in _NAMES.items()}


__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = lazy(__name__, _where)
