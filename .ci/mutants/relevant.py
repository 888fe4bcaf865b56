"""Record which tests run which statement, once and again where a test file has changed."""

from __future__ import annotations

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
# Test files that one fork records.
GROUP = 12
# Folders and files of tests that concern other packages, or that run advlearn in other processes.
LEFT_OUT = (
    *("envs/", "nets/", "plots/", "data/", "test_examples", "test_benchmarks", "test_page"),
    *(
        "test_add_a_file",
        "conformance/test_new_task",
        "test_optional_imports",
        "test_plain_english",
    ),
    *("test_import_graph", "test_layering", "test_lazy_stubs"),
    # A compiler sees other code where statements are recorded.
    "conformance/test_compiled",
)


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
    def load(cls, path: Path) -> Record:
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
    folder = ROOT / "tests"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("test_*.py"))
    tests = [f"tests/{name}" for name in names if not name.startswith(LEFT_OUT)]
    doctests = [file for file in sources if ">>> " in (ROOT / file).read_text()]
    return [*tests, *doctests]


def digest(file: str) -> str:
    """Return what changes when a file changes."""
    return hashlib.sha256((ROOT / file).read_bytes()).hexdigest()[:16]


def bring_up_to_date(
    path: Path, sources: list[str], folder: Path, jobs: int, only: str = ""
) -> Record:
    """Record the tests of new and changed test files, in groups that are kept as they end.

    Args:
        path: The file of the record.
        sources: The files whose statements are recorded.
        folder: Where forks write.
        jobs: Forks at once.
        only: Record only test files whose name contains this.
    """
    record = Record.load(path)
    files = test_files(sources)
    record.files = {file: held for file, held in record.files.items() if file in files}
    todo = [f for f in files if record.files.get(f, {}).get("digest") != digest(f) and only in f]
    if not todo:
        return record
    for file in sources:
        recorded((ROOT / file).read_text(), file, record.keys)
    print(f"recording the statements that {len(todo)} test files run", flush=True)
    groups = [todo[i : i + GROUP] for i in range(0, len(todo), GROUP)]
    running: dict[int, Path] = {}
    group_of: dict[Path, list[str]] = {}
    while groups or running:
        while groups and len(running) < jobs:
            place = folder / f"record-{len(groups)}"
            group_of[place] = groups.pop()
            work = _Recording(group_of[place], sources, record.keys, place)
            running[start(work, place, LIMIT)] = place
        child, ended = wait(running)
        place = running.pop(child)
        if ended.result is None:
            raise SystemExit(f"recording was stopped; see {ended.output}")
        _store(record, group_of[place], ended.result)
        record.save(path)
        tests = len(ended.result)
        print(f"{len(groups):3} groups left; {tests} tests in {ended.seconds:.0f} s", flush=True)
    return record


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
        status = run_pytest(self.files, marker, self.folder)
        if status not in (0, 1, 5):  # passed, some failed, none found
            raise RuntimeError(f"pytest ended with status {status}")
        return marker.tests


def _store(record: Record, files: list[str], tests: dict[str, Any]) -> None:
    by_file: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for test, held in tests.items():
        by_file[test.partition("::")[0]][test] = held
    for file in files:
        record.files[file] = {"digest": digest(file), "tests": by_file[file]}
