"""What the page offers: names of the library's catalogue, and presets."""

from functools import cache
from typing import Any

from advlearn.core import registry
from advlearn.lab.messages import ACTIVATIONS, KINDS, OPTIMIZERS, SETTINGS, SHAPES, read_settings
from advlearn.lab.presets import PRESETS

# Their critics score classes or densities, or they read images; points in the plane have neither.
NOT_OFFERED = {
    *("k_plus_one", "predictive", "improved-gan", "bad-gan", "low_density"),
    *("ada", "consistency", "cut_mix", "diff_augment", "image_pool"),
}


@cache
def catalogue() -> dict[str, Any]:
    """Return the names of objectives, regularizers and rules, the presets and the defaults.

    Example:
        >>> "wgan-gp" in catalogue()["objectives"]
        True
    """
    entries = [e for e in registry.entries().values() if e.name not in NOT_OFFERED]
    return {
        "objectives": sorted(e.name for e in entries if e.kind != "regularizer"),
        "regularizers": sorted(e.name for e in entries if e.kind == "regularizer"),
        "games": list(registry.games()),
        "shapes": list(SHAPES),
        "activations": list(ACTIVATIONS),
        "optimizers": list(OPTIMIZERS),
        "presets": PRESETS,
        "defaults": {kind: _defaults(kind) for kind in KINDS},
    }


def _defaults(kind: str) -> dict[str, Any]:
    needed = {"maze": "CMaze-v0"} if "maze" in SETTINGS[kind].fields else {}
    return read_settings({"kind": kind, **needed})
