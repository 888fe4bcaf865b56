"""Late imports of torchvision and POT, which need workarounds, and of optional packages."""

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch.library import Library


def torchvision() -> ModuleType:
    """Return torchvision, with `datasets`, `models`, `transforms` and `utils` imported.

    The torchvision wheel on PyPI is built for the CUDA build of torch. With a CPU build its
    compiled operators do not load, and `import torchvision` fails because it registers shape
    functions for undeclared operators ("operator torchvision::nms does not exist"). advlearn does
    not need those operators, so where they are missing this function declares them without an
    implementation and imports torchvision again.

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
    """Return POT (Python Optimal Transport) with only its numpy and torch backends.

    POT imports every array library it finds, and TensorFlow in the same process as torch can abort
    it. POT reads its switches from the environment during its import, so they are set only then. A
    program that needs another backend imports `ot` before the first call.

    Returns:
        The module `ot`.

    Raises:
        ImportError: POT is not installed.

    Example:
        >>> cost = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> ot().emd2(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]), cost)
        tensor(0.5000)
    """
    # POT treats any non-empty value as true, so the switch for torch must be absent, not "0".
    switches = {f"POT_BACKEND_DISABLE_{name}": "1" for name in ("CUPY", "JAX", "TENSORFLOW")}
    with _environment({**switches, "POT_BACKEND_DISABLE_PYTORCH": None}):
        return _import_quietly("ot")


@cache  # keeps the library, and with it its operators, alive
def _declare_operators() -> Library:
    library = Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def huggingface_hub() -> ModuleType:
    """Return the client of the Hugging Face Hub.

    Returns:
        The module `huggingface_hub`.

    Raises:
        ImportError: It is not installed; the message says how to install it.
    """
    try:
        return _import_quietly("huggingface_hub")
    except ModuleNotFoundError as error:
        raise ImportError(
            f'hub: addresses need a further package: pip install "advlearn[hub]" ({error})'
        ) from None


def onnx_exporter() -> Any:
    """Return `torch.onnx.export`, which needs two further packages.

    Returns:
        The function.

    Raises:
        ImportError: They are not installed; the message says how to install them.
    """
    try:
        for name in ("onnx", "onnxscript"):
            _import_quietly(name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f'export: ONNX needs further packages: pip install "advlearn[export]" ({error})'
        ) from None
    return _import_quietly("torch.onnx").export


def _import_quietly(name: str) -> ModuleType:
    # Import warnings of a package (a missing codec, deprecations in its dependencies) are not the
    # user's to fix, and must not stop a program that turns warnings into errors.
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
