"""Pictures of what in an image raises a critic's score, or a feature of one of its layers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advlearn.core.activations import RECTIFIERS, OnActivations
from advlearn.core.arguments import Natural, checked
from advlearn.core.layer_names import find_layer
from advlearn.core.modules import eval_mode
from advlearn.core.scores import outputs
from advlearn.plots.image_table import image_table


@checked
def guided_gradients(
    critic: nn.Module, images: Tensor, layer: str | None = None, channel: Natural = 0
) -> Tensor:
    r"""Compute gradients by images that pass only positive parts through each rectifier.

    Where a rectifier reads z and the gradient from above is g, it passes on

    .. math:: 1[z > 0]\, 1[g > 0]\, g

    so that only evidence for the score, or for the feature, remains. Without rectifiers it is the
    plain gradient.

    Args:
        critic: Any network that reads images, such as ``run.adversaries["data"].critic``.
        images: Float images (N, C, H, W), as the critic expects them.
        layer: Name of a layer, as in ``critic.named_modules()``; its feature `channel` is
            explained where its response to the image is largest. None: the critic's score.
        channel: The layer's feature.

    Returns:
        Gradients (N, C, H, W).

    Raises:
        ValueError: If the critic has no such layer or feature.

    Example:
        >>> critic = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
        >>> found = guided_gradients(critic, torch.rand(3, 1, 2, 2))
        >>> torch.equal(found[0].flatten(), critic[1].weight[0])
        True

    Reference: Springenberg et al., "Striving for Simplicity: The All Convolutional Net", 2015,
    section 3.4; Radford et al. 2016, section 6.1, for a GAN's critic.

    Deviations: leaky and smooth rectifiers pass nothing on for negative inputs either.
    """
    x = images.detach().clone().requires_grad_()
    seen: list[Any] = []
    part = None if layer is None else find_layer(critic, layer)
    hook = part and part.register_forward_hook(lambda *call: seen.append(call[2]))
    guide: Any = _Guide.apply
    try:
        with torch.enable_grad(), eval_mode(critic), OnActivations(RECTIFIERS, before=guide):
            explained = outputs(critic, x).joined()
    finally:
        if hook:
            hook.remove()
    if layer is not None:
        explained = _responses(seen, layer, channel)
    (gradients,) = torch.autograd.grad(explained.sum(), x)
    return gradients


@checked
def guided_backpropagation(
    critic: nn.Module,
    images: Tensor,
    path: str | Path,
    layer: str | None = None,
    channels: Sequence[int] = (0, 1, 2, 3, 4, 5),
) -> Path:
    """Draw one row for each image: the image, then what in it raises the score or each feature.

    Each gradient of `guided_gradients` is divided by its largest entry; grey is zero.

    Args:
        critic: As in `guided_gradients`.
        images: Images (N, 1 or 3, H, W) in [-1, 1].
        path: The PNG file.
        layer: Name of a layer; None: the critic's score.
        channels: Features of the layer, one a column.

    Returns:
        The file.

    Raises:
        ValueError: As `guided_gradients` and `image_table`.

    Example:
        >>> import tempfile
        >>> critic = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 1))
        >>> path = Path(tempfile.mkdtemp()) / "guided.png"
        >>> guided_backpropagation(critic, torch.rand(2, 1, 8, 8), path, layer="0").name
        'guided.png'
    """
    columns = [("score", 0)] if layer is None else [(f"feature {c}", c) for c in channels]
    shown = [images.detach()]
    for _, channel in columns:
        found = guided_gradients(critic, images, layer, channel)
        largest = found.abs().amax(tuple(range(1, found.ndim)), keepdim=True)
        shown.append(found / torch.where(largest > 0, largest, 1.0))
    return image_table(
        torch.stack(shown, 1), path, columns=["image", *(name for name, _ in columns)]
    )


class _Guide(torch.autograd.Function):
    """Pass on the positive part of a gradient where the input is positive."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        """Return a copy, which the activation function may overwrite."""
        ctx.save_for_backward(z > 0)
        return z.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Return the gradient's positive part."""
        (positive,) = ctx.saved_tensors
        return grads[0].clamp(min=0) * positive


def _responses(seen: list[Any], layer: str, channel: int) -> Tensor:
    """Return the largest response of a feature in each image, (N,)."""
    maps = seen[-1] if seen else None
    if not isinstance(maps, Tensor) or maps.ndim < 2:
        raise ValueError(
            f"layer: expected a layer that returns features (N, K, ...), got {layer!r}, which "
            "does not"
        )
    if channel >= maps.shape[1]:
        raise ValueError(
            f"channel: expected below {maps.shape[1]}, the features of {layer!r}, got {channel}"
        )
    return maps[:, channel].flatten(1).amax(1)
