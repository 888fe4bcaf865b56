"""Small data sets that the conformance tests train each task on."""

import torch
from torch import Tensor

from advlearn.data.array_dataset import ArrayDataset

ROWS = 16


def points(seed: int = 0) -> Tensor:
    """Return standard normal points (16, 2), the same in every call."""
    return torch.randn(ROWS, 2, generator=torch.Generator().manual_seed(seed))


def labelled_points(shift: float = 0.0, name: str = "points") -> ArrayDataset:
    """Return points (16, 2) of two classes, moved by `shift`."""
    return ArrayDataset(points() + shift, torch.arange(ROWS) % 2, name, classes=2)
