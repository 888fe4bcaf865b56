"""Functions of tasks with a generator: its construction, checks, and labels to sample with."""

import torch
from torch import Tensor, nn

from advlearn.core.modules import eval_mode
from advlearn.core.protocols import Penalizes
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.nets import find_architecture, generator_for


def propose_generator(
    source: ArrayDataset | StreamedDataset,
    latent: int,
    *,
    classes: int = 0,
    architecture: str | None = None,
    base_channels: int = 64,
) -> nn.Module:
    """Return a generator of an architecture by name, or chosen by the shape of a sample."""
    # End in tanh for images in [-1, 1], not for standardised ones.
    tanh_output = source.kind == "image" and (
        not isinstance(source, ArrayDataset) or source.bounded
    )
    if architecture is None:
        return generator_for(source.shape, latent, classes, base_channels, tanh_output=tanh_output)
    build = find_architecture(architecture, source.shape).generator
    return build(
        latent, source.shape, base_channels=base_channels, classes=classes, tanh_output=tanh_output
    )


def check_generator(generator: nn.Module, shape: tuple[int, ...], *inputs: Tensor) -> None:
    """Raise a ValueError unless the generator returns samples of `shape` for `inputs`."""
    with torch.no_grad(), eval_mode(generator):
        try:
            samples = generator(*inputs)
        except (RuntimeError, TypeError, ValueError) as error:
            size = tuple(inputs[0].shape)
            raise ValueError(
                f"generator: expected a module of z of shape {size}, "
                f"got the error: {str(error).splitlines()[0]}"
            ) from None
    if tuple(samples.shape[1:]) != tuple(shape):
        raise ValueError(
            f"generator: expected samples of shape {tuple(shape)}, got {tuple(samples.shape[1:])}"
        )


def without_labels(name: str) -> str:
    """Return the message about a conditional task on data without labels."""
    return (
        f"conditional: expected labels for conditional=True, got none in {name!r}; pass (x, y), or "
        "leave conditional out"
    )


def own_penalty(generator: nn.Module) -> Tensor | None:
    """Return the penalty of a generator that has one, else None."""
    return generator.penalty() if isinstance(generator, Penalizes) else None


def with_penalty(loss: Tensor, generator: nn.Module) -> Tensor:
    """Add the penalty of a generator that has one to a loss."""
    penalty = own_penalty(generator)
    return loss if penalty is None else loss + penalty


def classes_of(
    n: int, labels: Tensor | None, classes: int, device: torch.device
) -> tuple[Tensor, ...]:
    """Return the classes (n,) to sample with; by default all in turn; empty without classes.

    Raises:
        ValueError: Labels for an unconditional generator, of another length, or out of range.
    """
    if not classes:
        if labels is not None:
            raise ValueError(
                "labels: expected None for an unconditional task (classes=0), got labels"
            )
        return ()
    y = torch.arange(n) % classes if labels is None else labels
    if y.shape != (n,) or y.is_floating_point() or int(y.min()) < 0 or int(y.max()) >= classes:
        raise ValueError(
            f"labels: expected {n} integers below {classes}, got {tuple(y.shape)} {y.dtype}"
        )
    return (y.to(device),)


def vectors_of(n: int, vectors: Tensor | None, known: Tensor) -> tuple[Tensor]:
    """Return the vectors (n, d) to sample with; by default those of `known` (K, d) in turn.

    Raises:
        ValueError: Vectors of another number or size, or classes instead.
    """
    c = known[torch.arange(n, device=known.device) % len(known)] if vectors is None else vectors
    if c.shape != (n, known.shape[1]) or not c.is_floating_point():
        raise ValueError(
            f"labels: expected {n} float vectors of size {known.shape[1]}, "
            f"got {c.dtype} {tuple(c.shape)}"
        )
    return (c.to(known),)
