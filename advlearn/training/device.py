"""Where and how precisely numbers are computed."""

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
    """The device a run uses.

    ``"auto"`` is the current CUDA device where there is one, else the CPU. Apple's MPS is used when
    named: it lacks float64 and has gaps in double backward, so it is no safe choice for a program
    that did not ask for it.

    Args:
        device: ``"auto"``, a name that torch knows, such as ``"cpu"`` or ``"cuda:1"``, or a device.

    Returns:
        The device; one on CUDA has its index.

    Raises:
        ValueError: The name is not one of a device, or the device is not there.

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
        why = (
            "torch was built without CUDA"
            if torch.version.cuda is None
            else "torch finds no CUDA device"
        )
        raise ValueError(f"device: {chosen} is not available ({why}); use cpu")
    index = torch.cuda.current_device() if chosen.index is None else chosen.index
    if index >= torch.cuda.device_count():
        raise ValueError(
            f"device: cuda:{index} is not available, this machine has {torch.cuda.device_count()}"
        )
    return torch.device("cuda", index)


@contextmanager
def precision(name: Precision = "fp32", device: str | torch.device = "cpu") -> Iterator[None]:
    """Set how precisely a run computes, and put everything back after it.

    ``fp32`` is exact: CUDA's TF32 is off, for convolutions too (torch leaves it on there). ``tf32``
    turns it on. ``bf16`` computes under autocast, and exactly what autocast leaves in fp32; its
    exponents are those of fp32, so no gradient scaler is needed. There is no fp16.

    Args:
        name: ``"fp32"``, ``"tf32"`` or ``"bf16"``.
        device: Where the run computes.

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
    # Autocast's cache keeps the weights it has cast until it is left: over a run, those of the
    # first step.
    autocast = (
        torch.autocast(kind, torch.bfloat16, cache_enabled=False)
        if name == "bf16"
        else nullcontext()
    )
    with _tf32(name == "tf32"), autocast:
        yield


@contextmanager
def _tf32(on: bool) -> Iterator[None]:
    # Torch has an older and a newer set of switches for one state, and parts of torch that read the
    # older one raise an error where the two disagree. So both are written, always to the same.
    older, newer = _older(), [switch.fp32_precision for switch in _NEWER]
    _set(("high", True) if on else ("highest", False), ["tf32" if on else "ieee"] * len(_NEWER))
    try:
        yield
    finally:
        _set(older, newer)


def _older() -> tuple[str | None, bool | None]:
    """The older switches; None where the user has set only the newer ones: the older cannot be read then."""
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
    """Some versions of torch announce the end of the older switches whenever they are touched."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
