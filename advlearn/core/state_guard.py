"""Refuse losses, and tensors of the state of a run, that are not finite."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.finite import FiniteMonitor, JointLooks, NonFiniteError
from advlearn.core.finite_state import FiniteState, named_tensors


class HasState(Protocol):
    """A run with a step and a state, such as a `Trainer`."""

    step: int

    def state_dict(self) -> dict[str, Any]: ...


@final
class StateGuard:
    """Watch the losses of a run, and look at its state where it is saved or ends.

    Args:
        run: The run.

    Attributes:
        losses: The losses of the steps.
        good_checkpoint: Returns a good checkpoint, given the step at which a loss failed or None;
            a callback that writes checkpoints sets it.
    """

    def __init__(self, run: HasState) -> None:
        self._run = run
        self._state = FiniteState()
        self.losses = FiniteMonitor()
        self._looks = JointLooks()
        self.good_checkpoint: Callable[[int | None], str] | None = None

    def start(self) -> None:
        """Allow the infinities in the tensors of the state that are there at the start."""
        self._state.allow_infinities(self._tensors())

    def one_look(self) -> AbstractContextManager[None]:
        """Look once, at the end of a step, at all losses that it notes, and at those of critics."""
        return self._looks.at_once()

    def note(self, before: Mapping[str, Tensor], losses: Mapping[str, Tensor]) -> None:
        """Record the losses of a step, given those before it.

        A penalty that is not due leaves its last value, which belongs to another graph.
        """
        fresh = {k: v for k, v in losses.items() if v is not before.get(k)}
        if fresh:
            self.losses.note(self._steps_done, fresh)

    def _steps_done(self) -> int:
        return self._run.step

    def raise_if_not_finite(self) -> None:
        """Raise NonFiniteError if a loss has not been finite; waits for the device."""
        failure = self.losses.first_failure()
        if failure is not None:
            raise self._error(*failure)

    def check_state(self, device: torch.device, *, together: bool) -> None:
        """Raise NonFiniteError if a loss or a tensor of the state is not finite.

        Args:
            device: Device of the run.
            together: Whether all processes make this call; then they raise together.
        """
        failure = self.losses.first_failure()
        name = None if failure else self._state.first_failure(self._tensors())
        fails = failure is not None or name is not None
        if together and distributed.any_process(fails, device) and not fails:
            name = "a value of another process"
        if failure is not None:
            raise self._error(*failure)
        if name is not None:
            raise self._error(None, name)

    def _error(self, step: int | None, name: str) -> NonFiniteError:
        """Return an error about a loss that failed at a step, or about a tensor of the state."""
        kept = "none was saved" if self.good_checkpoint is None else self.good_checkpoint(step)
        at = self._run.step if step is None else step
        return NonFiniteError(f"step {at}: {name} is not finite; last good checkpoint: {kept}")

    def _tensors(self) -> dict[str, Tensor]:
        """Return the tensors that a checkpoint holds, by name."""
        state = self._run.state_dict()
        adversaries = state["adversaries"].items()
        critics = {f"{name}/{key}": value for name, a in adversaries for key, value in a.items()}
        others = {"optimizer": state["optimizer"], "game": state["game"]}
        return named_tensors({**state["task"], **critics, **others, **dict(state["callbacks"])})
