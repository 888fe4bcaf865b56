"""Learning rates of a run, as numbers or as tensors on the device that a captured step reads."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportPrivateUsage=false, reportAttributeAccessIssue=false
# (PyTorch's own annotations are partial)

from collections.abc import Iterable
from typing import Any, final

import torch
from torch import Tensor


@final
class Rates:
    """Set the learning rates of optimizers to a share of their first values.

    Args:
        optimizers: The optimizers, with their first rates.

    Example:
        >>> sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
        >>> Rates([sgd]).scale(0.5)
        >>> sgd.param_groups[0]["lr"]
        0.25
    """

    def __init__(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        self.optimizers = list(optimizers)
        self._first = [[float(g["lr"]) for g in o.param_groups] for o in self.optimizers]

    def take_first(self, other: "Rates") -> None:
        """Take the first rates of equal optimizers, whose present ones may be scaled."""
        self._first = [list(rates) for rates in other._first]

    def scale(self, factor: float) -> None:
        """Set every rate to `factor` times its first value."""
        # The groups are looked up each time, since an optimizer that loads its state replaces them.
        for optimizer, first in zip(self.optimizers, self._first, strict=True):
            for group, rate in zip(optimizer.param_groups, first, strict=True):
                set_rate(group, rate * factor)

    def hold_on_device(self, device: torch.device) -> None:
        """Keep rates and step counts on the device, as a CUDA graph needs them."""
        for optimizer in self.optimizers:
            hold_on_device(optimizer, device)

    def are_on_device(self) -> bool:
        """Return whether every rate can change without a new capture."""
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        return all(isinstance(group["lr"], Tensor) for group in groups)


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Set the learning rate of a group; a tensor keeps its place."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def hold_on_device(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Keep the rates and step counts of an optimizer on the device, where it can.

    Adam and RMSprop become capturable and SGD fused. An optimizer that is neither keeps its rate
    as a number.

    Args:
        optimizer: The optimizer; changed in place.
        device: Device of the parameters.
    """
    silence(optimizer)
    for group in optimizer.param_groups:
        if "capturable" in group and device.type == "cuda":
            group["capturable"] = True
        elif isinstance(optimizer, torch.optim.SGD):
            group.update(fused=True, foreach=False)
        if group.get("capturable") or group.get("fused"):
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)
            for p in group["params"]:
                state = optimizer.state.get(p, {})
                if isinstance(state.get("step"), Tensor):
                    state["step"] = state["step"].to(device, torch.float32)


def silence(optimizer: torch.optim.Optimizer) -> None:
    """Keep torch from warning that a capturable optimizer makes a step without a graph.

    A new optimizer does not warn; the copy of one does.
    """
    optimizer._warned_capturable_if_run_uncaptured = True


def plain_rates(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state dict of an optimizer with its rates as numbers; waits for the device."""
    groups = [{**group, "lr": float(group["lr"])} for group in state["param_groups"]]
    return {**state, "param_groups": groups}
