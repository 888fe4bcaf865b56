"""Test that two runs cannot write to one folder, and that a crash frees it."""

import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

import advlearn
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.folder_lock import FolderInUseError, folder_lock
from tests.script_server import ScriptServer, Started

ROOT = Path(__file__).resolve().parents[2]
DATA = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
HOLDER = """
import sys
from advlearn.training.folder_lock import folder_lock
with folder_lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def hold(scripts: ScriptServer, folder: Path) -> Started:
    """Start a process that holds a folder until it is killed or gets a line."""
    process = scripts.start("-c", HOLDER, str(folder), cwd=ROOT)
    assert process.stdout.readline() == "held\n"
    return process


def train(folder: Path, *callbacks: Callback, steps: int = 2) -> Any:
    return advlearn.fit(
        "nsgan", data=DATA, steps=steps, callbacks=callbacks, device="cpu", out=folder
    )


def test_another_run_is_refused_by_name_and_a_killed_one_frees_the_folder(
    tmp_path: Path, scripts: ScriptServer
) -> None:
    process = hold(scripts, tmp_path)
    try:
        with pytest.raises(FolderInUseError) as caught:
            train(tmp_path)
        expected = (
            r"^out: expected a folder that no other run writes to, got "
            rf"{re.escape(str(tmp_path))}, which process {process.pid} on "
            rf"{re.escape(socket.gethostname())} since "
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* uses; wait for it, stop it, or choose another"
        )
        assert re.match(expected, str(caught.value)) and "\n" not in str(caught.value)
        assert os.listdir(tmp_path) == [".lock"]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    train(tmp_path)
    assert (tmp_path / "checkpoint.pt").exists() and not (tmp_path / ".lock").exists()


def test_a_folder_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    train(tmp_path)
    with folder_lock(tmp_path):
        assert advlearn.load(tmp_path).sample(3, seed=0).shape == (3, 2)
        with pytest.raises(FolderInUseError):
            train(tmp_path)


class Inside(Callback):
    """Call a function after a step."""

    def __init__(self, call: Any, step: int = 1) -> None:
        self.call = call
        self.step = step

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            self.call()


def test_a_run_holds_its_folder_and_frees_it_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(FolderInUseError, match=f"process {os.getpid()} on "):
        train(tmp_path, Inside(lambda: train(tmp_path)))
    with folder_lock(tmp_path):
        pass


def test_imitation_holds_its_folder(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    from advlearn.imitation import imitate
    from tests.imitation.counting import always_one, counting, small

    with folder_lock(tmp_path), pytest.raises(FolderInUseError):
        imitate(always_one(), steps=48, algorithm=small(counting()), out=tmp_path, quiet=True)


def test_a_folder_deleted_during_a_run_is_made_and_locked_again(tmp_path: Path) -> None:
    from advlearn.training import checkpoint

    folder = tmp_path / "run"
    with folder_lock(folder):
        (folder / ".lock").unlink()
        folder.rmdir()
        checkpoint.save(folder / "checkpoint.pt", {"trainer": {}})
        assert sorted(os.listdir(folder)) == [".lock", "checkpoint.pt"]
        with pytest.raises(FolderInUseError), folder_lock(folder):
            pass
    assert os.listdir(folder) == ["checkpoint.pt"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"^out: cannot write to .*file/run: .*; choose another"):
        train(tmp_path / "file" / "run")


def test_a_refused_run_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="boom"), folder_lock(tmp_path / "new"):
        raise ValueError("boom")
    assert not os.listdir(tmp_path)


REMOVED = """
import os, sys
from pathlib import Path
from advlearn.training.folder_lock import folder_lock
folder, removed = Path(sys.argv[1]), []

def hook(event, _):
    if event == "fcntl.flock" and not removed:
        removed.append((folder / ".lock").unlink())

sys.addaudithook(hook)
with folder_lock(folder):
    print(len(removed), (folder / ".lock").exists())
"""


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_file_that_is_removed_before_it_is_locked_does_not_count(
    tmp_path: Path, scripts: ScriptServer
) -> None:
    """The run before may end between the two calls; a third run would then make a new file."""
    done = scripts.python("-c", REMOVED, str(tmp_path), cwd=ROOT)
    assert done.stdout == "1 True\n", done.stderr


FORKED = """
import os, sys
from advlearn.training.folder_lock import folder_lock
with folder_lock(sys.argv[1]):
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)
        sys.stdin.readline()
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork of POSIX")
def test_a_worker_that_outlives_a_killed_run_does_not_keep_the_folder(
    tmp_path: Path, scripts: ScriptServer
) -> None:
    process = scripts.start("-c", FORKED, str(tmp_path), cwd=ROOT)
    worker = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    assert process.end()[0] == -signal.SIGKILL
    try:
        os.kill(worker, 0)  # it is running
        with folder_lock(tmp_path):
            pass
    finally:
        os.kill(worker, signal.SIGKILL)
        process.close()
