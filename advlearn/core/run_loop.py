"""The loop of a run: steps and callbacks, until the end, a signal or an error."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol

from advlearn.core import agreement
from advlearn.core.callback import Callback
from advlearn.core.finite import NonFiniteError
from advlearn.core.interrupt import between_steps

_EXITS = (GeneratorExit, KeyboardInterrupt, SystemExit)


class Loops(Protocol):
    """What the loop needs of a trainer."""

    step: int
    steps: int
    stop_reason: str | None
    callbacks: list[Callback]
    interrupted: bool
    is_mid_step: bool

    def check_state(self, *, together: bool = True) -> None: ...


def run_loop(
    trainer: Loops,
    make_step: Callable[[], None],
    on_device: Callable[[], AbstractContextManager[Any]],
) -> None:
    """Call the callbacks and make the steps of a run.

    Args:
        trainer: The run.
        make_step: Makes one training step.
        on_device: Returns the context of the steps, once the callbacks have started.

    Raises:
        NonFiniteError: If the state after the last step is not finite.
        KeyboardInterrupt: After Ctrl-C or SIGTERM, once the callbacks have finished.
    """
    for callback in trainer.callbacks:
        callback.on_start(trainer)
    with between_steps() as interrupted:
        try:
            with on_device():
                _steps(trainer, make_step, interrupted)
            trainer.interrupted = bool(interrupted)
            trainer.check_state(together=not trainer.interrupted)
            for callback in trainer.callbacks:
                try:
                    callback.on_end(trainer)
                except _EXITS as error:
                    _save_at_exit(trainer, callback, [], error, interrupted)
                    raise
        except Exception as error:
            _call_on_error(trainer, error)
            if interrupted and _is_of_worker(error):
                raise KeyboardInterrupt from error
            raise
        if interrupted:
            raise KeyboardInterrupt


def _steps(trainer: Loops, make_step: Callable[[], None], interrupted: list[int]) -> None:
    while not agreement.is_over(trainer, interrupted):
        make_step()
        for index, callback in enumerate(trainer.callbacks):
            try:
                callback.on_step(trainer)
            except Exception:
                finish_step(trainer, trainer.callbacks[index + 1 :])
                raise
            except _EXITS as error:
                later = trainer.callbacks[index + 1 :]
                _save_at_exit(trainer, callback, later, error, interrupted)
                raise


def finish_step(trainer: Loops, callbacks: list[Callback]) -> None:
    """Let the remaining callbacks with a state complete the step, so that it can be saved."""
    for callback in callbacks:
        if _has_state(callback):
            with suppress(Exception):
                callback.on_step(trainer)


def _has_state(callback: Callback) -> bool:
    return type(callback).state_dict is not Callback.state_dict


def _save_at_exit(
    trainer: Loops,
    callback: Callback,
    later: list[Callback],
    error: BaseException,
    interrupted: list[int],
) -> None:
    """Let the callbacks save the run when one of them leaves the program, as by `sys.exit`.

    A second Ctrl-C ends at once. A handler of a signal may leave in the middle of a callback whose
    state is then incomplete.
    """
    if (interrupted and isinstance(error, KeyboardInterrupt)) or _has_state(callback):
        return
    finish_step(trainer, later)
    _call_on_error(trainer, error)


def _call_on_error(trainer: Loops, error: BaseException) -> None:
    # In the middle of a step, or after a failure of the state, there is nothing to save.
    if trainer.is_mid_step or isinstance(error, NonFiniteError):
        return
    for callback in trainer.callbacks:
        try:
            callback.on_error(trainer)
        except Exception as failure:
            error.add_note(f"{type(callback).__name__}: {failure}")


def _is_of_worker(error: Exception) -> bool:
    """Return whether a worker process is the cause, which may end by the same signal."""
    return isinstance(error, EOFError | ConnectionError) or "DataLoader worker" in str(error)
