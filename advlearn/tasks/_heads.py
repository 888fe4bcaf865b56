"""Functions of tasks with a predictor: its construction, output checks and prediction."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.modules import eval_mode
from advlearn.nets import MLPPredictor, Network, predictor_for

HIDDEN = (128, 128)


def outputs_of(model: nn.Module, shape: tuple[int, ...], name: str = "model") -> Tensor:
    """Return the outputs of a model for a batch of two zeros, or raise a ValueError."""
    parameter = next(model.parameters(), None)
    zeros = torch.zeros(2, *shape) if parameter is None else torch.zeros(2, *shape).to(parameter)
    with torch.no_grad(), eval_mode(model):
        try:
            output = model(zeros)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{name}: expected a module of samples of shape {shape}, "
                f"got the error: {str(error).splitlines()[0]}"
            ) from None
    if not isinstance(output, Tensor) or output.ndim < 1 or output.shape[0] != 2:
        raise ValueError(f"{name}: expected one output for each of 2 samples, got {_shape(output)}")
    return output


def predictor(shape: tuple[int, ...], outputs: int, hidden: Sequence[int] | None) -> Network:
    """Return a perceptron with the given hidden layers, or a network chosen by the shape."""
    return predictor_for(shape, outputs) if hidden is None else MLPPredictor(shape, outputs, hidden)


def predict(model: nn.Module, x: Tensor, batch_size: int = 1000) -> Tensor:
    """Compute a model's outputs in evaluation mode, without gradient, batch by batch."""
    device = next(model.parameters()).device
    with torch.no_grad(), eval_mode(model):
        return torch.cat([model(part.to(device)) for part in x.split(batch_size)])


def drawn(weights: Tensor, like: Tensor) -> Tensor:
    """Draw N indices with replacement, with frequencies in proportion to `weights`: int64 (N,)."""
    edges = weights.cumsum(0)
    places = distributed.rand(len(weights), like=like.detach()) * edges[-1]
    return torch.searchsorted(edges, places).clamp(max=len(weights) - 1)


def class_weights(given: Sequence[float] | None, classes: int) -> tuple[float, ...] | None:
    """Return the checked weight of each class, or raise a ValueError."""
    if given is None:
        return None
    weights = tuple(float(check_number("class_weight", float(w), low=0)) for w in given)
    if len(weights) != classes or not any(weights):
        raise ValueError(
            f"class_weight: expected {classes} numbers, one per class and not all 0, "
            f"got {len(weights)}: {weights}"
        )
    return weights


def weighted_mean(
    losses: Tensor,
    y: Tensor,
    weights: Tensor | None,
    class_weight: Sequence[float] | None = None,
) -> Tensor:
    """Compute the mean of the losses (N,) with sample weights (N,) and class weights (K,)."""
    total = torch.ones_like(losses) if weights is None else weights.to(losses)
    if class_weight is not None:
        total = total * torch.as_tensor(class_weight, dtype=losses.dtype).to(losses.device)[y]
    return (total * losses).sum() / total.sum().clamp(min=torch.finfo(losses.dtype).tiny)


def _shape(output: object) -> str:
    return str(tuple(output.shape)) if isinstance(output, Tensor) else type(output).__name__
