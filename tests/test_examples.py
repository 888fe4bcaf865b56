"""Test that every example runs for three steps and saves its picture."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.script_server import ScriptServer

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


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(example: Path, tmp_path: Path, scripts: ScriptServer) -> None:
    run(scripts, example, tmp_path)
    for name in re.findall(r'"--picture", default="(.+?)"', example.read_text()):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG"), name


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_variant_runs(variant: tuple[str, str, str], tmp_path: Path, scripts: ScriptServer) -> None:
    name, *options = variant
    example = next(example for example in EXAMPLES if example.stem == name)
    run(scripts, example, tmp_path, *options)


def run(scripts: ScriptServer, example: Path, folder: Path, *options: str) -> None:
    guest = GUESTS.get(example.stem)
    # Only looked for: an import of lightning fails where torchvision does not match torch.
    if guest is not None and find_spec(guest) is None:
        pytest.skip(f"{guest} is not installed")
    done = scripts.run(example, "--steps", "3", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
