"""Late imports of the two packages that need care: the only places that import torchvision and POT."""

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

import torch
from torch.library import Library


def torchvision() -> ModuleType:
    """Return torchvision, with `datasets`, `models`, `transforms` and `utils` imported.

    The torchvision wheel of the package index is built for the CUDA build of torch. Beside a CPU
    build its compiled operators do not load, and `import torchvision` then fails, because it
    registers shape functions for operators that nobody declared ("operator torchvision::nms does
    not exist"). Nothing in advlearn needs those operators, so where they did not load they are
    declared without an implementation and the import is done again. Where they load, nothing is
    declared: it would clash with the real declaration.

    Returns:
        The module `torchvision`.

    Raises:
        ImportError: torchvision is not installed.

    Example:
        >>> torchvision().utils.make_grid(torch.zeros(4, 1, 8, 8), nrow=2, padding=0).shape
        torch.Size([3, 16, 16])
    """
    try:
        module = _import_quietly("torchvision")
    except RuntimeError:
        if hasattr(torch.ops.torchvision, "nms"):
            raise
        _declare_operators()
        module = _import_quietly("torchvision")
    for name in ("datasets", "models", "transforms", "utils"):
        _import_quietly(f"torchvision.{name}")
    return module


def ot() -> ModuleType:
    """Return POT (Python Optimal Transport), with torch as its only array library beside numpy.

    POT imports every array library that it finds, and TensorFlow in one process with torch has
    aborted it. POT reads its switches from the environment while it is imported, so they are set
    for that time only. A program that wants another backend as well imports `ot` itself before the
    first call.

    Returns:
        The module `ot`.

    Raises:
        ImportError: POT is not installed.

    Example:
        >>> cost = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> ot().emd2(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]), cost)
        tensor(0.5000)
    """
    # POT takes any non-empty value for "yes", so the switch for torch has to be absent, not "0".
    switches = {f"POT_BACKEND_DISABLE_{name}": "1" for name in ("CUPY", "JAX", "TENSORFLOW")}
    with _environment({**switches, "POT_BACKEND_DISABLE_PYTORCH": None}):
        return _import_quietly("ot")


@cache  # also keeps the library alive: its operators vanish with it
def _declare_operators() -> Library:
    library = Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def _import_quietly(name: str) -> ModuleType:
    # What a package says about itself on import (an image codec that is missing, a deprecation in
    # its own dependencies) is not the user's to act on, and must not stop a program that turns
    # warnings into errors.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@contextmanager
def _environment(values: dict[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    _set_environment(values)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
