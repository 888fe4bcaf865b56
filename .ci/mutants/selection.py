"""Choose the tests of a mutant and their order."""

from collections import defaultdict
from dataclasses import dataclass

from forked import ROOT
from mutations import Mutant
from relevant import Record, unpacked

# CPU seconds, as recorded, of the tests of one mutant.
BUDGET = 25.0
MOST_TESTS = 250
MOST_FILES = 14
OF_DEFAULTS = "tests/test_defaults.py::test_the_defaults_are_those_of_the_file"
# Tests in several processes, which a record of this process knows nothing of.
IN_PROCESSES = (
    *("tests/reliability/test_processes_agree.py", "tests/reliability/test_guard_processes.py"),
    *("tests/head/test_several_processes.py", "tests/reliability/test_signals.py"),
    *("tests/behaviour/test_health_processes.py", "tests/head/test_sharded.py"),
)


@dataclass(frozen=True)
class Selected:
    """Tests in the order in which they run."""

    tests: list[str]

    def arguments(self) -> list[str]:
        """Return what to pass to pytest: functions without parameters, and files of doctests."""
        files: dict[str, None] = {}
        for test in self.tests:
            file, _, name = test.partition("::")
            is_doctest = not file.startswith("tests/")
            files[file if is_doctest else f"{file}::{name.partition('[')[0]}"] = None
        return list(files)


class Selection:
    """Choose tests by a record: those that run the statement, the most specific ones first."""

    def __init__(self, record: Record) -> None:
        self._keys = record.keys
        self._seconds: dict[str, float] = {}
        self._size: dict[str, int] = {}
        self._tests: defaultdict[int, list[str]] = defaultdict(list)
        for held in record.files.values():
            for test, (seconds, packed) in held["tests"].items():
                numbers = unpacked(packed)
                self._seconds[test], self._size[test] = seconds, len(numbers)
                for number in numbers:
                    self._tests[number].append(test)

    def of(self, mutant: Mutant) -> Selected:
        """Return the tests of a mutant."""
        tests = self._running(mutant)
        tests.sort(key=lambda test: (self._size[test] * (0.05 + self._seconds[test]), test))
        # The best of each test function first, since its parameters often prove the same.
        count: defaultdict[str, int] = defaultdict(int)
        order: list[tuple[int, int, str]] = []
        for rank, test in enumerate(tests):
            function = test.partition("[")[0]
            count[function] += 1
            order.append((count[function] // 8, rank, test))
        chosen: list[str] = []
        files: set[str] = set()
        spent = 0.0
        for _, _, test in sorted(order):
            file = test.partition("::")[0]
            if len(files | {file}) > MOST_FILES or spent + self._seconds[test] > BUDGET:
                continue
            files.add(file)
            spent += self._seconds[test]
            chosen.append(test)
        others = self._in_processes(mutant, set(chosen))
        # A default is evaluated on import, where no test runs it: it has no statement.
        runs = mutant.statement in self._keys and mutant.statement.count("::") > 1
        defaults = [] if runs else [OF_DEFAULTS]
        return Selected([*defaults, *chosen[:MOST_TESTS], *others])

    def _in_processes(self, mutant: Mutant, chosen: set[str]) -> list[str]:
        """Return the tests in several processes, for code that differs there."""
        text = (ROOT / mutant.file).read_text()
        if chosen and "distributed" not in text:
            return []
        names = (test for test in self._seconds if test.startswith(IN_PROCESSES))
        return [test for test in names if test not in chosen]

    def _running(self, mutant: Mutant) -> list[str]:
        number = self._keys.get(mutant.statement)
        if number is not None:
            return list(self._tests[number])
        # Code that runs on import: the tests of the function, of the class, then of the file.
        file, _, rest = mutant.statement.partition("::")
        name = rest.partition("::")[0]
        for prefix in (f"{file}::{name}", f"{file}::"):
            numbers = [n for key, n in self._keys.items() if key.startswith(prefix)]
            found = {test for n in numbers for test in self._tests[n]}
            if found:
                return sorted(found)
        return []
