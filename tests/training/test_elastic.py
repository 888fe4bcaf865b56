"""A run that torchrun restarts continues from its checkpoint."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = [
    *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
    *("--nnodes=1", "--nproc-per-node=2", "--max-restarts=1", "-m", "tests.training.elastic"),
]

KILLED = "failed (exitcode: -9) local_rank: 1"


def launch(kind: str, folder: Path, how: str) -> str:
    """Train in two processes, and return the messages."""
    folder.mkdir()
    result = subprocess.run(
        [*TORCHRUN, kind, str(folder), how],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stderr


@pytest.mark.slow  # starts six processes
@pytest.mark.parametrize("kind", ["fit", "imitate"])
def test_an_elastic_restart_ends_like_an_uninterrupted_run(kind: str, tmp_path: Path) -> None:
    if kind == "imitate":
        pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    whole, restarted = tmp_path / "whole", tmp_path / "restarted"
    assert KILLED not in launch(kind, whole, "lives")
    assert KILLED in launch(kind, restarted, "dies")
    for name in ("0.pt", "1.pt"):
        expected, found = (torch.load(f / name, weights_only=True) for f in (whole, restarted))
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.equal(found[key], value), key
