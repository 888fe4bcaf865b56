"""Find values of a saved state that are not finite, with one wait for the device."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Mapping
from typing import Any, cast, final

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from advlearn.core import distributed


def named_tensors(state: object, name: str = "") -> dict[str, Tensor]:
    """Return the tensors in nested mappings and sequences, by their path.

    Args:
        state: A tensor, or mappings and sequences that hold tensors and plain values.
        name: Path of `state` itself.

    Example:
        >>> list(named_tensors({"state": [{"exp_avg": torch.zeros(2)}, 3]}))
        ['state.0.exp_avg']
    """
    if isinstance(state, Tensor):
        return {name: state}
    if isinstance(state, Mapping):
        parts = cast(Mapping[Any, Any], state).items()
    elif isinstance(state, list | tuple):
        parts = enumerate(cast(list[Any], state))
    else:
        return {}
    found: dict[str, Tensor] = {}
    for key, part in parts:
        found |= named_tensors(part, f"{name}.{key}" if name else str(key))
    return found


@final
class FiniteState:
    """Look for NaN and infinities in the tensors of a state.

    A tensor that holds infinities at the start, such as a mask of attention, may keep them; NaN is
    never allowed. Tensors of integers and booleans are skipped.

    Example:
        >>> check, state = FiniteState(), {"mask": torch.tensor([0.0, float("-inf")])}
        >>> check.first_failure(state)
        'mask'
        >>> check.allow_infinities(state)
        >>> check.first_failure(state) is None
        True
    """

    def __init__(self) -> None:
        self._infinite: frozenset[str] = frozenset()

    def allow_infinities(self, tensors: Mapping[str, Tensor]) -> None:
        """Allow infinities in the tensors that hold some now."""
        self._infinite = frozenset(_not_finite(tensors))

    def first_failure(self, tensors: Mapping[str, Tensor]) -> str | None:
        """Return the name of the first tensor that is not finite, or None.

        Args:
            tensors: The state by name. Of a sharded tensor the part of this process is looked at.
        """
        for name in _not_finite(tensors):
            if name not in self._infinite or _has_nan(tensors[name]):
                return name
        return None


@torch.no_grad()
def _not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors with a value that is not finite, in their order."""
    groups: dict[tuple[torch.device, torch.dtype], dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        values = _values(tensor)
        if values is not None:
            groups.setdefault((values.device, values.dtype), {})[name] = values
    # The largest absolute value is NaN or infinite where any value is, and it cannot overflow.
    norm = torch._foreach_norm  # pyright: ignore[reportPrivateImportUsage, reportPrivateUsage]
    finite: dict[torch.device, list[Tensor]] = {}
    for (device, _), group in groups.items():
        largest = torch.stack(list(norm(list(group.values()), float("inf"))))
        finite.setdefault(device, []).append(largest.isfinite())
    verdicts: dict[str, bool] = {}
    for device, parts in finite.items():
        names = [name for (on, _), group in groups.items() if on == device for name in group]
        verdicts.update(zip(names, torch.cat(parts).tolist(), strict=True))
    return [name for name in tensors if not verdicts.get(name, True)]


def _values(tensor: Tensor) -> Tensor | None:
    """Return the values of this process to look at; None of integers, lazy and empty tensors."""
    if is_lazy(tensor) or tensor.is_meta:
        return None
    local = cast(Any, tensor).to_local() if distributed.is_sharded(tensor) else tensor.detach()
    if local.is_sparse:
        local = local.coalesce().values()
    if local.is_complex():
        local = torch.view_as_real(local)
    if not local.is_floating_point() or not local.numel():
        return None
    # The norms of torch have no 8-bit kernels.
    return local.float() if local.itemsize == 1 else local


def _has_nan(tensor: Tensor) -> bool:
    values = _values(tensor)
    return values is not None and bool(values.isnan().any())
