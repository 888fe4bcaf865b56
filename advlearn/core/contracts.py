"""What a head expects of samples, weights, critic and optimizer, checked in one line each."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from advlearn.core.distributed import is_sharded
from advlearn.core.modules import eval_mode
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import (
    Conditions,
    Samples,
    carries_gradient,
    concatenate,
    count,
    describe,
    detach,
    device_of,
    joinable,
    map_tensors,
    parts,
    tensors,
)
from advlearn.core.scores import outputs
from advlearn.core.seeding import seed_torch


def check_sides(real: Samples, fake: Samples) -> None:
    """Raise a one-line error unless a critic can compare the two sides."""
    for name, samples in (("real", real), ("fake", fake)):
        if not tensors(samples):
            raise TypeError(
                f"{name}: expected a tensor, or a tuple, list or dict of tensors, got "
                f"{describe(samples)}; convert arrays with torch.as_tensor"
            )
        sizes = {part.shape[0] if part.ndim else None for part in tensors(samples)}
        if len(sizes) != 1 or not sizes - {None, 0}:
            raise ValueError(
                f"{name}: expected one or more samples along dimension 0, got {describe(samples)}"
            )
    if not _same_structure(real, fake):
        raise ValueError(
            f"fake: expected the structure of real, {describe(real)}, got {describe(fake)}"
        )
    for r, f in zip(tensors(real), tensors(fake), strict=True):
        _check_pair(r, f)


def _check_pair(r: Tensor, f: Tensor) -> None:
    # Lengths and sizes may differ, as a critic of sequences or images of any size allows.
    fixed = 2 if r.ndim > 2 else r.ndim
    if r.ndim != f.ndim or r.shape[1:fixed] != f.shape[1:fixed]:
        raise ValueError(
            f"fake: expected samples of shape {tuple(r.shape[1:])} like real, "
            f"got {tuple(f.shape[1:])}"
        )
    if r.is_floating_point() != f.is_floating_point() or r.device != f.device:
        raise ValueError(
            f"fake: expected {r.dtype} on {r.device} like real, got {f.dtype} on {f.device}"
        )


def _same_structure(real: Any, fake: Any) -> bool:
    if isinstance(real, Tensor) or isinstance(fake, Tensor):
        return isinstance(real, Tensor) and isinstance(fake, Tensor)
    if isinstance(real, Mapping):
        return (
            isinstance(fake, Mapping)
            and real.keys() == fake.keys()
            and all(_same_structure(real[key], fake[key]) for key in real)
        )
    if isinstance(real, tuple | list):
        return (
            type(real) is type(fake)
            and len(real) == len(fake)
            and all(_same_structure(r, f) for r, f in zip(real, fake, strict=True))
        )
    return type(real) is type(fake) and real == fake


def check_weights(name: str, weights: Tensor | None, samples: Samples) -> Tensor | None:
    """Return the weights as (N,), or as they are where they may have the shape of the scores.

    Raises:
        ValueError: If they are not one number per sample and cannot be a mask of the scores.
    """
    if weights is None:
        return None
    n = count(samples)
    if not isinstance(cast(object, weights), Tensor) or weights.shape[:1] != (n,):
        got = tuple(weights.shape) if isinstance(cast(object, weights), Tensor) else type(weights)
        raise ValueError(
            f"{name}: expected one number for each of the {n} samples, ({n},), or the shape of "
            f"the critic's scores, got {got}"
        )
    if weights.device != device_of(samples):
        raise ValueError(
            f"{name}: expected a tensor on {device_of(samples)} like the samples, "
            f"got one on {weights.device}"
        )
    if not weights.is_floating_point():
        weights = weights.to(torch.get_default_dtype())
    return weights.squeeze(1) if weights.shape == (n, 1) else weights


def check_mask(name: str, weights: Tensor | None, scores: tuple[Tensor, ...]) -> None:
    """Raise a one-line error unless the weights are (N,) or have the shape of the scores."""
    if weights is not None and weights.ndim > 1:
        shapes = [tuple(s.shape) for s in scores]
        if shapes != [tuple(weights.shape)]:
            raise ValueError(
                f"{name}: expected ({len(weights)},), or the shape of the critic's scores, "
                f"{' and '.join(map(str, shapes))}, got {tuple(weights.shape)}"
            )


def check_comparable(
    real: tuple[Tensor, ...], fake: tuple[Tensor, ...], objective: Objective
) -> None:
    """Raise a one-line error if scores of two shapes meet an objective that compares them."""
    for r, f in zip(real, fake, strict=True):
        if r.shape[1:] != f.shape[1:] and not objective.pointwise:
            raise ValueError(
                f"fake: expected samples with scores of shape {tuple(r.shape[1:])} like real, "
                f"since {type(objective).__name__} compares the sides, got {tuple(f.shape[1:])}; "
                "use sides of one length or an objective of single scores, such as 'hinge'"
            )


def check_module(critic: object) -> None:
    """Raise a one-line error unless the critic is a module."""
    if not isinstance(critic, nn.Module):
        raise TypeError(
            f"critic: expected a torch.nn.Module, got {type(critic).__name__}; put a function into "
            "the forward method of a module"
        )


def check_conditions(conditions: Conditions, samples: Samples) -> None:
    """Raise a one-line error unless every condition is a top-level part, and not the only one."""
    keys = frozenset(key for key, _ in parts(samples))
    unknown = sorted(map(repr, conditions - keys))
    if unknown or (conditions and conditions == keys):
        raise ValueError(
            f"conditions: expected some, not all, of the parts {sorted(keys, key=str)} of the "
            f"samples, got {sorted(conditions, key=str)}"
        )


def check_gradient(samples: Iterable[Samples | None]) -> None:
    """Raise a one-line error if the learner's loss is computed on samples without gradient."""
    if torch.is_grad_enabled() and not any(s is not None and carries_gradient(s) for s in samples):
        raise ValueError(
            "fake: expected samples that carry a gradient to the model, got none; pass the "
            "model's output without detach(), or use torch.no_grad() to measure the loss only"
        )


@torch.no_grad()
def check_scores(critic: nn.Module, real: Samples) -> None:
    """Raise a one-line error unless the critic, in evaluation mode, gives one score per sample."""
    with eval_mode(critic):
        try:
            scored = outputs(critic, detach(real)).scores
        except (RuntimeError, TypeError, AttributeError) as error:
            if str(error).startswith("critic: "):
                raise
            raise ValueError(
                f"critic: cannot score samples of shape {describe(real)}: "
                f"{str(error).splitlines()[0]}"
            ) from None
    for scores in scored:
        if scores.shape[:1] != (count(real),):
            raise ValueError(
                f"critic: expected one score per sample, {count(real)}, got {tuple(scores.shape)}"
            )


def check_trained(optimizer: torch.optim.Optimizer, critic: nn.Module) -> None:
    """Raise a one-line error if a parameter of the critic requires grad and is in no group."""
    known = {id(p) for group in optimizer.param_groups for p in group["params"]}
    missing = [n for n, p in critic.named_parameters() if p.requires_grad and id(p) not in known]
    if missing:
        raise ValueError(
            f"optimizer: expected every parameter of the critic that requires grad, got none of "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}; add them with "
            "adversary.optimizer.add_param_group, or call requires_grad_(False) on them"
        )


def wrapped(critic: nn.Module, regularizer: Regularizer) -> nn.Module:
    """Return what `regularizer.wrap` makes of the critic.

    Raises:
        ValueError: If the critic is sharded and would get parameters that are not.
    """
    sharded = any(map(is_sharded, critic.parameters()))
    known = {id(p) for p in critic.parameters()}
    critic = regularizer.wrap(critic)
    if sharded and any(id(p) not in known and not is_sharded(p) for p in critic.parameters()):
        raise ValueError(
            f"critic: expected parameters that are not sharded, since {type(regularizer).__name__} "
            "adds layers, got DTensors; leave out fully_shard, and Adversary averages the gradients"
        )
    return critic


def check_average(critic: nn.Module, ema: float) -> None:
    """Raise a one-line error if a sharded critic, which cannot be copied, is to be averaged."""
    if ema and any(map(is_sharded, critic.parameters())):
        raise ValueError(
            f"ema: expected 0 for a critic under fully_shard, which cannot be copied, got {ema}; "
            "leave out fully_shard, and Adversary averages the gradients"
        )


def check_same_parameters(trained: list[nn.Parameter], critic: nn.Module) -> None:
    """Raise a one-line error if the critic's parameters were replaced after the optimizer's."""
    present = {id(p) for p in critic.parameters()}
    if any(id(p) not in present for p in trained):
        raise ValueError(
            "critic: expected the parameters given to the optimizer, got others; call fully_shard, "
            "or whatever replaces parameters, before Adversary"
        )


@torch.no_grad()
def finds_mixing(critic: nn.Module, real: Samples, fake: Samples) -> bool:
    """Return whether, in the critic's present mode, a score depends on the rest of the batch.

    The real samples are scored twice, with the same random numbers, in batches of one shape that
    differ only in the other samples: the fake ones, or one real sample repeated. Weights, buffers
    and random state are left as they were.
    """
    real, fake = detach(real), detach(fake)
    if not joinable(real, fake):
        return True
    n, m = count(real), count(fake)

    def repeated(x: Tensor) -> Tensor:
        return x[:1].expand(m, *x.shape[1:])

    def negated(x: Tensor) -> Tensor:
        return -x if x.is_floating_point() else x

    other = map_tensors(repeated, real)
    if all(torch.equal(a, b) for a, b in zip(tensors(other), tensors(fake), strict=True)):
        other = map_tensors(negated, other)
    first, second = (
        _scored(critic, concatenate(real, side))[:n].nan_to_num() for side in (fake, other)
    )
    return not torch.allclose(first, second, rtol=1e-4, atol=1e-5 * float(first.abs().max()))


def _scored(critic: nn.Module, samples: Samples) -> Tensor:
    device = device_of(samples)
    devices = [] if device.type == "cpu" else [device]
    with (
        torch.random.fork_rng(devices, device_type=devices[0].type if devices else "cuda"),
        restored(critic),
    ):
        seed_torch(0)
        return outputs(critic, samples).joined()


@contextmanager
def restored(module: nn.Module) -> Generator[None]:
    """Copy back all parameters and buffers at the end of the block."""
    state = [*module.parameters(), *module.buffers()]
    before = [tensor.detach().clone() for tensor in state]
    try:
        yield
    finally:
        for tensor, value in zip(state, before, strict=True):
            # Not in place for autograd: a graph of the user's may hold these weights.
            tensor.data.copy_(value)
