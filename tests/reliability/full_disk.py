"""Train while files cannot grow; called as ``python -m tests.reliability.full_disk FOLDER END``.

From step 5 on no file can be written. With END "freed" the limit is lifted before the last step.
Prints the warnings and the error as JSON.
"""

import json
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

import advlearn
from advlearn.core.trainer import Callback, Trainer


class Limit(Callback):
    """Set the largest size of a file after one step."""

    def __init__(self, step: int, size: int) -> None:
        self.step = step
        self.size = size

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.RLIM_INFINITY))


def main(folder: Path, end: str) -> dict[str, Any]:
    points = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    limits = [Limit(105, 0), *([Limit(390, resource.RLIM_INFINITY)] if end == "freed" else [])]
    error = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            advlearn.fit(
                "generate", "nsgan", points, steps=400, batch_size=8, device="cpu", out=folder,
                save_every=100, picture_every=100, callbacks=limits,
            )  # fmt: skip
        except OSError as failure:
            error = str(failure)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {"warnings": [str(warning.message) for warning in caught], "error": error}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])), flush=True)
