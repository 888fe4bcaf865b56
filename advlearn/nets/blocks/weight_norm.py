"""Data-dependent initialisation of PyTorch's weight-normalised layers.

``torch.nn.utils.parametrizations.weight_norm(layer)`` writes a weight as g v / |v| without a change
of its value. A deep classifier with noise between its layers trains badly from that start:
activations shrink from layer to layer and the noise does not.
"""

import torch
from torch import Tensor, nn


@torch.no_grad()
def data_dependent_init(net: nn.Module, x: Tensor) -> None:
    r"""Set weight-norm scales and biases to give each output mean 0 and variance 1 on a batch.

    .. math:: t = v \cdot x / \|v\|, \qquad g = 1 / \sigma[t], \qquad b = -\mu[t] / \sigma[t]

    Layers are initialised in the order in which the network calls them, each on the outputs of the
    layers before it. The network stays in its mode: noise and dropout are active in training mode.

    Args:
        net: Network whose layers under ``torch.nn.utils.parametrizations.weight_norm`` have biases.
        x: A batch (N, ...) of some hundreds of the network's inputs.

    Raises:
        ValueError: No layer is weight-normalised, a layer has no bias, or a layer does not have
            one scale per output (a transposed convolution needs ``weight_norm(layer, dim=1)``).

    Example:
        >>> from torch.nn.utils.parametrizations import weight_norm
        >>> net = nn.Sequential(
        ...     weight_norm(nn.Linear(3, 4)), nn.ReLU(), weight_norm(nn.Linear(4, 2))
        ... )
        >>> x = torch.randn(100, 3)
        >>> data_dependent_init(net, x)
        >>> (
        ...     net(x).mean(0).abs().max().item() < 1e-5,
        ...     net(x).var(0, correction=0).sub(1).abs().max().item() < 1e-4,
        ... )
        (True, True)

    Reference: Salimans and Kingma 2016, "Weight Normalization", equations 5 and 6.

    Deviations: an output that does not vary over the batch keeps its scale.
    """
    layers = {name: layer for name, layer in net.named_modules() if _scales(layer) is not None}
    if not layers:
        raise ValueError("net: expected layers under weight_norm, got none")
    for name, layer in layers.items():
        if not isinstance(layer.bias, Tensor):
            raise ValueError(
                f"net: expected a bias in every weight-normalised layer, got none in {name!r}"
            )
    hooks = [layer.register_forward_hook(_standardise) for layer in layers.values()]
    try:
        net(x)
    finally:
        for hook in hooks:
            hook.remove()


def _scales(layer: nn.Module) -> nn.Parameter | None:
    """Return the scale g of a weight-normalised layer."""
    lists = getattr(layer, "parametrizations", None)
    scales = (
        getattr(lists.weight, "original0", None)
        if isinstance(lists, nn.ModuleDict) and "weight" in lists
        else None
    )
    return scales if isinstance(scales, nn.Parameter) else None


def _standardise(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Standardise the layer's outputs by its scales and bias; return the new outputs."""
    scales, bias = _scales(layer), layer.bias
    assert scales is not None and isinstance(bias, Tensor)
    shape = (1, -1, *[1] * (output.ndim - 2))
    if scales.numel() != output.shape[1]:
        raise ValueError(
            f"net: expected a scale for each of {output.shape[1]} outputs, "
            f"got {tuple(scales.shape)}"
        )
    axes = [d for d in range(output.ndim) if d != 1]
    mean, deviation = output.mean(axes), output.var(axes, correction=0).sqrt()
    deviation = torch.where(deviation > 1e-6, deviation, 1.0)
    scales.div_(deviation.view_as(scales))
    bias.copy_((bias - mean) / deviation)
    return (output - mean.view(shape)) / deviation.view(shape)
