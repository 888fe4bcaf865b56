"""Test the temporary files that every writer of the library uses."""

import ast
import os
import stat
from pathlib import Path

import pytest

import advlearn
from advlearn.core.files import atomic_write
from tests.script_server import ScriptServer

ROOT = Path(advlearn.__file__).parent
posix = pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
# These write in another way: a lock, a log that grows, a second name of a complete file, and the
# files of a process group of the tests.
OTHER_WRITERS = {"core/files.py", "training/folder_lock.py", "training/event_file.py"}
OTHER_WRITERS |= {"training/previous_file.py", "testing/_processes.py"}


def temporary_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_two_writers_of_one_file_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "note"
    with atomic_write(path) as first:
        first.write(b"first")
        with atomic_write(path) as second:
            second.write(b"second")
            assert len(temporary_files(tmp_path)) == 2
        assert path.read_bytes() == b"second"
        first.write(b", all of it")
    assert path.read_bytes() == b"first, all of it"
    assert os.listdir(tmp_path) == ["note"]


@posix
def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    # The name that earlier versions used, and links to the new names in case they are known.
    (tmp_path / ".note.tmp").symlink_to(victim)
    (tmp_path / ".note.0123456789abcdef.tmp").symlink_to(victim)
    with atomic_write(tmp_path / "note") as file:
        file.write(b"new")
    assert victim.read_bytes() == b"untouched" and victim.exists()
    assert not (tmp_path / "note").is_symlink()


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_permissions_of_the_replaced_file_are_kept(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_bytes(b"earlier")
    path.chmod(mode)
    with atomic_write(path) as file:
        file.write(b"later")
    assert stat.S_IMODE(path.stat().st_mode) == mode and path.read_bytes() == b"later"


@posix
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_new_file_has_the_permissions_of_any_new_file(
    mask: int, mode: int, tmp_path: Path
) -> None:
    before = os.umask(mask)
    try:
        with atomic_write(tmp_path / "note") as file:
            file.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "note").stat().st_mode) == mode


KILLED = """
import os, signal, sys
from pathlib import Path
from advlearn.core.files import atomic_write
with atomic_write(Path(sys.argv[1])) as file:
    file.write(b"half of it")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_the_rest_of_a_killed_writer_is_removed_and_that_of_a_running_one_kept(
    tmp_path: Path, scripts: ScriptServer
) -> None:
    path = tmp_path / "note"
    scripts.python("-c", KILLED, str(path))
    left = temporary_files(tmp_path)
    assert len(left) == 1 and not path.exists()
    with atomic_write(path) as running:
        running.write(b"running")
        assert not left[0].exists()
        with atomic_write(path) as other:
            other.write(b"other")
    assert path.read_bytes() == b"running" and os.listdir(tmp_path) == ["note"]


def test_files_of_similar_names_are_kept(tmp_path: Path) -> None:
    names = [".note.backup.tmp", ".note.tmp", ".notes.0123456789abcdef.tmp", "note.tmp"]
    for name in names:
        (tmp_path / name).write_bytes(b"mine")
    with atomic_write(tmp_path / "note") as file:
        file.write(b"new")
    assert sorted(os.listdir(tmp_path)) == sorted([*names, "note"])


def test_a_long_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120 + ".pt")
    with atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_every_writer_of_the_library_uses_these_files() -> None:
    """A call that opens a path for writing is found by its name and its mode."""
    found: list[str] = []
    for path in ROOT.rglob("*.py"):
        if str(path.relative_to(ROOT)) in OTHER_WRITERS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _writes(node):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:60]}")
    assert not found


def _writes(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name.endswith(
        (".write_text", ".write_bytes", ".rename", "os.replace", ".to_csv", ".tofile")
    ):
        return True
    if name == "open" or name.endswith((".open", ".fdopen")):
        modes = [a.value for a in call.args if isinstance(a, ast.Constant)]
        modes += [k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)]
        return any(isinstance(mode, str) and set(mode) & set("wax+") for mode in modes)
    return False
