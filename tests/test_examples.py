"""Test that every example runs for three steps and saves its picture."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
# Other functions that an example provides.
VARIANTS = [
    *(("conditional_images", "--nets", name) for name in ("cgan", "r3gan", "stylegan")),
    *(("bigan_digits", "--method", name) for name in ("ali", "bigbigan")),
    ("cycle_digits", "--method", "discogan"),
]


def test_there_are_examples() -> None:
    assert EXAMPLES


# Examples for packages that this one does not depend on.
GUESTS = {
    "accelerate_head": "accelerate",
    "lightning_head": "lightning",
    "gail_hopper": "mujoco",
    "vail_halfcheetah": "mujoco",
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    run(example, tmp_path)
    for name in re.findall(r'"--picture", default="(.+?)"', example.read_text()):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG"), name


@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_variant_runs(variant: tuple[str, str, str], tmp_path: Path) -> None:
    name, *options = variant
    run(next(example for example in EXAMPLES if example.stem == name), tmp_path, *options)


def run(example: Path, folder: Path, *options: str) -> None:
    if example.stem in GUESTS:
        pytest.importorskip(GUESTS[example.stem], reason=f"{GUESTS[example.stem]} is not installed")
    command = [sys.executable, str(example), "--steps", "3", *options]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
