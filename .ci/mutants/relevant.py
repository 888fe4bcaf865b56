"""Which tests run which statement: recorded once, and again for test files that have changed."""

import base64
import gzip
import hashlib
import json
import time
from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from forked import ROOT, replace_source, run_pytest, start, wait
from statements import MARKS, recorded

LIMIT = 3600.0


@dataclass
class Record:
    """The statements that each test runs, and the time that it takes.

    Args:
        keys: Names of statements to their numbers.
        files: Test files to their digests and their tests; a test has its CPU time in seconds and
            the numbers of its statements.
    """

    keys: dict[str, int] = field(default_factory=dict[str, int])
    files: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt") as file:
            json.dump({"keys": self.keys, "files": self.files}, file)

    @classmethod
    def load(cls, path: Path) -> "Record":
        if not path.exists():
            return cls()
        with gzip.open(path, "rt") as file:
            return cls(**json.load(file))


class Marker:
    """A plugin of pytest that stores the statements of each test that passes."""

    def __init__(self, keys: dict[str, int]) -> None:
        self.keys = keys
        self.marks = bytearray(1 << 17)
        self.tests: dict[str, tuple[float, str]] = {}
        self._passed = True

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self.marks[:] = bytes(len(self.marks))
        self._passed = True
        before = time.process_time()
        yield
        numbers = array("I", (n for n, mark in enumerate(self.marks) if mark))
        if self._passed:
            packed = base64.b85encode(numbers.tobytes()).decode()
            self.tests[item.nodeid] = (round(time.process_time() - before, 3), packed)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or report.skipped:
            self._passed = False


def unpacked(packed: str) -> array[int]:
    """Return the numbers of the statements of a test."""
    return array("I", base64.b85decode(packed))


def test_files(sources: list[str]) -> list[str]:
    """Return the files with tests of some source files: doctests of these and all test files."""
    tests = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob("test_*.py"))
    doctests = [file for file in sources if ">>> " in (ROOT / file).read_text()]
    return [*tests, *doctests]


def digest(file: str) -> str:
    """Return what changes when a file changes."""
    return hashlib.sha256((ROOT / file).read_bytes()).hexdigest()[:16]


def bring_up_to_date(record: Record, sources: list[str], folder: Path, jobs: int) -> bool:
    """Record the tests of new and changed test files; return whether there were any."""
    files = test_files(sources)
    record.files = {file: held for file, held in record.files.items() if file in files}
    todo = [f for f in files if record.files.get(f, {}).get("digest") != digest(f)]
    if not todo:
        return False
    for file in sources:
        recorded((ROOT / file).read_text(), file, record.keys)
    print(f"recording the tests of {len(todo)} files", flush=True)
    # Long files one by one, others in tens: each fork starts pytest once.
    groups = [todo[i::jobs] for i in range(jobs) if todo[i::jobs]]
    running: dict[int, Path] = {}
    groups_of: dict[Path, list[str]] = {}
    for number, group in enumerate(groups):
        place = folder / f"record-{number}"
        work = _Recording(group, sources, record.keys, place)
        running[start(work, place, LIMIT)] = place
        groups_of[place] = group
    while running:
        child, ended = wait(running)
        place = running.pop(child)
        if ended.result is None:
            raise SystemExit(f"recording failed; see {ended.output}")
        _store(record, groups_of[place], ended.result)
    return True


@dataclass
class _Recording:
    files: list[str]
    sources: list[str]
    keys: dict[str, int]
    folder: Path

    def __call__(self) -> dict[str, tuple[float, str]]:
        import builtins

        marker = Marker(self.keys)
        setattr(builtins, MARKS, marker.marks)
        sources = set(self.sources)

        def tree(file: str) -> Any:
            return recorded((ROOT / file).read_text(), file, self.keys) if file in sources else None

        replace_source(tree)
        run_pytest(["-p", "no:terminal", *self.files], marker, self.folder)
        return marker.tests


def _store(record: Record, files: list[str], tests: dict[str, Any]) -> None:
    by_file: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for test, held in tests.items():
        by_file[test.partition("::")[0]][test] = held
    for file in files:
        record.files[file] = {"digest": digest(file), "tests": by_file[file]}
