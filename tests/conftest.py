"""Every test draws the same numbers, whatever ran before it and whoever forgot a seed."""

import random

import numpy as np
import pytest
import torch

try:
    # It must be known to torch before the first backward pass of the process.
    import tests.device.second  # noqa: F401
except ImportError:
    # A torch older than the pinned one knows no device that is written in Python.
    collect_ignore = ["device"]

# For what is drawn while tests are collected, such as the parameters of a case.
torch.manual_seed(0)
np.random.seed(0)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
