"""Features of images, in batches, for the metrics that compare feature vectors."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from advlearn.core.checks import check_count, describe_value


def features(
    model: nn.Module | Callable[[Tensor], Tensor],
    images: Tensor,
    batch_size: int = 256,
    device: torch.device | str | None = None,
) -> Tensor:
    """Features of a batch of images, f(x_n) for n = 1..N, without gradients and in evaluation mode.

    Batches of the images are moved to the device; the model is not. Every submodule gets its own
    training mode back afterwards, also when the model fails, so a part that was frozen in
    evaluation mode stays so.

    Args:
        model: A module, or any callable, from (B, ...) to (B, d); outputs (B, ...) are flattened to
            (B, d).
        images: Float or integer (N, ...), scaled as the model expects; N at least 1.
        batch_size: Images per call.
        device: Where to compute; by default where the module's first parameter is, else where the
            images are.

    Returns:
        (N, d), in the dtype of the model's output, on the device it was computed on.

    Raises:
        TypeError: `images` is no tensor, or `model` returns something else than one.
        ValueError: `images` without rows, a `batch_size` below 1, or an output whose rows are not
        the images.

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
            f"images: expected a tensor of shape (N, ...) with N at least 1, got {describe_value(images)}"
        )
    parts = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [part.training for part in parts]
    where = _device(model, images) if device is None else torch.device(device)
    try:
        for part in parts:
            part.training = False
        with torch.no_grad():
            return torch.cat(
                [_rows(model(batch.to(where)), batch) for batch in images.split(batch_size)]
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
            f"model: expected an output (B, d) with B = {batch.shape[0]}, got {describe_value(output)}"
        )
    return output.flatten(1)
