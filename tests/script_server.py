"""Run Python commands in processes forked from one that has imported torch.

Importing torch, its optimisers and matplotlib takes longer than most commands that the tests run
for a few steps. A server imports them once and forks for each command. The command runs as by
``python SCRIPT``, ``python -c CODE`` or ``python -m MODULE``: as ``__main__``, with its arguments,
folder, environment and path. A process that is started can be sent lines and signals while it runs.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Self, TextIO, final

TIMEOUT = 300
# What the examples, the benchmarks and the pages import; only those of the first row are required.
EVERYTHING = (
    *("torch", "matplotlib.pyplot", "advlearn.fitting"),
    *("advlearn.imitation.train", "sklearn.datasets", "torch.utils.tensorboard"),
    *("gymnasium", "stable_baselines3", "torch._dynamo", "scipy.stats", "rich.console", "typer"),
    *("torch.profiler", "matplotlib.backends.backend_agg", "PIL.JpegImagePlugin"),
)


@final
@dataclass
class Started:
    """A process that runs, and leads a new session and process group.

    Args:
        pid: Its number, also that of its group.
        stdin: Its standard input.
        stdout: Its standard output.
        end: Called once: wait for the end, and return the exit status and the error output.
    """

    pid: int
    stdin: TextIO
    stdout: TextIO
    end: Callable[[], tuple[int, str]]

    def communicate(self, line: str = "") -> tuple[int, str, str]:
        """Send a last line, wait for the end, and return the exit status and both outputs."""
        with suppress(BrokenPipeError):  # it may have ended
            self.stdin.write(line)
            self.stdin.close()
        output = self.stdout.read()
        self.close()
        status, errors = self.end()
        return status, output, errors

    def close(self) -> None:
        """Close the standard input and output."""
        self.stdin.close()
        self.stdout.close()


@final
class ScriptServer:
    """A context in which commands run without importing the same modules again.

    The server inherits the environment of the tests, with one thread and without a display.

    Args:
        imported: Modules that the processes have imported. With ``("torch",)`` a command finds
            advlearn unimported, as in a new process.
    """

    def __init__(self, imported: tuple[str, ...] = EVERYTHING) -> None:
        self._imported = imported
        self._count = 0
        self._running: int | None = None

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(TemporaryDirectory()))
        self._server = subprocess.Popen(
            [sys.executable, __file__, *self._imported],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
        )
        self._stack.enter_context(self._server)
        return self

    def __exit__(self, *error: object) -> None:
        self._server.terminate()
        self._stack.close()

    def run(self, script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a script to its end in a folder, and return its exit status and its output."""
        return self.python(str(script), *arguments, cwd=cwd)

    def python(
        self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the arguments of ``python`` to their end, and return the exit status and the output.

        Args:
            command: ``SCRIPT``, ``-c CODE`` or ``-m MODULE``, and arguments; ``-W error`` may be
                in front.
            cwd: The folder; that of the tests by default.
            env: The environment; that of the server by default.
        """
        files = [os.devnull, *(str(self._folder / name) for name in ("stdout", "stderr"))]
        self._request(command, cwd, env, files)
        status = self._number()
        output, errors = (Path(file).read_text() for file in files[1:])
        return subprocess.CompletedProcess(command, status, output, errors)

    def start(
        self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Started:
        """Start the arguments of ``python``; it is killed if it runs when the next one starts.

        Args:
            command: As for `python`.
            cwd: As for `python`.
            env: As for `python`.
        """
        self._count += 1
        files = [str(self._folder / f"{name}-{self._count}") for name in ("in", "out", "errors")]
        for file in files[:2]:
            os.mkfifo(file)
        pid = self._request(command, cwd, env, files)
        # In the order in which the process opens them: each waits for the other end.
        stdin = open(files[0], "w")  # noqa: SIM115 - `communicate` closes both
        stdout = open(files[1])  # noqa: SIM115
        self._running = pid
        return Started(pid, stdin, stdout, lambda: (self._ended(), Path(files[2]).read_text()))

    def _ended(self) -> int:
        """Wait for the end of the started process, and return its exit status."""
        self._running = None
        return self._number()

    def _request(
        self,
        command: tuple[str, ...],
        cwd: Path | None,
        env: Mapping[str, str] | None,
        files: list[str],
    ) -> int:
        """Let the server fork for a command, and return the number of the new process."""
        assert self._server.stdin is not None
        if self._running is not None:  # its test failed before it waited for the end
            os.killpg(self._running, signal.SIGKILL)
            self._ended()
        folder = str(Path.cwd() if cwd is None else cwd)
        environment = None if env is None else dict(env)
        request = {"argv": command, "cwd": folder, "env": environment, "files": files}
        request["session"] = files[0] != os.devnull
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return self._number()

    def _number(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())


def serve() -> dict[str, Any] | None:
    """Fork for each request on the standard input; return the request in the fork.

    Print the number of each process, and its exit status when it has ended.
    """
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def become(request: dict[str, Any]) -> None:
    """Run the command of a request with its folder, environment and output files."""
    signal.alarm(TIMEOUT)
    if request["session"]:
        os.setsid()
    for descriptor, file in zip((0, 1, 2), request["files"], strict=True):
        mode = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(file, mode), descriptor)
    os.chdir(request["cwd"])
    searched: list[str] = []
    if request["env"] is not None:
        os.environ.clear()
        os.environ.update(request["env"])
        searched = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    first, *rest = request["argv"]
    if [first, *rest[:1]] == ["-W", "error"]:
        warnings.simplefilter("error")
        first, *rest = rest[1:]
    # As Python does for a script; this file's folder was first until now.
    folder = str(Path(first).parent) if first not in ("-c", "-m") else os.getcwd()
    sys.path[:1] = [folder, *searched]
    execute(first, rest)


def execute(first: str, rest: list[str]) -> None:
    """Run a script, code or a module as ``__main__``."""
    if first == "-c":
        main = ModuleType("__main__")
        sys.modules["__main__"], sys.argv = main, ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    elif first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


def exit_status(request: dict[str, Any]) -> int:
    """Run the command of a request, and return the status that Python would exit with."""
    try:
        become(request)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except Exception:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def leave(status: int) -> None:
    """End the process as Python does, without taking apart what the server has imported.

    That would take longer than most commands. Threads end, functions registered with `atexit` run,
    and what the command leaves is finalised.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if (names := vars(sys.modules["__main__"])) is not globals():
        names.clear()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    for module in sys.argv[1:]:
        with suppress(ImportError):  # optional packages
            import_module(module)
    if "matplotlib.pyplot" in sys.argv:
        import torch

        from advlearn.core import registry

        # Every objective, regularizer and task.
        registry.entries()
        registry.tasks()
        # The first optimiser imports more of torch.
        torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    # The processes then neither search nor copy the memory of what is imported.
    gc.collect()
    gc.freeze()
    if (request := serve()) is not None:
        leave(exit_status(request))
