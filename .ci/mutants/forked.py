"""Run pytest in forks of this process, which has imported torch but not advlearn.

A fork compiles some files of advlearn from other trees than theirs: a mutant, or a file that
records its statements. The files themselves stay as they are.
"""

import ast
import contextlib
import importlib.machinery
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Imported once here, since each is heavy and none imports advlearn.
HEAVY = (
    *("torch", "torch.optim", "torch.utils.tensorboard", "torch.nn.utils.parametrizations"),
    *("numpy", "scipy.stats", "scipy.optimize", "sklearn.linear_model", "sklearn.datasets"),
    *("matplotlib.pyplot", "PIL.Image", "hypothesis", "pytest", "typer.testing", "rich.console"),
    *("gymnasium", "stable_baselines3", "sb3_contrib", "torch._dynamo"),
)
MEMORY = 12 << 30
# The folder of the module that processes of the tests import at their start.
CHILDREN = "ADVLEARN_MUTANT_CHILDREN"
CHILD = """
from importlib.machinery import SourceFileLoader
from pathlib import Path

original = SourceFileLoader.get_code


def get_code(self, fullname):
    if self.path == {path!r}:
        return compile(Path({source!r}).read_text(), self.path, "exec", dont_inherit=True)
    return original(self, fullname)


SourceFileLoader.get_code = get_code
"""


@dataclass(frozen=True)
class Ended:
    """The end of a fork.

    Args:
        result: What the function returned, or None where a signal ended the fork.
        seconds: CPU time.
        output: The file with what it printed.
    """

    result: Any
    seconds: float
    output: Path


def import_heavy() -> None:
    """Import what the tests import, except advlearn and the tests."""
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "envs")]
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import torch

    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    assert not any(name.split(".")[0] == "advlearn" for name in sys.modules)


def replace_source(tree_of: Callable[[str], ast.Module | None]) -> None:
    """Compile files of the repository from other trees in this process.

    Args:
        tree_of: From a file, relative to the root, to its tree, or None for the file as it is.
    """
    original = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: Any, fullname: str) -> CodeType | None:
        path = Path(self.path)
        if path.is_relative_to(ROOT / "advlearn"):
            tree = tree_of(str(path.relative_to(ROOT)))
            if tree is not None:
                return compile(tree, str(path), "exec", dont_inherit=True)
        return original(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code


def replace_source_in_children(file: str, tree: ast.Module, folder: Path) -> None:
    """Compile a file of the repository from another tree in all processes that this one starts.

    Python imports a module of the name ``sitecustomize`` at its start, if there is one.

    Args:
        file: The file, relative to the root.
        tree: Its tree.
        folder: Where the module and the other code are written.
    """
    place = folder / "children"
    place.mkdir(parents=True, exist_ok=True)
    (place / "source.py").write_text(ast.unparse(tree))
    (place / "sitecustomize.py").write_text(
        CHILD.format(path=str(ROOT / file), source=str(place / "source.py"))
    )
    os.environ[CHILDREN] = str(place)


def start(work: Callable[[], Any], folder: Path, limit: float) -> int:
    """Start a function in a fork and return the fork's process id.

    Args:
        work: The function; its result must be serialisable as JSON.
        folder: Where the fork writes its output and its result.
        limit: CPU time in seconds after which the fork is ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 6))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        signal.alarm(int(limit * 10) + 60)  # for a test that waits without computing
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        (folder / "result.json").write_text(json.dumps(work()))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait(folders: dict[int, Path]) -> tuple[int, Ended]:
    """Wait for one of several forks; return its process id and how it ended."""
    child, status, usage = os.wait4(-1, 0)
    # Processes that a stopped test has started.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    folder = folders[child]
    output = folder / "output"
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a fork failed before or after its tests; see {output}")
    result = None if os.WIFSIGNALED(status) else json.loads((folder / "result.json").read_text())
    return child, Ended(result, usage.ru_utime + usage.ru_stime, output)


def run_pytest(arguments: list[str], plugin: object, folder: Path) -> int:
    """Run pytest in this process, which is a fork, and return its exit status."""
    import pytest

    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
    os.environ.setdefault("MPLBACKEND", "Agg")
    os.environ["OMP_NUM_THREADS"] = "1"
    first = [os.environ[CHILDREN]] if CHILDREN in os.environ else []
    os.environ["PYTHONPATH"] = os.pathsep.join([*first, str(ROOT), str(ROOT / "envs")])
    common = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not browser", "--tb=short"]
    # Rewriting assertions would compile the files that are named here without `replace_source`.
    common += ["--assert=plain"]
    started = time.process_time()
    status = int(pytest.main([*common, *arguments], plugins=[plugin]))
    print(f"{time.process_time() - started:.1f} s of CPU time")
    return status
