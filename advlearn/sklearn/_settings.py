"""Check the settings of an estimator before it trains, as one line that names the setting."""

from typing import Any

import numpy as np
from torch import nn

from advlearn.core.checks import check_count, check_number

COUNTS = ("steps", "batch_size", "critic_steps", "latent", "patience")
POSITIVE = ("lr", "critic_lr")
SHARES = ("warmup", "max_disparity")
SWITCHES = (
    "balance_groups",
    "combine_groups",
    "standardize",
    "entropy",
    "gradient_reversal",
    "dann_schedule",
    "early_stopping",
)


def check_settings(settings: dict[str, Any]) -> None:
    """Check the parameters of an estimator.

    Args:
        settings: The parameters by name; those of None take defaults and are not checked.

    Raises:
        ValueError: A parameter is of another type or out of range.

    Example:
        >>> check_settings({"steps": 10, "lr": 1e-3, "hidden": (64,)})
    """
    given = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in settings.items()
        if value is not None
    }
    for name, value in given.items():
        if name in COUNTS:
            check_count(name, value)
        elif name in POSITIVE:
            check_number(name, value, low=0, open_low=True)
        elif name == "adversarial_weight":
            check_number(name, value, low=0)
        elif name in SHARES:
            check_number(name, value, low=0, high=1)
        elif name == "validation_fraction":
            check_number(name, value, low=0, high=0.9, open_low=True)
        elif name in SWITCHES and not isinstance(value, bool):
            raise ValueError(f"{name}: expected True or False, got {value!r}")
    _check_hidden(given.get("hidden"))
    module = given.get("module")
    if module is None:
        return
    if "hidden" in given:
        raise ValueError("hidden: expected None with module, whose layers it would replace")
    if not isinstance(module, nn.Module) and not callable(module):
        raise ValueError(
            "module: expected a torch module, or a function (shape, outputs) -> module, "
            f"got {type(module).__name__}"
        )


def _check_hidden(hidden: Any) -> None:
    sizes = hidden if isinstance(hidden, tuple | list | np.ndarray) else None
    whole = sizes is not None and all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in sizes
    )
    if hidden is not None and not whole:
        raise ValueError(
            f"hidden: expected sizes of layers such as (64, 64), got {hidden!r}; write (64,) for "
            "one layer"
        )
