"""Demonstrations of an expert: read, check and convert to transitions."""

from advlearn._lazy import lazy

_NAMES = {
    "Demonstrations": "dataset",
    "Encoder": "transitions",
    "Layout": "layout",
    "TransitionMemory": "transitions",
    "Transitions": "transitions",
    "flat": "layout",
    "from_arrays": "dataset",
    "from_frames": "sources",
    "from_hdf5": "hdf5",
    "from_huggingface": "sources",
    "from_minari": "sources",
    "from_trajectories": "sources",
    "inspect_demonstrations": "inspection",
    "load_demonstrations": "loading",
    "record": "loading",
    "save_demonstrations": "loading",
    "validate_demonstrations": "validation",
}


def _where() -> dict[str, str]:
    return {name: f"{__name__}.{module}" for name, module in _NAMES.items()}


__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = lazy(__name__, _where)
