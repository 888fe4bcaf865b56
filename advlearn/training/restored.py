"""Check that the state of a checkpoint fits the run that it was loaded into."""

from typing import Any, Final

from torch import Tensor

from advlearn.core.trainer import Trainer

AVERAGE: Final = "EMA"
"""Name under which a checkpoint holds the average of the weights."""
# State of the optimizers of torch that has the shape of its parameter.
_LIKE_PARAMETERS = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "momentum_buffer"}


def check_restored(state: dict[str, Any], trainer: Trainer) -> None:
    """Raise a ValueError if the state of an optimizer or of an average does not fit the run."""
    for group in trainer.optimizer.param_groups:
        for parameter in group["params"]:
            for name, value in trainer.optimizer.state.get(parameter, {}).items():
                if name in _LIKE_PARAMETERS and value is not None:
                    _check_shape(name, value, parameter)
    saved = [entry[0] for entry in state["callbacks"]]
    averages = [c for c in trainer.callbacks if type(c).__name__ == AVERAGE]
    # Before the first step the average is the weights.
    if averages and trainer.step and AVERAGE not in saved:
        raise ValueError("it has no average of the weights")


def _check_shape(name: str, value: Any, parameter: Tensor) -> None:
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(
            f"its optimizer has {name} of shape {got} for a parameter of shape "
            f"{tuple(parameter.shape)}"
        )
