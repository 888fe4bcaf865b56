"""Run scripts in processes forked from one that has imported torch.

Importing torch, its optimisers and matplotlib takes longer than most scripts that the tests run for
a few steps. A server imports them once and forks for each script. The script runs as by
``python SCRIPT``: as ``__main__``, with its folder first on the path.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, final

TIMEOUT = 300


@final
class ScriptServer:
    """A context in which scripts run without importing torch again.

    The server inherits the environment of the tests, with one thread and without a display.
    """

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(TemporaryDirectory()))
        self._server = subprocess.Popen(
            [sys.executable, __file__],
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
        assert self._server.stdin is not None and self._server.stdout is not None
        files = [str(self._folder / name) for name in ("stdout", "stderr")]
        command = [str(script), *arguments]
        request = {"argv": command, "cwd": str(cwd), "files": files}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline())
        output, errors = (Path(file).read_text() for file in files)
        return subprocess.CompletedProcess(command, status, output, errors)


def serve() -> dict[str, Any] | None:
    """Fork for each request on the standard input; return the request in the fork."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def become(request: dict[str, Any]) -> None:
    """Run the script of a request with its folder, arguments and output files."""
    signal.alarm(TIMEOUT)
    for descriptor, file in zip((0, 1, 2), (os.devnull, *request["files"]), strict=True):
        mode = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(file, mode), descriptor)
    os.chdir(request["cwd"])
    sys.argv = request["argv"]
    # As Python does for a script; this file's folder was first until now.
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    import matplotlib.pyplot  # noqa: F401
    import torch

    import advlearn.fitting  # noqa: F401

    # The first optimiser imports more of torch.
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    if (request := serve()) is not None:
        become(request)
