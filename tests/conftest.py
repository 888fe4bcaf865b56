"""Seed every test, so that its random numbers do not depend on the tests before it."""

import gc
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from advlearn.core.seeding import seed_torch
from tests.script_server import ScriptServer

try:
    # torch must know the device before the first backward pass of the process.
    import tests.device.second  # noqa: F401
except ImportError:
    # A torch older than the pinned one has no support for devices written in Python.
    collect_ignore = ["device"]

# For random numbers during collection, such as the parameters of a case.
torch.manual_seed(0)
np.random.seed(0)


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of garbage collection, which is quicker then."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed_torch(0)
    np.random.seed(0)
    random.seed(0)


@pytest.fixture(scope="session")
def scripts() -> Iterator[ScriptServer]:
    """Provide a process that runs commands without importing torch and advlearn again."""
    with ScriptServer() as server:
        yield server


@pytest.fixture(scope="session")
def torch_only() -> Iterator[ScriptServer]:
    """Provide a process that runs commands in which torch is imported and advlearn is not."""
    with ScriptServer(("torch",)) as server:
        yield server
