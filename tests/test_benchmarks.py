"""Test that every benchmark runs in its quick form and writes nothing."""

import json
import shutil
from math import inf
from pathlib import Path
from typing import Any

import pytest

from advlearn.data import folders
from tests.script_server import ScriptServer

FOLDER = Path(__file__).parents[1] / "benchmarks"
# The data sets that a benchmark reads from a data folder.
NEEDS = {
    "images": ("MNIST/raw",),
    "difference_penalties": ("MNIST/raw",),
    "encode": ("MNIST/raw",),
    "autoencoder": ("FashionMNIST/raw",),
    "images_conditional": ("FashionMNIST/raw",),
    "little_data": ("FashionMNIST/raw",),
    "stacked_mnist": ("MNIST/raw",),
    "translate": ("FashionMNIST/raw", "MNIST/raw", "usps", "cifar10"),
    "fairness_adult": ("adult", "german-credit"),
    "adapt_digits": ("MNIST/raw", "usps"),
    "objectives_by_task": ("usps", "german-credit"),
    "head_speed": ("adult",),
    "semisup_mnist": ("MNIST/raw",),
}
QUICK = [
    path.stem for path in sorted(FOLDER.glob("*.py")) if "arguments(__doc__" in path.read_text()
]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy the benchmarks without their results, so that new files can be detected."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for path in FOLDER.glob("*.py"):
        shutil.copy(path, folder)
    # One benchmark reads a page and runs the examples that it names.
    for name in ("docs", "examples"):
        (tmp_path / name).symlink_to(FOLDER.parent / name)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_quick_form_runs_and_writes_nothing(name: str, copied: Path, scripts: ScriptServer) -> None:
    for place in NEEDS.get(name, ()):
        # A download that failed leaves an empty folder.
        if not any(any((folder / place).glob("*")) for folder in folders()):
            pytest.skip(f"needs {place} in a data folder, and tests download nothing")
    done = scripts.run(copied / f"{name}.py", "--quick", cwd=copied)
    assert done.returncode == 0, done.stderr[-2000:]
    assert name in done.stdout
    assert {path.name for path in copied.iterdir()} - {"__pycache__"} == {
        p.name for p in FOLDER.glob("*.py")
    }


def image_rows(scripts: ScriptServer) -> list[str]:
    """Return the names of the rows of `images_conditional`."""
    code = "from images_conditional import CASES; print(*CASES, sep=chr(10))"
    return scripts.python("-c", code, cwd=FOLDER).stdout.splitlines()


def rows_of(name: str, device: str, scripts: ScriptServer) -> list[dict[str, Any]]:
    """Return rows as a full run writes them, with arbitrary figures."""
    if name == "stacked_mnist":
        figures = {"seconds": 300.0, "modes": 990, "kl": 0.1, "judge": 0.99}
        return [{"system": "dcgan", "seed": seed, "device": device, **figures} for seed in (0, 1)]
    if name == "encode":
        named = [f"{method}, {size}" for method in ("vae", "aae") for size in (2, 8)]
        named += ["aae, mixture", "aae, mixture by label", "bigan", "autoencoder", "infogan"]
        figures = dict.fromkeys(("mmd", "holes", "strays", "mse", "told", "features", "nats"), 0.5)
        return [{"row": row, "seed": 0, "device": device, **figures} for row in named]
    if name == "translate":
        methods = dict.fromkeys(
            ("edges", "grey", "frames", "small"), ("distance", "gan", "last frame")
        )
        methods["digits"] = ("cyclegan", "as they are", "paired")
        read = {"cyclegan": 0.7, "as they are": 0.5, "paired": 0.9}
        figures = {"frechet": 1.0, "sharpness": 1.0, "mse": 1.0}
        return [
            {"data": data, "method": method, "seed": 0, "device": device, **figures}
            | {way: read.get(method) for way in ("usps to mnist", "mnist to usps")}
            for data, these in methods.items()
            for method in these
        ]
    figures = {"seed": 0, "device": device, "classifier": 0.9}
    return [
        # Two of them diverged.
        {
            "data": data,
            "name": row,
            **figures,
            **({} if row in ("sngan", "sagan") else {"frechet": 2.0}),
        }
        for data in ("fashion-mnist", "cifar10")
        for row in image_rows(scripts)
    ]


# Some of the bars of those rows.
STATED = {
    "encode": {"latent 8: holes of AAE less that of VAE": 0.0},
    "images_conditional": {
        "worth of dcgan over dcgan unconditional, cifar10, cpu": 1.0,
        "worth of sagan over sngan, cifar10, cpu, diverged: sagan and sngan": inf,
        "worth of biggan over sagan, cifar10, cpu, diverged: sagan": 0.0,
    },
    "stacked_mnist": {"judge: accuracy on single digits": 0.99},
    "translate": {
        f"usps to mnist: {figure} the images as they are, least of 1 seeds": pytest.approx(value)
        for figure, value in (
            ("accuracy over that of", 0.2),
            ("share of what pairs gain over", 0.5),
        )
    },
}


@pytest.mark.parametrize("name", STATED)
def test_complete_results_of_two_devices_have_every_required_bar(
    name: str, copied: Path, scripts: ScriptServer
) -> None:
    path = copied / "results" / f"{name}.json"
    path.parent.mkdir()
    path.write_text(
        json.dumps(
            {"rows": [row for device in ("cpu", "cuda") for row in rows_of(name, device, scripts)]}
        )
    )
    done = scripts.run(copied / f"{name}.py", "--report", cwd=copied)
    assert done.returncode == 0, done.stderr[-2000:]
    bars = {bar["name"]: bar["value"] for bar in json.loads(path.read_text())["bars"]}
    assert {bar: bars.get(bar) for bar in STATED[name]} == STATED[name]
    assert f"MISSING {name}" not in scripts.run(copied / "check.py", cwd=copied).stdout
    if name != "stacked_mnist":  # whose bars are of the best system on any device
        others = [bar for bar in bars if not bar.startswith("classifier")]
        assert len([bar for bar in others if "cuda" in bar]) * 2 == len(others)


def test_a_report_keeps_where_the_rows_come_from(copied: Path, scripts: ScriptServer) -> None:
    path = copied / "results" / "fuzz.json"
    path.parent.mkdir()
    origin = {"commit": "0123456", "machine": "another one", "versions": {"torch": "2.11"}}
    rows = [{"input": "specs", "inputs": 9, "failures": 1, "seed": 3}]
    path.write_text(json.dumps({**origin, "seconds": 5.0, "rows": rows, "bars": []}))
    done = scripts.run(copied / "fuzz.py", "--report", cwd=copied)
    assert done.returncode == 1, done.stderr
    content = json.loads(path.read_text())
    assert {key: content[key] for key in origin} == origin
    assert content["rows"] == rows and [bar["value"] for bar in content["bars"]] == [1]


def test_check_fails_when_a_bar_is_missing_and_passes_when_one_is_not_reached(
    copied: Path, scripts: ScriptServer
) -> None:
    results = copied / "results"
    results.mkdir()
    head = '{"rows": [], "seconds": 1.0, "commit": "none", "bars": ['
    far = '{"name": "kills", "value": 3, "op": "==", "bar": 20}'
    (results / "resume.json").write_text(head + far + "]}")
    partial = scripts.run(copied / "check.py", cwd=copied)
    assert partial.returncode == 1
    assert "MISSING resume: identical == 1" in partial.stdout
    other = '{"name": "identical", "value": 1, "op": "==", "bar": 1}'
    (results / "resume.json").write_text(head + far + ", " + other + "]}")
    whole = scripts.run(copied / "check.py", cwd=copied)
    assert whole.returncode == 0, whole.stderr
    assert "SHORT   resume: kills: 3 == 20" in whole.stdout


def test_check_detects_a_weakened_bar(copied: Path, scripts: ScriptServer) -> None:
    results = copied / "results"
    results.mkdir()
    weaker = (
        '{"name": "import advlearn over import torch, median", "value": 1, "op": "<=", "bar": 3}'
    )
    (results / "import_time.json").write_text(
        '{"rows": [], "seconds": 1.0, "commit": "none", "bars": [' + weaker + "]}"
    )
    done = scripts.run(copied / "check.py", cwd=copied)
    assert done.returncode == 1
    assert "MISSING import_time" in done.stdout
