"""What a run is made of besides its named settings: data, networks, functions and machine."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn

from advlearn.core import distributed
from advlearn.core.identity import architecture, constructor_values, name_of, values_of
from advlearn.core.trainer import Trainer
from advlearn.data.fingerprint import fingerprint

_OPTIMIZER_VALUES = ("lr", "betas", "eps", "weight_decay", "momentum", "alpha", "nesterov")


def facts(
    trainer: Trainer, source: Any, functions: Mapping[str, Any], **settings: Any
) -> dict[str, Any]:
    """Collect plain values that decide the results of a run.

    Args:
        trainer: The run before its first step.
        source: Data that it is trained on.
        functions: Settings that may be functions of the user, by name.
        **settings: Further plain settings.

    Returns:
        Plain values by name, for `comparison.compare`.
    """
    task = trainer.task
    networks = {name: architecture(part) for name, part in task.named_children()}
    networks |= {f"critic.{n}": architecture(a.critic) for n, a in trainer.adversaries.items()}
    given = {name: _function(value) for name, value in functions.items() if callable(value)}
    if callable(functions.get("optimizer")):
        given["optimizer"] = f"{given['optimizer']} {_optimizer(trainer.optimizer)}"
    return {
        **settings,
        "data_contents": fingerprint(source),
        "networks": networks,
        "task_settings": constructor_values(task) if task.config() is None else {},
        "functions": given,
        "device": next((p.device.type for p in task.parameters()), "cpu"),
        "processes": distributed.world_size(),
    }


@contextmanager
def batch_sizes_of(stream: Any, state: dict[str, Any]) -> Iterator[None]:
    """Let a stream load the state of another batch size in the block.

    Afterwards it continues the epoch with the first whole batch of its size, so that no sample
    is drawn twice in the epoch.

    Args:
        stream: Batches of `advlearn.data.batches`.
        state: The state that is loaded.
    """
    found = list(_orders(stream, state))
    sizes = [own.batch_size for own, _ in found]
    for own, saved in found:
        own.batch_size = saved
    try:
        yield
    finally:
        for (own, saved), size in zip(found, sizes, strict=True):
            own.position = -(-own.position * saved // size)
            own.batch_size = size


def warn_of_batch_statistics(modules: Iterable[nn.Module]) -> None:
    """Warn, in the first process of several, if a module normalises over its part of the batch.

    Args:
        modules: The modules that are trained.
    """
    kinds = nn.modules.batchnorm._BatchNorm  # pyright: ignore[reportPrivateUsage]
    parts = [part for module in modules for part in module.modules() if isinstance(part, kinds)]
    found = [part for part in parts if not isinstance(part, nn.SyncBatchNorm)]
    if found and distributed.world_size() > 1 and distributed.rank() == 0:
        warnings.warn(
            f"processes: batch normalisation ({len(found)} layers) computes statistics of each "
            "process's part of the batch, so that results differ from those of one process; use "
            "group or layer normalisation, or torch.nn.SyncBatchNorm on CUDA",
            stacklevel=2,
        )


def _function(value: Any) -> str:
    return " ".join(filter(None, (name_of(value), values_of(value))))


def _optimizer(optimizer: torch.optim.Optimizer) -> str:
    """Return the class and the numbers of an optimizer that a function of the user built."""
    groups = [
        {name: group[name] for name in _OPTIMIZER_VALUES if name in group}
        for group in cast(Any, optimizer).param_groups
    ]
    plain = [{**group, "lr": float(group["lr"])} for group in groups]
    return f"{type(optimizer).__name__} {plain}"


def _orders(stream: Any, state: dict[str, Any]) -> Iterator[tuple[Any, int]]:
    """Yield each order of a stream with the batch size of its saved state."""
    if not isinstance(state, Mapping):  # a damaged file, which `checkpoint.resume` refuses
        return
    for k, part in enumerate(getattr(stream, "streams", ())):
        yield from _orders(part, state.get(str(k), {}))
    if hasattr(stream, "order") and "batch_size" in state:
        yield stream.order, state["batch_size"]
