"""Spectral normalisation: the largest singular value of every layer is one."""

from collections.abc import Iterator
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.spectral_norm import SpectralNorm as OldSpectralNorm
from torch.nn.utils.weight_norm import WeightNorm as OldWeightNorm

from advlearn.core.checks import check_number
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer

REFERENCE = Reference(
    "Spectral Normalization for Generative Adversarial Networks",
    "Miyato et al. 2018",
    "eq. 8 and algorithm 1",
    "https://arxiv.org/abs/1802.05957",
)

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LINEAR_MAPS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)


@final
class SpectralNorm(Regularizer):
    r"""Divide the weights of each layer by their largest singular value.

    .. math:: W \leftarrow W / \sigma(W), \qquad \sigma(W) \approx u^T W v

    Linear, convolution, transposed convolution and embedding layers are parametrised, in place,
    with ``torch.nn.utils.parametrizations.spectral_norm``, unless they already are.
    A convolution's weights are a matrix with one row per output channel, an embedding's that of a
    linear map of one-hot vectors (as in projection critics). The vectors u and v are updated by
    power iteration in each forward pass in training mode, and fixed in
    evaluation mode. Parameters outside such layers (gains of norms, attention's stacked input
    projection, recurrent cells) are not normalised.

    Args:
        iterations: Steps of power iteration in each forward pass.

    Raises:
        ValueError: If `iterations` is below 1; in `wrap`, if the critic has no such layer, or one
            whose weights are all zero and so have no direction.

    Example:
        >>> import torch
        >>> critic = SpectralNorm().wrap(torch.nn.Linear(3, 1))
        >>> largest = torch.linalg.matrix_norm(critic.weight, ord=2)
        >>> torch.allclose(largest, torch.ones(()), atol=1e-4)
        True

    Reference:
        Miyato et al. 2018, eq. 8 and algorithm 1.

    Deviations:
        u and v start from 15 steps of power iteration, not from noise; they move in each forward
        pass, not once in each critic step.
    """

    def __init__(self, iterations: int = 1) -> None:
        super().__init__()
        self.iterations = int(check_number("iterations", iterations, low=1))

    def wrap(self, critic: nn.Module) -> nn.Module:
        layers = [
            (n, m) for n, m in critic.named_modules() if isinstance(m, (*LINEAR_MAPS, nn.Embedding))
        ]
        if not layers:
            raise ValueError(
                "critic: expected a linear or convolution layer to normalise, got "
                f"{type(critic).__name__}"
            )
        for name, layer in layers:
            if _is_normalised(layer):
                continue
            if _old_hook(layer) is not None:
                raise ValueError(
                    f"critic: expected a plain weight in layer {name!r}, got "
                    "torch.nn.utils.weight_norm; use parametrizations.weight_norm"
                )
            if not torch.any(cast(Tensor, layer.weight)):
                raise ValueError(
                    f"critic: expected weights with a norm above zero in layer {name!r}, got zeros"
                )
            parametrizations.spectral_norm(
                layer,
                n_power_iterations=self.iterations,
                dim=1 if isinstance(layer, TRANSPOSED) else 0,
            )
        return critic


def weight_matrices(critic: nn.Module) -> Iterator[Tensor]:
    """Return the learned weights of each linear map as a matrix with one row per output."""
    for layer in critic.modules():
        if isinstance(layer, LINEAR_MAPS):
            weight = _learned(layer)
            yield (weight.transpose(0, 1) if isinstance(layer, TRANSPOSED) else weight).flatten(1)


def _learned(layer: nn.Module) -> Tensor:
    if parametrize.is_parametrized(layer, "weight"):
        steps = cast(nn.ModuleDict, layer.parametrizations)["weight"]
        return cast(Tensor, getattr(steps, "original", layer.weight))
    hook = _old_hook(layer)
    if isinstance(hook, OldSpectralNorm):
        return cast(Tensor, layer.weight_orig)
    # Without a forward pass, an old-style weight is that of the parameters before the last step.
    return cast(Tensor, layer.weight if hook is None else hook.compute_weight(layer))


def _old_hook(layer: nn.Module) -> OldSpectralNorm | OldWeightNorm | None:
    """Return the hook that computes the weight, of ``torch.nn.utils`` before parametrizations."""
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, OldSpectralNorm | OldWeightNorm) and hook.name == "weight":
            return hook
    return None


def _is_normalised(layer: nn.Module) -> bool:
    if not parametrize.is_parametrized(layer, "weight"):
        return isinstance(_old_hook(layer), OldSpectralNorm)
    steps = cast(nn.ModuleList, cast(nn.ModuleDict, layer.parametrizations)["weight"])
    return any(isinstance(step, parametrizations._SpectralNorm) for step in steps)  # pyright: ignore[reportPrivateUsage]
