"""The state of an optimizer as named tensors, so that any format of tensors can hold it."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from advlearn.core.checks import shown
from advlearn.core.rates import silence

State = dict[str, Tensor]
RATES = "learning_rates"
# State of the optimizers of torch that has the shape of its parameter, and state that is a number.
# Their fused kernels read it without a look at its shape.
_LIKE_PARAMETERS = {
    "acc_delta", "ax", "exp_avg", "exp_avg_sq", "exp_inf", "grad_avg", "max_exp_avg_sq",
    "momentum_buffer", "prev", "square_avg", "step_size", "sum",
}  # fmt: skip
_NUMBERS = {"eta", "mu", "mu_product", "step"}
# State that each parameter has after a step, of the optimizers that `build_optimizer` builds.
_NEEDED = {"Adam": {"step", "exp_avg", "exp_avg_sq"}, "RMSprop": {"step", "square_avg"}}


def to_tensors(optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> State:
    """Return the state of each parameter and the learning rates of the groups as tensors.

    Before the first step this is the state of zeros that a first step starts from, so that a
    checkpoint can be read in place (`torch.distributed.checkpoint`).

    Args:
        optimizer: The optimizer.
        names: Name of each parameter by its ``id``.

    Returns:
        Tensors by ``"PARAMETER.KEY"``, and ``"learning_rates"``, (groups,), fp64.
    """
    state = optimizer.state if len(optimizer.state) else _initial(optimizer)
    found = {
        f"{names[id(p)]}.{key}": value if isinstance(value, Tensor) else _number(value)
        for p, values in state.items()
        for key, value in values.items()
        if value is not None
    }
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    return {**found, RATES: torch.tensor(rates, dtype=torch.float64)}


def from_tensors(
    optimizer: torch.optim.Optimizer, names: Mapping[int, str], tensors: State
) -> None:
    """Restore what `to_tensors` returned; the tensors are copied.

    Raises:
        ValueError: If it is the state of another kind of optimizer, or of other groups.
    """
    template: Any = optimizer.state if len(optimizer.state) else _initial(optimizer)
    _check(optimizer, template, tensors)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for index, p in enumerate(parameters):
        start = f"{names[id(p)]}."
        own = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        if own:
            state[index] = {k: _like(v, template.get(p, {}).get(k)) for k, v in own.items()}
    groups = optimizer.state_dict()["param_groups"]
    for group, rate in zip(groups, tensors[RATES].tolist(), strict=True):
        group["lr"] = torch.full_like(group["lr"], rate) if torch.is_tensor(group["lr"]) else rate
    found = {"state": state, "param_groups": groups}
    check_fits(optimizer, found)
    optimizer.load_state_dict(found)


def check_fits(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Check a saved state of an optimizer of torch before the optimizer loads it.

    Args:
        optimizer: The optimizer; those of other packages are not checked.
        saved: What its `state_dict` returned.

    Raises:
        ValueError: A value has another shape than its parameter, or is not a finite number where
            the optimizer needs one.
    """
    if not type(optimizer).__module__.startswith("torch.optim"):
        return
    for own, group in zip(optimizer.param_groups, saved["param_groups"], strict=False):
        for name, value in own.items():
            if name != "params" and not _is_alike(group.get(name, value), value):
                raise ValueError(
                    f"optimizer: expected {name} like {value!r}, got {shown(group[name])}; restore "
                    "a copy of the file, or start anew"
                )
    state: Mapping[int, Mapping[str, Any]] = saved["state"]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    kind = type(optimizer).__name__
    for index, p in enumerate(parameters):
        values = state.get(index, {})
        missing = _NEEDED.get(kind, set()) - {*values} if values else ()
        if missing:
            raise ValueError(
                f"optimizer: expected the state of {kind}, got one without {min(missing)}; restore "
                "a copy of the file, or build the optimizer that it was saved with"
            )
        for name, value in values.items():
            is_number = name in _NUMBERS
            if value is None or not (is_number or name in _LIKE_PARAMETERS):
                continue
            if is_number and isinstance(value, int | float):
                continue
            fits = isinstance(value, Tensor) and value.layout == torch.strided
            if not fits or (value.numel() != 1 if is_number else value.shape != p.shape):
                got = f"shape {tuple(value.shape)}" if fits else type(value).__name__
                shape = f"the shape {tuple(p.shape)} of its parameter"
                expected = "one number" if is_number else shape
                raise ValueError(
                    f"optimizer: expected {name} with {expected}, got {got}; restore a "
                    "copy of the file, or start anew"
                )


def _is_alike(value: Any, own: Any) -> bool:
    """Return whether a saved setting is of the kind of the optimizer's own one."""
    if isinstance(own, tuple | list):
        same = isinstance(value, tuple | list) and len(value) == len(own)
        return same and all(map(_is_alike, value, own))
    if own is None or isinstance(own, bool):
        return value is None or isinstance(value, bool)
    if not isinstance(own, Tensor | int | float):
        return True
    is_number = isinstance(value, Tensor | int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(float(value))


def _check(
    optimizer: torch.optim.Optimizer, template: Mapping[Any, dict[str, Any]], tensors: State
) -> None:
    """Raise a one-line error unless the state is that of such an optimizer."""
    groups = len(optimizer.param_groups), len(tensors[RATES])
    if groups[0] != groups[1]:
        raise ValueError(
            f"optimizer: expected the state of {groups[0]} parameter groups, got {groups[1]}; "
            "build the head with the parameter groups that it was saved with"
        )
    given = {key.rpartition(".")[2] for key in tensors} - {RATES}
    expected = {k for values in template.values() for k, v in values.items() if v is not None}
    # What an optimizer whose step needs a closure expects is unknown before its first step.
    if template and given != expected:
        raise ValueError(
            f"optimizer: expected the state of {type(optimizer).__name__}, "
            f"{sorted(expected)}, got {sorted(given)}; build the head with the optimizer that it "
            "was saved with"
        )


def _number(value: Any) -> Tensor:
    return torch.tensor(float(value), dtype=torch.float64)


def _like(saved: Tensor, present: Any) -> Any:
    """Return a copy of a saved tensor, or the number it holds where the optimizer has a number."""
    if present is None or isinstance(present, Tensor):
        return saved.clone()
    return type(present)(saved.item())


def _initial(optimizer: torch.optim.Optimizer) -> Mapping[Any, dict[str, Any]]:
    """Return the state before the first step, from a step of a copy on gradients of zero."""
    trial = copy.deepcopy(optimizer)
    silence(trial)
    pairs: list[tuple[Tensor, Tensor]] = []
    for own, group in zip(optimizer.param_groups, trial.param_groups, strict=True):
        group["lr"] = 0 * group["lr"]
        for p, q in zip(own["params"], group["params"], strict=True):
            q.grad = torch.zeros_like(q)
            pairs.append((p, q))
    try:
        trial.step()
    except TypeError:
        # An optimizer whose step needs a closure has no state that can be known before.
        return {}
    return {p: {k: _zero(v) for k, v in trial.state[q].items()} for p, q in pairs}


def _zero(value: Any) -> Any:
    if isinstance(value, Tensor):
        return torch.zeros_like(value)
    return type(value)(0) if isinstance(value, int | float) else value
