"""Test that a new task needs one file: the conformance tests find it in a copied package."""

import os
import shutil
from pathlib import Path

import advlearn
from tests.script_server import ScriptServer

TASK = '''
"""Remove noise from samples: a denoiser against a critic of clean samples."""

from typing import Self, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.critics import Inputs
from advlearn.data import ArrayDataset
from advlearn.nets import MLP


@final
class Denoise(Task):
    """Train a denoiser whose outputs a critic cannot distinguish from clean samples.

    Args:
        denoiser: Module from noisy samples (N, d) to clean ones.
        size: Size d of a sample.
        noise: Standard deviation of the noise.
    """

    def __init__(self, denoiser: nn.Module, *, size: int, noise: float = 0.1) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.size = size
        self.noise = noise

    @classmethod
    def from_data(cls, data: ArrayDataset, *, noise: float = 0.1) -> Self:
        """Build the task with a perceptron."""
        (size,) = data.shape
        return cls(MLP(size, size, (8,)), size=size, noise=noise)

    @classmethod
    def example_data(cls) -> ArrayDataset:
        """Return points in the plane."""
        return ArrayDataset(torch.linspace(-1, 1, 32).view(16, 2), None, "points")

    def forward(self, batch: Batch) -> TaskOutput:
        x = batch[0]
        output = self.denoiser(x + self.noise * distributed.randn(*x.shape, like=x))
        loss = (output - x).square().mean()
        return TaskOutput({"clean": SamplePair(x, output)}, loss)

    def critic_inputs(self) -> dict[str, Inputs]:
        return {"clean": Inputs(((self.size,),))}

    def predict(self, x: Tensor) -> Tensor:
        """Return denoised samples (N, d)."""
        return self.denoiser(x)


TASK = Denoise
'''


def test_a_new_task_needs_one_file(tmp_path: Path, torch_only: ScriptServer) -> None:
    # With the bytecode, which is valid for a copy with the same times; not with what another
    # process is writing.
    skip = shutil.ignore_patterns("*.pyc.*")
    shutil.copytree(Path(advlearn.__file__).parent, tmp_path / "advlearn", ignore=skip)
    (tmp_path / "advlearn" / "tasks" / "denoise.py").write_text(TASK)
    tests = shutil.copy(Path(__file__).parent / "test_games.py", tmp_path)
    command = ("-m", "pytest", "-q", "-k", "denoise", "-p", "no:cacheprovider", str(tests))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = torch_only.python(*command, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    summary = done.stdout.splitlines()[-1]
    assert int(summary.split(" passed")[0].split()[-1]) > 40, summary
