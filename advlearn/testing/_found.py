"""Every registered objective, regularizer and alias, with each of its named settings."""

import inspect
import typing
from collections.abc import Iterator

from advlearn.core import registry
from advlearn.core.described import Described
from advlearn.core.grammar import resolve
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer

# It selects the critic that a task proposes; the computation is the same.
NOT_CROSSED = ("embedding",)
# Objects with state that is initially zero and then has no effect.
UNDER_WAY = (
    "Hinge() + Bottleneck(beta=1.0, beta_lr=0.1)",
    "Hinge() + ImagePool(size=8)",
    "BoundaryEquilibrium(k_lr=0.5)",
)


def objectives() -> list[Objective]:
    """Return every objective, with each value of its literal parameters."""
    return [
        typing.cast(Objective, o) for cls in registry.classes(Objective) for o in _variants(cls)
    ]


def regularizers() -> list[Regularizer]:
    """Return every regularizer, with each value of its literal parameters."""
    return [
        typing.cast(Regularizer, r) for cls in registry.classes(Regularizer) for r in _variants(cls)
    ]


def games() -> list[str]:
    """Return the name of every alias and of every objective class."""
    return sorted(e.name for e in registry.entries().values() if e.kind != "regularizer")


def different_games() -> list[str]:
    """Return one name for each chain of `games`, an alias if there is one.

    Names of one chain train the same loss; they differ at most in learning rates and other numbers.
    """
    aliases = [e.name for e in registry.aliases()]
    by_chain = {repr(resolve(name)): name for name in [*games(), *aliases]}
    return sorted(by_chain.values())


def chains() -> list[str]:
    """Return specs that together contain every objective, regularizer and alias."""
    single = [repr(o) for o in objectives()]
    with_penalty = [f"{_partner(type(r))} + {r!r}" for r in regularizers()]
    aliases = [repr(e.make()) for e in registry.aliases()]
    return list(dict.fromkeys([*single, *with_penalty, *aliases, *UNDER_WAY]))


def _partner(cls: type[Regularizer]) -> str:
    """Return the spec of an objective for a regularizer, from its file if there is one."""
    same_file = [o for o in objectives() if type(o).__module__ == cls.__module__]
    return repr(same_file[0]) if same_file else "Hinge()"


def _variants(cls: type[Described]) -> Iterator[Described]:
    yield cls()
    for name, parameter in inspect.signature(cls).parameters.items():
        if typing.get_origin(parameter.annotation) is typing.Literal and name not in NOT_CROSSED:
            for value in typing.get_args(parameter.annotation):
                if value != parameter.default:
                    yield cls(**{name: value})
