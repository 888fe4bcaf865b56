"""Everything that discovery finds, with every setting that its parameters name: a new file is tested by existing."""

import inspect
import typing
from collections.abc import Iterator

from advlearn.core import registry
from advlearn.core.described import Described
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer

# It decides which critic a task proposes, not what the object computes.
NOT_CROSSED = ("embedding",)
# State that begins at zero, where it has no effect yet.
UNDER_WAY = (
    "Hinge() + Bottleneck(beta=1.0, beta_lr=0.1)",
    "Hinge() + ImagePool(size=8)",
    "BoundaryEquilibrium(k_lr=0.5)",
)


def objectives() -> list[Objective]:
    """Every objective, with each setting of its parameters that names its choices."""
    return [
        typing.cast(Objective, o) for cls in registry.classes(Objective) for o in _variants(cls)
    ]


def regularizers() -> list[Regularizer]:
    """Every regularizer, likewise."""
    return [
        typing.cast(Regularizer, r) for cls in registry.classes(Regularizer) for r in _variants(cls)
    ]


def games() -> list[str]:
    """Every name that is a whole objective: aliases, and classes."""
    return sorted(e.name for e in registry.entries().values() if e.kind != "regularizer")


def chains() -> list[str]:
    """Specs that between them hold every objective, regularizer and alias there is."""
    alone = [repr(o) for o in objectives()]
    with_penalty = [f"{_partner(type(r))} + {r!r}" for r in regularizers()]
    aliases = [repr(e.make()) for e in registry.aliases()]
    return list(dict.fromkeys([*alone, *with_penalty, *aliases, *UNDER_WAY]))


def _partner(cls: type[Regularizer]) -> str:
    """An objective for a regularizer: any, or that of its own file where it is made for one."""
    beside = [o for o in objectives() if type(o).__module__ == cls.__module__]
    return repr(beside[0]) if beside else "Hinge()"


def _variants(cls: type[Described]) -> Iterator[Described]:
    yield cls()
    for name, parameter in inspect.signature(cls).parameters.items():
        if typing.get_origin(parameter.annotation) is typing.Literal and name not in NOT_CROSSED:
            for value in typing.get_args(parameter.annotation):
                if value != parameter.default:
                    yield cls(**{name: value})
