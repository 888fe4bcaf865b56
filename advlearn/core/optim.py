"""Optimizers by name, sums of losses, and backward passes outside autocast."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import operator
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from advlearn.core import distributed, stacked
from advlearn.core.chain import Defaults
from advlearn.core.checks import check_choice

OptimizerFactory = Callable[[list[nn.Parameter]], torch.optim.Optimizer]

OPTIMIZERS = ("adam", "rmsprop", "sgd")


def adam(
    parameters: list[nn.Parameter], *, lr: float, betas: tuple[float, float]
) -> torch.optim.Adam:
    """Build Adam, fused if the parameters allow it."""
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
    return torch.optim.Adam(
        parameters, lr=lr, betas=betas, fused=fused, capturable=_on_cuda(parameters)
    )


def build_optimizer(
    name: str, parameters: list[nn.Parameter], *, lr: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """Build an optimizer by its name.

    Args:
        name: ``"adam"``, ``"rmsprop"`` or ``"sgd"``.
        parameters: The parameters to train.
        lr: Learning rate.
        betas: Adam's decay rates. The first one is the momentum of SGD; RMSProp uses neither.

    Returns:
        The optimizer.

    Raises:
        ValueError: If `name` is not one of the three.

    Example:
        >>> weight = nn.Parameter(torch.zeros(1))
        >>> type(build_optimizer("rmsprop", [weight], lr=5e-5, betas=(0.0, 0.9))).__name__
        'RMSprop'
    """
    if check_choice("optimizer", name, OPTIMIZERS) == "adam":
        return adam(parameters, lr=lr, betas=betas)
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr, capturable=_on_cuda(parameters))
    return torch.optim.SGD(parameters, lr=lr, momentum=betas[0])


def _on_cuda(parameters: list[nn.Parameter]) -> bool:
    """Return whether an optimizer can be captured; its steps are then counted on the device."""
    return all(p.device.type == "cuda" for p in parameters)


def make_optimizer(
    make: OptimizerFactory | torch.optim.Optimizer | str | None,
    parameters: list[nn.Parameter],
    lr: float | None,
    defaults: Defaults,
) -> torch.optim.Optimizer:
    """Return the optimizer of a critic: one by its name, by a factory, or as the user made it.

    Args:
        make: A name, a callable from a list of parameters to an optimizer, or an optimizer; the
            name in `defaults` if None.
        parameters: The parameters of the critic.
        lr: Learning rate for a name; that of `defaults` if None.
        defaults: Settings that apply where none is given.

    Raises:
        TypeError: If `make`, or what it returns, is of another type.
    """
    if isinstance(make, torch.optim.Optimizer):
        return make
    if callable(make):
        made = cast(object, make(parameters))
        if not isinstance(made, torch.optim.Optimizer):
            raise TypeError(
                f"optimizer: expected a callable that returns an optimizer, got one that returns "
                f"{type(made).__name__}"
            )
        return made
    if make is not None and not isinstance(cast(object, make), str):
        raise TypeError(
            "optimizer: expected a name, an optimizer or a callable from a list of parameters to "
            f"one, got {type(make).__name__}"
        )
    of_critic = defaults.lr if defaults.critic_lr is None else defaults.critic_lr
    rate = of_critic if lr is None else lr
    return build_optimizer(
        make or cast(str, defaults.optimizer),
        parameters,
        lr=cast(float, rate),
        betas=cast(tuple[float, float], defaults.betas),
    )


def gradient_norm(parameters: Iterable[nn.Parameter], clip: float | None = None) -> Tensor:
    """Return the norm of all gradients as a scalar on the device, after clipping them to `clip`.

    Gradients of 16 bits are summed in fp32; the norm of sharded gradients is that of the whole.
    """
    own = [p for p in parameters if p.grad is not None]
    if stacked.is_open():
        return _norm_of_each(own)
    sharded = [p for p in own if distributed.is_sharded(p)]
    # Operations on lists take tensors of one kind.
    plain = [p for p in own if not distributed.is_sharded(p)] if sharded else own
    kinds = [kind for kind in (sharded, plain) if kind] or [own]
    norms = [distributed.whole(_norm(kind)) for kind in kinds]
    norm = norms[0] if len(norms) == 1 else torch.stack(norms).norm()
    if clip is not None:
        for kind in kinds:
            nn.utils.clip_grads_with_norm_(kind, clip, norm)
    return norm


def _norm_of_each(parameters: list[nn.Parameter]) -> Tensor:
    """Return the norm of the gradient of each member, from stacked gradients."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    with stacked.outside():
        norms = [g.reshape(len(g), -1).norm(dim=1) for g in gradients]
        return stacked.of_member(torch.stack(norms).norm(dim=0))


def _norm(parameters: list[nn.Parameter]) -> Tensor:
    gradients = [p.grad for p in parameters if p.grad is not None]
    return nn.utils.get_total_norm([g.float() if g.element_size() < 4 else g for g in gradients])


def added(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of one or more scalars; a single one is returned unchanged."""
    return reduce(operator.add, terms)


def backward(loss: Tensor) -> None:
    """Run the backward pass outside of autocast, which is meant for forward passes only."""
    if torch.is_autocast_enabled(loss.device.type):
        with torch.autocast(loss.device.type, enabled=False):
            stacked.backward(loss)
    else:
        stacked.backward(loss)


def clear(parameters: Iterable[nn.Parameter]) -> None:
    """Set gradients to None, without the profiler calls of `Optimizer.zero_grad`."""
    for p in parameters:
        p.grad = None


def move_average(decay: float, averages: Any, values: Any, count: Any) -> None:
    """Move averages towards the values; PyTorch's own function is local and cannot be pickled."""
    get_ema_multi_avg_fn(decay)(averages, values, count)
