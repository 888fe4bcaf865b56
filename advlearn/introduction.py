"""Describe the data and the networks of a run before its first step."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from advlearn.core.adversary import Adversary
from advlearn.core.task import Task
from advlearn.data.description import describe_source
from advlearn.nets.network import Network


def introduction(source: Any, task: Task, adversaries: Mapping[str, Adversary]) -> tuple[str, ...]:
    """Return one line about the data and one about the networks.

    Args:
        source: The data, as it was opened.
        task: The task.
        adversaries: Its adversaries, by name.

    Returns:
        The lines.
    """
    parts = {name: module for name, module in task.named_children() if _weights(module)}
    parts |= {f"critic of {name}": a.critic for name, a in adversaries.items()}
    networks = [f"{name} {_kind(m)} ({_count(_weights(m))} weights)" for name, m in parts.items()]
    return (
        f"data: {source.name}, {describe_source(source)}",
        f"networks: {', '.join(networks)}",
    )


def _kind(module: nn.Module) -> str:
    """Return the class of a module, or of the network that it wraps."""
    name = type(module).__name__
    inner = next((type(m).__name__ for m in module.modules() if isinstance(m, Network)), name)
    return name if inner == name else f"{name} of {inner}"


def _weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _count(weights: int) -> str:
    return f"{weights / 1e6:.1f} M" if weights >= 1e6 else f"{weights:,}"
