"""What `imitate` is asked for: a method of the catalogue, or any objective with its own reward."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch import Tensor

from advlearn.core import registry
from advlearn.core.chain import Chain
from advlearn.core.grammar import Spec, resolve
from advlearn.core.method import Method
from advlearn.core.naming import UnknownNameError, key
from advlearn.imitation.rewards.shapes import REWARD_SHAPES, RewardShape

TASK = "imitation"
Reward = RewardShape | Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True)
class Specification:
    """An objective with its regularizers, the shape of the reward and the kind of critic.

    Args:
        chain: Objective and regularizers of the critic.
        reward: Shape of the reward; ``"own"`` for the objective's.
        airl: Whether the critic is AIRL's.
        cloning_only: Whether no critic is trained at all, as in behaviour cloning.
        options: More settings of the method.
    """

    chain: Chain
    reward: Reward = "own"
    airl: bool = False
    cloning_only: bool = False
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


def methods() -> dict[str, Method]:
    """Return the methods of imitation by name.

    Example:
        >>> methods()["gail"].options["reward"]
        'positive'
    """
    return {name: row for name, row in registry.methods().items() if row.task == TASK}


def specify(method: Spec | Method) -> Specification:
    """Resolve a method of imitation.

    Args:
        method: A method's name, alone or with more terms, ``"gail + r1"``; any spec or objective,
            which pays its own reward; or a `Method`.

    Raises:
        UnknownNameError: If nothing has the name.
        ValueError: If a spec is refused.

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
        # A method stands first; a later name is a term.
        known = [*methods(), *error.known] if error.name == name else error.known
        raise UnknownNameError(error.name, known, "method") from None


def _of_row(row: Method, rest: str) -> Specification:
    if row.task != TASK:
        raise ValueError(
            f"method: {row.name} trains the task {row.task}; expected a method of imitation"
        )
    chain = resolve(row.objective + rest)
    options = dict(row.options)
    critic, reward = options.pop("critic", None), options.pop("reward", "own")
    return Specification(chain, reward, critic == "airl", critic == "none", options)


def describe_reward(reward: Reward) -> str:
    """Return one line on a shape of the reward."""
    if callable(reward):
        return (reward.__doc__ or "a function of the user.").partition("\n")[0]
    shape = REWARD_SHAPES.get(reward)
    return (shape.__doc__ or "").partition("\n")[0] if shape else "The objective's own reward."


def _first(spec: Spec) -> tuple[str, str]:
    """Return the first name of a string, and the rest of it with its plus."""
    name, plus, rest = spec.partition("+") if isinstance(spec, str) else ("", "", "")
    return name.strip(), f" + {rest.strip()}" if plus else ""
