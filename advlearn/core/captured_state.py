"""What a captured step uses and cannot see change: tensors by their place, optimizers' settings."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportPrivateUsage=false
# (PyTorch's own annotations are partial)

from collections.abc import Sequence
from operator import is_
from typing import Any, final

import torch
from torch import Tensor, nn

Place = tuple[Any, Any, Tensor]
"""Owner, key and tensor."""


def places(
    modules: Sequence[nn.Module], optimizers: Sequence[torch.optim.Optimizer]
) -> list[Place]:
    """Return owner, key and tensor of all weights, buffers, attributes and states of optimizers."""
    owners: list[Any] = [
        own
        for module in modules
        for part in module.modules()
        for own in (part._parameters, part._buffers, vars(part))
    ]
    owners += [state for o in optimizers for state in o.state.values()]
    return [(own, k, x) for own in owners for k, x in own.items() if isinstance(x, Tensor)]


@final
class CapturedState:
    """Tell whether a captured step still uses the tensors and settings of its run.

    A replay uses those of the capture. A callback may load a state, set a rate or freeze a
    layer, which replaces tensors or changes settings that the step read on the host.

    Args:
        modules: The modules that the step changes.
        optimizers: Their optimizers.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> sgd = torch.optim.SGD(layer.parameters(), lr=0.1)
        >>> state = CapturedState([layer], [sgd])
        >>> state.is_current()
        True
        >>> sgd.param_groups[0]["momentum"] = 0.9
        >>> state.is_current()
        False
    """

    def __init__(
        self, modules: Sequence[nn.Module], optimizers: Sequence[torch.optim.Optimizer]
    ) -> None:
        # Other attributes hold results, which callbacks may replace.
        owners = [
            o for m in modules for part in m.modules() for o in (part._parameters, part._buffers)
        ]
        self._tensors = [
            (own, key, x, x.data_ptr(), x.requires_grad)
            for own in owners
            for key, x in own.items()
            if x is not None
        ]
        self._optimizers = [
            (o, o.state, o.param_groups, _settings(o), _entries(o)) for o in optimizers
        ]

    def is_current(self) -> bool:
        """Return whether nothing was replaced or set since the capture; waits for no device."""
        return all(
            own.get(key) is x and x.data_ptr() == place and x.requires_grad == trained
            for own, key, x, place, trained in self._tensors
        ) and all(
            o.state is states
            and o.param_groups is groups
            and _settings(o) == settings
            and _are_same(_entries(o), entries)
            for o, states, groups, settings, entries in self._optimizers
        )


def _settings(optimizer: torch.optim.Optimizer) -> list[Any]:
    """Return numbers of the groups, and the identity of tensors."""
    return [
        (id(value) if isinstance(value, Tensor) else value)
        for group in optimizer.param_groups
        for name, value in group.items()
        if name != "params"
    ]


def _entries(optimizer: torch.optim.Optimizer) -> list[Any]:
    """Return the values of the states of all parameters."""
    return [value for state in optimizer.state.values() for value in state.values()]


def _are_same(one: list[Any], two: list[Any]) -> bool:
    return len(one) == len(two) and all(map(is_, one, two))
