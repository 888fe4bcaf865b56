"""Test that random input is taken or refused in one line, in a short run of `make fuzz`."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz_inputs.py"
SECONDS = 1.3


def load_script() -> Any:
    """Return the fuzzer's module, which is outside of the package."""
    if not SCRIPT.exists():
        pytest.skip("needs the benchmarks, which have the fuzzer")
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "kind", ["specs", "commands", "arrays", "demonstrations", "checkpoints", "rewards"]
)
def test_random_input_is_taken_or_refused_in_one_line(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = load_script().fuzz(SECONDS, seed=0, keep=tmp_path / "kept", only=[kind])
    assert done.failures == []
    assert done.counts[kind] > 0


def test_an_input_that_ends_in_another_error_is_kept(tmp_path):
    fuzzer = load_script().Fuzzer(0, tmp_path)

    def fail() -> None:
        raise KeyError("recipe")

    fuzzer.try_one("files-0-1", {"format": 1}, fail)
    assert fuzzer.failures == ["files-0-1: KeyError: 'recipe'"]
    assert "KeyError" in (tmp_path / "files-0-1.txt").read_text()


def test_an_error_of_several_lines_is_a_failure(tmp_path):
    fuzzer = load_script().Fuzzer(0, tmp_path)

    def fail() -> None:
        raise ValueError("one\ntwo")

    fuzzer.try_one("files-0-1", None, fail)
    assert len(fuzzer.failures) == 1


def test_the_same_seed_gives_the_same_inputs(tmp_path):
    drawn = []
    for _ in range(2):
        fuzzer = load_script().Fuzzer(3, tmp_path)
        drawn.append([fuzzer.spec()[0] for _ in range(5)])
    assert drawn[0] == drawn[1]
