"""Compute features of images in batches, for the metrics that compare feature vectors."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count, checked
from advlearn.core.checks import check_count, describe_value


@checked
def features(
    model: nn.Module | Callable[[Tensor], Tensor],
    images: Tensor,
    batch_size: Count = 256,
    device: torch.device | str | None = None,
) -> Tensor:
    """Compute features of images in batches, without gradients and in evaluation mode.

    Batches of the images are moved to the device; the model is not. The training mode of every
    submodule is restored afterwards, also when the model raises an error.

    Args:
        model: A module, or any callable, from (B, ...) to (B, d); outputs (B, ...) are flattened to
            (B, d).
        images: Float or integer (N, ...), scaled as the model expects; N at least 1.
        batch_size: Images per call.
        device: Device to compute on; by default that of the module's first parameter, else that
            of the images.

    Returns:
        Features (N, d), in the dtype of the model's output, on the device they are computed on.

    Raises:
        TypeError: `images` or the output of `model` is not a tensor.
        ValueError: No images, a `batch_size` below 1, or an output with another number of rows than
            images.

    Example:
        >>> images = torch.zeros(5, 1, 4, 4)
        >>> features(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), images, batch_size=2).shape
        torch.Size([5, 3])
        >>> features(lambda x: x, images).shape
        torch.Size([5, 16])
    """
    check_count("batch_size", batch_size)
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images: expected a tensor of shape (N, ...), got {describe_value(images)}"
        )
    if images.ndim < 1 or images.shape[0] < 1:
        raise ValueError(
            "images: expected a tensor of shape (N, ...) with N at least 1, "
            f"got {describe_value(images)}"
        )
    parts = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [part.training for part in parts]
    target = _device(model, images) if device is None else torch.device(device)
    try:
        for part in parts:
            part.training = False
        with torch.no_grad():
            return torch.cat(
                [_rows(model(batch.to(target)), batch) for batch in images.split(batch_size)]
            )
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode


def _device(model: nn.Module | Callable[[Tensor], Tensor], images: Tensor) -> torch.device:
    first = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return images.device if first is None else first.device


def _rows(output: object, batch: Tensor) -> Tensor:
    if not isinstance(output, Tensor):
        raise TypeError(
            f"model: expected it to return one tensor (B, d), got {describe_value(output)}"
        )
    if output.ndim < 2 or output.shape[0] != batch.shape[0]:
        raise ValueError(
            f"model: expected an output (B, d) with B = {batch.shape[0]}, "
            f"got {describe_value(output)}"
        )
    return output.flatten(1)
