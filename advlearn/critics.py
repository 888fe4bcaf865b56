"""Critics of a task: those that it proposes, and those that a user gives in their place."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from advlearn.core.chain import Chain
from advlearn.core.critic_batch import as_tuple
from advlearn.core.inputs import Inputs
from advlearn.core.task import Batch, Task

OneCritic = nn.Module | Callable[[Inputs], nn.Module]
CriticSetting = OneCritic | Mapping[str, OneCritic] | None


def build(
    task: Task, chain: Chain, critic: CriticSetting = None, batch: Batch | None = None
) -> dict[str, nn.Module]:
    """Return the critics of a task, by name.

    Args:
        task: The task.
        chain: The objective that the critics are for.
        critic: A module or a function from `Inputs` to one, for a task with one critic; or a
            mapping from critic names to either. The others are the task's proposals.
        batch: A batch of the task's data; needed where a function is given.

    Returns:
        A critic for each comparison of the task.

    Raises:
        ValueError: If a name is unknown, or one module is given for several critics.
        TypeError: If a critic is neither a module nor a function that returns one.

    Example:
        >>> from advlearn import resolve
        >>> from advlearn.tasks import Generate
        >>> task = Generate(nn.Linear(3, 2), latent=3, shape=(2,))
        >>> build(task, resolve("hinge"), nn.Linear(2, 1))
        {'data': Linear(in_features=2, out_features=1, bias=True)}
    """
    proposed = task.critics(chain)
    if critic is None:
        return proposed
    names = ", ".join(proposed) or "no critic"
    if not isinstance(critic, Mapping):
        if len(proposed) != 1:
            raise ValueError(
                f"critic: expected a mapping for the critics {names}, got {type(critic).__name__}"
            )
        critic = {next(iter(proposed)): critic}
    unknown = [name for name in critic if name not in proposed]
    if unknown:
        raise ValueError(f"critic: expected names among {names}, got {', '.join(unknown)}")
    return {
        name: _one(name, critic.get(name, own), task, chain, batch)
        for name, own in proposed.items()
    }


def inputs_of(task: Task, chain: Chain, batch: Batch) -> dict[str, Inputs]:
    """Return what each critic of a task is given, found by playing one batch on a copy of it.

    Args:
        task: The task.
        chain: The objective; its critic output becomes the inputs' `output`.
        batch: A batch of the task's data.

    Returns:
        The inputs by critic name.
    """
    objective = chain.required_objective()
    devices = sorted({part.device.index or 0 for part in batch if part.device.type == "cuda"})
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        pairs = copy.deepcopy(task)(batch).pairs
    described = dict[str, Inputs]()
    for name, pair in pairs.items():
        parts = as_tuple(pair.real)
        described[name] = Inputs(
            name,
            tuple(tuple(part.shape[1:]) for part in parts),
            tuple(part.dtype for part in parts),
            objective.critic_output,
        )
    return described


def _one(name: str, given: Any, task: Task, chain: Chain, batch: Batch | None) -> nn.Module:
    if isinstance(given, nn.Module):
        return given
    if not callable(given):
        raise TypeError(
            f"critic: expected a module or a function for {name!r}, got {type(given).__name__}"
        )
    if batch is None:
        raise TypeError(f"critic: expected a module for {name!r} without data, got a function")
    made = given(inputs_of(task, chain, batch)[name])
    if not isinstance(made, nn.Module):
        raise TypeError(
            f"critic: expected the function to return a module for {name!r}, "
            f"got {type(made).__name__}"
        )
    return made
