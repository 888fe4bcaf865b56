"""Every benchmark runs from start to end in its quick form, and writes nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from advlearn.data import folders

FOLDER = Path(__file__).parents[1] / "benchmarks"
# What a benchmark reads from a data folder.
NEEDS = {
    "images": ("MNIST/raw",),
    "encode": ("MNIST/raw",),
    "images_conditional": ("FashionMNIST/raw",),
    "stacked_mnist": ("MNIST/raw",),
    "translate": ("FashionMNIST/raw", "MNIST/raw", "usps", "cifar10"),
    "fairness_adult": ("adult", "german-credit"),
    "adapt_digits": ("MNIST/raw", "usps"),
    "objectives_by_task": ("usps", "german-credit"),
}
QUICK = [path.stem for path in sorted(FOLDER.glob("*.py")) if "arguments(__doc__" in path.read_text()]


def run(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / f"{name}.py"), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The benchmarks without their results, so that what one writes is seen."""
    for path in FOLDER.glob("*.py"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", QUICK)
def test_quick_form_runs_and_writes_nothing(name: str, copied: Path) -> None:
    for place in NEEDS.get(name, ()):
        if not any((folder / place).exists() for folder in folders()):
            pytest.skip(f"needs {place} in a data folder, and tests download nothing")
    done = run(copied, name, "--quick")
    assert done.returncode == 0, done.stderr[-2000:]
    assert name in done.stdout
    assert {path.name for path in copied.iterdir()} - {"__pycache__"} == {p.name for p in FOLDER.glob("*.py")}


def test_check_fails_when_a_bar_is_missing_and_not_when_one_falls_short(copied: Path) -> None:
    results = copied / "results"
    results.mkdir()
    head = '{"rows": [], "seconds": 1.0, "commit": "none", "bars": ['
    far = '{"name": "kills", "value": 3, "op": "==", "bar": 20}'
    (results / "resume.json").write_text(head + far + "]}")
    partial = run(copied, "check")
    assert partial.returncode == 1
    assert "MISSING resume: identical == 1" in partial.stdout
    other = '{"name": "identical", "value": 1, "op": "==", "bar": 1}'
    (results / "resume.json").write_text(head + far + ", " + other + "]}")
    whole = run(copied, "check")
    assert whole.returncode == 0, whole.stderr
    assert "SHORT   resume: kills: 3 == 20" in whole.stdout


def test_check_tells_a_weaker_bar_from_the_one_that_was_asked_for(copied: Path) -> None:
    results = copied / "results"
    results.mkdir()
    weaker = '{"name": "import advlearn over import torch, median", "value": 1, "op": "<=", "bar": 3}'
    (results / "import_time.json").write_text(
        '{"rows": [], "seconds": 1.0, "commit": "none", "bars": [' + weaker + "]}"
    )
    done = run(copied, "check")
    assert done.returncode == 1
    assert "MISSING import_time" in done.stdout
