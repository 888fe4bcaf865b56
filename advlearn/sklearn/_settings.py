"""Check the settings of an estimator before it trains, as one line that names the setting."""

from typing import Any

from torch import nn

from advlearn.core.arguments import check_settings
from advlearn.core.checks import shown


def check_estimator_settings(estimator: Any) -> None:
    """Check the parameters of an estimator by the annotations of its constructor.

    scikit-learn makes a constructor store them unchecked.

    Args:
        estimator: The estimator.

    Raises:
        TypeError: A parameter is of another class, or `module` cannot be called.
        ValueError: A parameter is of another type or out of range, or `hidden` is given with
            `module`.
    """
    settings = estimator.get_params(deep=False)
    check_settings(type(estimator).__init__, settings)
    module = settings["module"]
    if module is None:
        return
    if settings["hidden"] is not None:
        raise ValueError(
            f"hidden: expected None with module, whose layers it would replace, got "
            f"{shown(settings['hidden'])}; leave one of the two out"
        )
    if not isinstance(module, nn.Module) and not callable(module):
        raise TypeError(
            "module: expected a torch module, or a function (shape, outputs) -> module, "
            f"got {shown(module)}; pass one of them"
        )
