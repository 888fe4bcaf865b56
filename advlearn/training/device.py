"""Device and numerical precision of a run."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, cast, get_args

import torch

Precision = Literal["fp32", "tf32", "bf16"]

# Typed loosely: torch adds these to its modules while it is imported.
_CUDNN, _MKLDNN = cast(Any, torch.backends.cudnn), cast(Any, torch.backends.mkldnn)
_NEWER: tuple[Any, ...] = (torch.backends.cuda.matmul, _CUDNN.conv, _CUDNN.rnn, _MKLDNN.matmul)


def pick(device: str | torch.device = "auto") -> torch.device:
    """Choose the device of a run.

    ``"auto"`` is the current CUDA device where there is one, else the CPU. Apple's MPS must be
    named explicitly, because it lacks float64 and some double-backward operations.

    Args:
        device: ``"auto"``, a name that torch knows, such as ``"cpu"`` or ``"cuda:1"``, or a device.

    Returns:
        The device, with its index on CUDA.

    Raises:
        ValueError: The name of no device, or a device that this machine does not have.

    Example:
        >>> pick("cpu")
        device(type='cpu')
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"device: expected auto, cpu, cuda, cuda:N or mps, got {device!r}"
        ) from None
    if chosen.type == "cuda":
        return _cuda(chosen)
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device: {chosen} is not available on this machine; use cpu")
    if chosen.type not in ("cpu", "mps"):
        raise ValueError(f"device: expected auto, cpu, cuda, cuda:N or mps, got {str(chosen)!r}")
    return chosen


def _cuda(chosen: torch.device) -> torch.device:
    if not torch.cuda.is_available():
        reason = (
            "torch was built without CUDA"
            if torch.version.cuda is None
            else "torch finds no CUDA device"
        )
        raise ValueError(f"device: {chosen} is not available ({reason}); use cpu")
    index = torch.cuda.current_device() if chosen.index is None else chosen.index
    if index >= torch.cuda.device_count():
        raise ValueError(
            f"device: cuda:{index} is not available, this machine has {torch.cuda.device_count()}"
        )
    return torch.device("cuda", index)


@contextmanager
def precision(name: Precision = "fp32", device: str | torch.device = "cpu") -> Iterator[None]:
    """Set the numerical precision within a block, and restore the settings after it.

    ``fp32`` turns TF32 off on CUDA, also for convolutions, where torch's default is on. ``tf32``
    turns it on. ``bf16`` computes under autocast, and what stays in fp32, such as a penalty's
    gradients, with TF32 on CUDA, whose mantissa is longer than that of bf16. It needs no gradient
    scaler, because it has the exponents of fp32. fp16 is not supported.

    Args:
        name: ``"fp32"``, ``"tf32"`` or ``"bf16"``.
        device: Device of the run.

    Raises:
        ValueError: An unknown name, or TF32 on a device that has none.

    Example:
        >>> with precision("bf16"):
        ...     torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype
        torch.bfloat16
    """
    if name not in get_args(Precision):
        raise ValueError(
            f"precision: expected one of {', '.join(get_args(Precision))}, got {name!r}"
        )
    kind = torch.device(device).type
    if name == "tf32" and kind != "cuda":
        raise ValueError(
            f"precision: tf32 exists on CUDA only, got device {kind}; use fp32 or bf16"
        )
    # Autocast's cache would keep the cast weights of the first step for the whole run.
    autocast = (
        torch.autocast(kind, torch.bfloat16, cache_enabled=False)
        if name == "bf16"
        else nullcontext()
    )
    with _tf32(name == "tf32" or (name == "bf16" and kind == "cuda")), autocast:
        yield


@contextmanager
def _tf32(on: bool) -> Iterator[None]:
    # Torch has older and newer switches for one state and raises errors where they disagree, so
    # both are set to the same value.
    older, newer = _older(), [switch.fp32_precision for switch in _NEWER]
    _set(("high", True) if on else ("highest", False), ["tf32" if on else "ieee"] * len(_NEWER))
    try:
        yield
    finally:
        _set(older, newer)


def _older() -> tuple[str | None, bool | None]:
    """Read the older switches; None where only newer ones are set and reading raises an error."""
    with _quiet():
        try:
            matmul = torch.get_float32_matmul_precision()
        except RuntimeError:
            matmul = None
        try:
            return matmul, torch.backends.cudnn.allow_tf32
        except RuntimeError:
            return matmul, None


def _set(older: tuple[str | None, bool | None], newer: list[str]) -> None:
    matmul, cudnn = older
    with _quiet():
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        if cudnn is not None:
            torch.backends.cudnn.allow_tf32 = cudnn
    for switch, value in zip(_NEWER, newer, strict=True):
        switch.fp32_precision = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the deprecation warnings that some versions of torch give for the older switches."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
