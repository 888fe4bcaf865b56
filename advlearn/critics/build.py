"""Build the critics of a task from the user's modules and proposed networks."""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from advlearn.core.arguments import checked
from advlearn.core.chain import Chain
from advlearn.core.inputs import Inputs
from advlearn.core.modules import eval_mode
from advlearn.core.naming import suggestion
from advlearn.core.objective import Objective
from advlearn.core.task import Task
from advlearn.critics.propose import propose
from advlearn.nets import Network, PacCritic
from advlearn.nets import build as build_network

CriticLike = nn.Module | Callable[[Inputs], nn.Module]
Critics = CriticLike | Mapping[str, CriticLike]


@checked
def build(
    task: Task, objective: Objective | Chain, critic: Critics | None = None
) -> dict[str, nn.Module]:
    """Build a critic for each entry of a task's `critic_inputs`.

    Args:
        task: The task.
        objective: The objective or chain that the critics are trained with.
        critic: The user's critic: a module, for a task with one critic; a function from `Inputs`
            to a module; or a mapping from names of critics to either. None, and each name
            that a mapping omits, gets a proposed network.

    Returns:
        Name of a critic to its module.

    Raises:
        ValueError: If a name is unknown, one module is given for several critics, or a module does
            not accept its inputs or returns the wrong output.

    Example:
        >>> from advlearn import resolve
        >>> from advlearn.tasks.generate import Generate
        >>> task = Generate(nn.Linear(3, 2), latent=3, shape=(2,))
        >>> build(task, resolve("hinge"), critic=nn.Linear(2, 1))
        {'data': Linear(in_features=2, out_features=1, bias=True)}
    """
    chain = Chain.of(objective)
    inputs = task.critic_inputs()
    given = _by_name(critic, inputs)
    return {
        name: _checked(task, name, part, given[name], chain.required_objective())
        if name in given
        else propose(part, chain)
        for name, part in inputs.items()
    }


def critic_configs(critics: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Return the configs of critics by name; None for a module without a config."""
    return {n: c.config() if isinstance(c, Network) else None for n, c in critics.items()}


def rebuild(
    task: Task,
    objective: Objective | Chain,
    configs: Mapping[str, Any] | None,
    critic: Critics | None = None,
) -> dict[str, nn.Module]:
    """Build the critics of a saved run, with new weights.

    Args:
        task: The task.
        objective: The objective or chain that the critics are trained with.
        configs: Result of `critic_configs` for the user's critics; None if all were proposed.
        critic: The user's critics, needed for modules that have no config.

    Raises:
        ValueError: If a module of the user is required and missing.
    """
    if critic is not None or configs is None:
        return build(task, objective, critic)
    missing = [name for name, config in configs.items() if config is None]
    if missing:
        raise ValueError(
            f"critic: expected the module of {', '.join(missing)}, got None; "
            "pass the critics of the saved run as critic="
        )
    return {name: build_network(config) for name, config in configs.items()}


def _by_name(critic: Critics | None, inputs: Mapping[str, Inputs]) -> Mapping[str, CriticLike]:
    """Return the user's critics by name."""
    if critic is None:
        return {}
    names = ", ".join(inputs)
    if not inputs:
        raise ValueError("critic: expected None, this task has no critic")
    if isinstance(critic, Mapping):
        for name in critic:
            if name not in inputs:
                hint = suggestion(name, inputs, otherwise="use one of these names", count=1)
                raise ValueError(f"critic: expected names among {names}, got {name!r}; {hint}")
        return critic
    if isinstance(critic, nn.Module) and len(inputs) > 1:
        raise ValueError(
            f"critic: expected a mapping from {names} to modules, got one module; "
            f"pass critic={{{next(iter(inputs))!r}: module}}"
        )
    if not callable(cast(object, critic)):
        raise ValueError(f"critic: expected a module or a function, got {type(critic).__name__}")
    return dict.fromkeys(inputs, critic)


def _checked(
    task: Task, name: str, inputs: Inputs, given: CriticLike, objective: Objective
) -> nn.Module:
    """Return the user's critic after a check that it scores a batch of zeros."""
    module = given if isinstance(given, nn.Module) else given(inputs)
    if not isinstance(cast(object, module), nn.Module):
        raise ValueError(f"critic: {name}: expected a module, got {type(module).__name__}")
    module = task.adopt_critic(name, module)
    n = 2 * math.prod(m.pack for m in module.modules() if isinstance(m, PacCritic))
    parameter = next(module.parameters(), None)
    zeros = inputs.example(n, "cpu" if parameter is None else parameter.device)
    with torch.no_grad(), eval_mode(module):
        try:
            scores = cast(object, module(*zeros))
        except (RuntimeError, TypeError, ValueError) as error:
            shapes = ", ".join(str(tuple(part.shape)) for part in zeros)
            raise ValueError(
                f"critic: {name}: expected a module that takes tensors of shape {shapes}, "
                f"got an error: {str(error).splitlines()[0]}"
            ) from None
    expected = _expected_shape(objective)
    fits = isinstance(scores, Tensor) and scores.ndim >= 1 and len(scores) == n
    if not isinstance(scores, Tensor) or not fits or (expected == "(N, K)" and scores.ndim != 2):
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f"critic: {name}: expected scores {expected} of N={n} samples, got {got}")
    return module


def _expected_shape(objective: Objective) -> str:
    shapes = {"vector": "(N, d)", "classes": "(N, K)"}
    return shapes.get(objective.critic_output, "(N,)")
