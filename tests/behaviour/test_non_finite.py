"""Test that a non-finite loss stops the run with its step, its term and the last checkpoint."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.finite import NonFiniteError
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.tasks.generate import Generate
from advlearn.training.checkpoint import load

SOURCE = ArrayDataset(torch.randn(16, 2, generator=torch.Generator().manual_seed(0)))


class FailsAt(nn.Module):
    """A generator whose samples are NaN from one call on."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.body = nn.Linear(2, 2)
        self.left = call

    def forward(self, z: Tensor) -> Tensor:
        self.left -= self.training
        return self.body(z) * (float("nan") if self.left <= 0 else 1.0)


def test_the_error_names_step_term_and_checkpoint(tmp_path: Path) -> None:
    task = Generate(FailsAt(4), latent=2, shape=(2,))
    with pytest.raises(NonFiniteError) as failed:
        fit(
            task,
            "hinge + r2",
            SOURCE,
            steps=9,
            batch_size=8,
            device="cpu",
            callbacks=(),
            out=tmp_path,
        )
    kept = tmp_path / "checkpoint.pt"
    line = str(failed.value)
    assert line.startswith("step 4: data/") and "\n" not in line
    assert line.endswith(f"is not finite; last good checkpoint: {kept} (step 0)")
    saved = load(kept)["trainer"]
    assert saved["step"] == 0 and all(v.isfinite().all() for v in saved["task"].values())


def test_without_a_folder_the_error_says_that_none_was_saved() -> None:
    task = Generate(FailsAt(2), latent=2, shape=(2,))
    with pytest.raises(NonFiniteError, match=r"^step 2: .* last good checkpoint: none was saved$"):
        fit(task, "nsgan", SOURCE, steps=5, batch_size=8, device="cpu", callbacks=())
