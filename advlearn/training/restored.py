"""Check that the state of a checkpoint fits the run that it was loaded into."""

from typing import Any, Final

from advlearn.core.trainer import Trainer

AVERAGE: Final = "EMA"
"""Name under which a checkpoint holds the average of the weights."""


def check_restored(state: dict[str, Any], trainer: Trainer) -> None:
    """Raise a ValueError if the state of the average does not fit the run."""
    saved = [entry[0] for entry in state["callbacks"]]
    averages = [c for c in trainer.callbacks if type(c).__name__ == AVERAGE]
    # Before the first step the average is the weights.
    if averages and trainer.step and AVERAGE not in saved:
        raise ValueError("it has no average of the weights")
