"""Base class of the reference networks, conditioning and input checks.

A network of K classes takes classes, int64 (N,), or vectors, float (N, K), such as word vectors,
features or mixtures of classes. A vector weights the learned vectors of the classes, so a one-hot
vector is equivalent to its class.
"""

import inspect
from abc import ABC
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from advlearn.core.arguments import checked

EMBEDDING = 32
"""Size of the learned embedding of a class where it is concatenated to another vector."""


class Network(nn.Module, ABC):
    """Base class of networks that can be rebuilt from their constructor's parameters.

    A subclass stores each constructor parameter in an attribute of the same name.
    """

    KIND = "network"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            checked(cls)

    def config(self) -> dict[str, Any]:
        """Return the class name and the constructor's parameters as plain values, for `build`.

        Weights are not part of it; they are the state dict.
        """
        parameters = inspect.signature(type(self).__init__).parameters
        values = {name: getattr(self, name) for name in parameters if name != "self"}
        plain = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }
        return {"net": type(self).__name__, **plain}


def positive(**values: int) -> None:
    """Raise a ValueError that names the first value below 1."""
    for name, value in values.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}: expected an int of at least 1, got {value!r}")


def sizes(name: str, values: Sequence[int]) -> tuple[int, ...]:
    """Return a shape or a list of widths as a tuple of ints.

    Example:
        >>> sizes("shape", [1, 8, 8])
        (1, 8, 8)
    """
    result = tuple(values)
    if not all(isinstance(value, int) and value >= 1 for value in result):
        raise ValueError(f"{name}: expected ints of at least 1, got {values!r}")
    return result


def embedding(classes: int, width: int = EMBEDDING) -> nn.Embedding | None:
    """Return a table of class vectors, or None for a network without classes."""
    if classes < 0:
        raise ValueError(f"classes: expected 0 (unconditional) or more, got {classes}")
    return nn.Embedding(classes, width) if classes else None


def join(x: Tensor, y: Tensor | None, table: nn.Embedding | None) -> Tensor:
    """Concatenate the embedding of classes `y` (N,) or (N, classes) to vectors `x` (N, D)."""
    vectors = class_vectors(y, table)
    return x if vectors is None else torch.cat([x, vectors], dim=1)


def one_hot(y: Tensor, classes: int, like: Tensor) -> Tensor:
    """Convert `y` (N,) to one-hot vectors (N, classes) in the precision of `like`.

    Unlike `torch.nn.functional.one_hot` it does not read the values, which would synchronise with
    the device.
    """
    if y.is_floating_point():
        return y.to(like)
    return (y[:, None] == torch.arange(classes, device=y.device)).to(like)


def class_vectors(y: Tensor | None, table: nn.Embedding | None) -> Tensor | None:
    """Look up the vectors of classes (N,), or sum them by weights (N, classes); None without."""
    check_classes(y, 0 if table is None else table.num_embeddings)
    if table is None or y is None:
        return None
    return y.to(table.weight) @ table.weight if y.is_floating_point() else table(y)


def projected(score: Tensor, h: Tensor, y: Tensor | None, table: nn.Embedding | None) -> Tensor:
    """Add the projection v_f(y) . h to scores (N, F) of features h (N, D), if there are classes."""
    vectors = class_vectors(y, table)
    return (
        score
        if vectors is None
        else score + (vectors.unflatten(1, (score.shape[1], -1)) * h.unsqueeze(1)).sum(2)
    )


def plane(y: Tensor | None, table: nn.Embedding | None, like: Tensor) -> list[Tensor]:
    """Return the learned class planes (N, 1, H, W) for images `like`; empty without classes."""
    vectors = class_vectors(y, table)
    return [] if vectors is None else [vectors.view(-1, 1, *like.shape[2:])]


def check_classes(y: Tensor | None, classes: int) -> None:
    """Validate labels for a network with `classes` classes.

    Args:
        y: Class indices (N,) or vectors (N, classes); None for a network without classes.
        classes: Number of classes; 0 for an unconditional network.

    Raises:
        ValueError: `y` is missing, unexpected or of another shape.
    """
    if not classes:
        if y is not None:
            raise ValueError(
                "y: expected None for an unconditional network (classes=0), got a condition; "
                "build it with classes"
            )
    elif y is None or not (y.shape[1:] == (classes,) if y.is_floating_point() else y.ndim == 1):
        got = None if y is None else f"{str(y.dtype).removeprefix('torch.')} {tuple(y.shape)}"
        raise ValueError(
            f"y: expected class indices (N,) below {classes} or vectors (N, {classes}), got {got}"
        )


def check_shape(name: str, x: Tensor, shape: tuple[int, ...]) -> None:
    """Raise a ValueError unless `x` is a batch of samples of `shape`."""
    if tuple(x.shape[1:]) != shape or x.ndim != len(shape) + 1:
        expected = ", ".join(map(str, shape))
        raise ValueError(f"{name}: expected shape (N, {expected}), got {tuple(x.shape)}")


def squeeze_score(score: Tensor) -> Tensor:
    """Return one score per sample as (N,), several as (N, F)."""
    return score.squeeze(1) if score.shape[1] == 1 else score
