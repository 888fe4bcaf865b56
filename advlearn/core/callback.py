"""Interfaces of the training loop: the stream of batches, and the callbacks."""

from collections.abc import Iterator
from typing import Any, Protocol

from advlearn.core.arguments import checked
from advlearn.core.task import Batch


class Stream(Protocol):
    """An infinite stream of batches whose position can be saved.

    In several processes its steps are captured as CUDA graphs only if it has an attribute
    ``same_shapes = True``: all its batches have one shape.
    """

    def __iter__(self) -> Iterator[Batch]: ...
    def __next__(self) -> Batch: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Callback:
    """Base class of callbacks: progress, logs, checkpoints, averages, early stopping.

    `on_step` runs after every training step, so it must be fast, and must not wait for the device
    except at its own interval.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            checked(cls)

    def on_start(self, trainer: Any) -> None:
        """Run once before the first step of a run or of a resumed run."""

    def on_step(self, trainer: Any) -> None:
        """Run after each training step."""

    def on_end(self, trainer: Any) -> None:
        """Run once after the last step, also after Ctrl-C, but not after an error."""

    def on_error(self, trainer: Any) -> None:
        """Run once when an error ends the run after a complete step, also one of a callback."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state for an exact resume, as plain values and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
