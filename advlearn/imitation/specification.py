"""Resolve what to imitate with: a method of the catalogue, or an objective with its own reward."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch import Tensor

from advlearn.core import registry
from advlearn.core.arguments import checked
from advlearn.core.chain import Chain
from advlearn.core.grammar import Spec, resolve
from advlearn.core.method import Method
from advlearn.core.naming import UnknownNameError, key
from advlearn.imitation.rewards.shapes import REWARD_SHAPES, RewardShape
from advlearn.imitation.settings import METHOD_SETTINGS

TASK = "imitation"
# Steps of behaviour cloning for a method that does nothing else.
BC_STEPS = 2000
Reward = RewardShape | Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True)
class Specification:
    """An objective with its regularizers, the shape of the reward and the kind of critic.

    Args:
        chain: Objective and regularizers of the critic.
        reward: Shape of the reward; ``"own"`` for the objective's.
        airl: Whether the critic is AIRL's.
        cloning_only: Whether the method is behaviour cloning, which trains no critic.
        options: More settings of the method, keys of `METHOD_SETTINGS`.
        method: The method of the catalogue, if there is one.
    """

    chain: Chain
    reward: Reward = "own"
    airl: bool = False
    cloning_only: bool = False
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    method: Method | None = None


def methods() -> dict[str, Method]:
    """Return the methods of imitation by name.

    Example:
        >>> methods()["gail"].options["reward"]
        'positive'
    """
    return {name: row for name, row in registry.methods().items() if row.task == TASK}


@checked
def specify(method: Spec | Method) -> Specification:
    """Resolve a method of imitation.

    Args:
        method: A method's name, with or without more terms, ``"gail + r1"``; any spec or
            objective, which is used with its own reward; or a `Method`.

    Returns:
        The objective, the reward and the options of the method.

    Raises:
        UnknownNameError: If no method, objective or regularizer has the name.
        ValueError: If a spec is refused, or a method has an option that `imitate` does not have.

    Example:
        >>> specify("gail").reward
        'positive'
        >>> specify("hinge + r1").reward
        'own'
    """
    if isinstance(method, Method):
        return _of_row(method, "")
    name, rest = _first(method)
    for row in methods().values():
        if key(name) in {key(spelling) for spelling in (row.name, *row.aliases)}:
            return _of_row(row, rest)
    try:
        return Specification(resolve(method))
    except UnknownNameError as error:
        # Only the first name can be that of a method; a later name is a term.
        known = [*methods(), *error.known] if error.name == name else error.known
        raise UnknownNameError(error.name, known, "method") from None


def _of_row(row: Method, rest: str) -> Specification:
    if row.task != TASK:
        raise ValueError(
            f"method: expected a method of imitation, got {row.name}, which trains the task "
            f"{row.task}; advlearn.imitation.methods() lists the methods"
        )
    chain = resolve(row.objective + rest)
    options = dict(row.options)
    critic, reward = options.pop("critic", None), options.pop("reward", "own")
    for name in sorted(options.keys() - METHOD_SETTINGS.keys()):
        raise ValueError(
            f"method: expected options of {row.name} among critic, {', '.join(METHOD_SETTINGS)}, "
            f"got {name}; remove it from the method"
        )
    cloning_only = critic == "none"
    options = {"bc_steps": BC_STEPS, **options} if cloning_only else options
    return Specification(chain, reward, critic == "airl", cloning_only, options, row)


def describe_reward(reward: Reward) -> str:
    """Return the first line of the documentation of a shape of the reward."""
    if callable(reward):
        return (reward.__doc__ or "A function of the user.").partition("\n")[0]
    shape = REWARD_SHAPES.get(reward)
    return (shape.__doc__ or "").partition("\n")[0] if shape else "The objective's own reward."


def _first(spec: Spec) -> tuple[str, str]:
    """Return the first name of a string, and the rest of the string with its plus."""
    name, plus, rest = spec.partition("+") if isinstance(spec, str) else ("", "", "")
    return name.strip(), f" + {rest.strip()}" if plus else ""
