"""Worker processes of an environment: signals that reach them, and their end."""

import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import wait
from typing import Any, final

from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv, VecEnvWrapper

# The functions of `signal` that a pickle can name.
_signal = import_module("_signal")
# Errors of a connection whose other end has gone.
ENDED = (EOFError, ConnectionError)


@contextmanager
def ignoring_interrupts(venv: VecEnv) -> Generator[None]:
    """Let the workers of a `SubprocVecEnv` ignore Ctrl-C in the block.

    A terminal sends Ctrl-C to the workers too, and without them the run cannot reach its next
    checkpoint.

    Args:
        venv: The environment, with or without wrappers; one without workers stays as it is.
    """
    inner = _with_workers(venv)
    if inner is None:
        yield
        return
    inner.set_attr(_NAME, _Handler(int(signal.SIG_IGN)))
    try:
        yield
    finally:
        # A worker that owes the result of a step would answer with that.
        if not inner.waiting and not _ended(inner, 0):
            with suppress(*ENDED):
                inner.set_attr(_NAME, _Handler(_signal.default_int_handler))


@contextmanager
def naming_ended_workers(venv: VecEnv) -> Generator[None]:
    """Explain the error of a connection to a worker process that has ended.

    The environment is closed then. Its own ``close`` would wait for an answer that another worker
    has given already.

    Args:
        venv: The environment, with or without wrappers.

    Raises:
        ChildProcessError: In the block, a worker process ended.
    """
    try:
        yield
    except ENDED as error:
        inner = _with_workers(venv)
        ended = [] if inner is None else _ended(inner, _PATIENCE)
        if inner is None or not ended:
            raise
        _close(inner)
        raise ChildProcessError(
            f"env: a worker process of {type(inner).__name__} ended with exit code {ended[0]}; "
            "see its own error message, or the memory that the environments need"
        ) from error


_NAME = "_interrupt_handler"
_PATIENCE = 5.0  # seconds


@final
class _Handler:
    """Set the handler of Ctrl-C in the process that receives this object.

    Only the standard library is named, so that a worker does not have to import torch.
    """

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def __reduce__(self) -> Any:
        return _signal.signal, (int(signal.SIGINT), self.handler)


def _with_workers(venv: VecEnv) -> SubprocVecEnv | None:
    while isinstance(venv, VecEnvWrapper):
        venv = venv.venv
    return venv if isinstance(venv, SubprocVecEnv) else None


def _ended(venv: SubprocVecEnv, seconds: float) -> list[Any]:
    """Return the exit codes of ended workers; wait up to some seconds for the first one."""
    ended = wait([process.sentinel for process in venv.processes], seconds)
    gone = [process for process in venv.processes if process.sentinel in ended]
    for process in gone:
        process.join(seconds)  # the exit code follows a moment later
    return [process.exitcode for process in gone]


def _close(venv: SubprocVecEnv) -> None:
    """End the workers that are left, and mark the environment as closed."""
    for remote in venv.remotes:
        with suppress(*ENDED):
            remote.send(("close", None))
        remote.close()
    for process in venv.processes:
        process.join(_PATIENCE)
        if process.is_alive():
            process.terminate()
    venv.waiting, venv.closed = False, True
