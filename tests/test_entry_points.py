"""Test that another package's objective is found by its entry point, and a broken one skipped."""

import os
import subprocess
import sys
from pathlib import Path

MODULE = '''
"""An objective of another package."""
from advlearn.core.objective import Pointwise


class Outside(Pointwise):
    """Compute a hinge loss."""

    loss_at_chance = 2.0

    def real_loss(self, s):
        return (1 - s).clamp(min=0)

    def fake_loss(self, s):
        return (1 + s).clamp(min=0)

    def generator_loss(self, s):
        return -s
'''
ENTRY_POINTS = """
[advlearn.objectives]
outside = outside_package:Outside
unfinished = outside_package:Missing
"""
USE = """
import torch
import advlearn
from advlearn.core import registry

run = advlearn.fit(
    "generate(latent=2)", "outside + r1", torch.randn(32, 2), steps=2, device="cpu", callbacks=()
)
run.save("run.pt")
assert advlearn.load("run.pt").sample(3).shape == (3, 2)
assert "Compute a hinge loss" in advlearn.describe("outside")
assert [b.name for b in registry.broken()] == ["unfinished"], registry.broken()
assert repr(advlearn.resolve("hinge")) == "Hinge()"
try:
    advlearn.resolve("unfinished")
except ValueError as error:
    assert "unfinished" in str(error) and "\\n" not in str(error), error
else:
    raise AssertionError("the unfinished entry point was accepted")
"""


def test_an_entry_point_is_found_everywhere(tmp_path: Path) -> None:
    (tmp_path / "outside_package.py").write_text(MODULE)
    info = tmp_path / "outside_package-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-package\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
