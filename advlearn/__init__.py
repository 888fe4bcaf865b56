"""advlearn: adversarial learning for PyTorch, in which every task takes every objective."""

from typing import TYPE_CHECKING

from advlearn._lazy import lazy
from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.layer_capture import attach
from advlearn.core.objective import Objective
from advlearn.core.registry import register
from advlearn.core.regularizer import Regularizer
from advlearn.core.schedules import dann_schedule
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer
from advlearn.core.version import VERSION

if TYPE_CHECKING:
    from advlearn import (
        core,
        critics,
        data,
        functional,
        games,
        imitation,
        methods,
        metrics,
        nets,
        objectives,
        plots,
        regularizers,
        sklearn,
        tasks,
        testing,
        training,
    )
    from advlearn.citation import cite
    from advlearn.description import describe
    from advlearn.fitting import fit
    from advlearn.run import Run, load

PACKAGES = (
    "core",
    "critics",
    "data",
    "functional",
    "games",
    "imitation",
    "methods",
    "metrics",
    "nets",
    "objectives",
    "plots",
    "regularizers",
    "sklearn",
    "tasks",
    "testing",
    "training",
)
_LATE = {
    "Run": "run",
    "cite": "citation",
    "describe": "description",
    "fit": "fitting",
    "load": "run",
}

__version__ = VERSION
__all__ = [
    "Adversary",
    "Objective",
    "Regularizer",
    "Run",
    "Task",
    "Trainer",
    "attach",
    "cite",
    "core",
    "critics",
    "dann_schedule",
    "data",
    "describe",
    "fit",
    "functional",
    "games",
    "imitation",
    "load",
    "methods",
    "metrics",
    "nets",
    "objectives",
    "plots",
    "register",
    "regularizers",
    "resolve",
    "sklearn",
    "tasks",
    "testing",
    "training",
]


def _where() -> dict[str, str]:
    # Late, so that `import advlearn` costs little more than `import torch`.
    late = {name: f"advlearn.{module}" for name, module in _LATE.items()}
    return {**late, **{name: f"advlearn.{name}" for name in PACKAGES}}


__getattr__, __dir__ = lazy(__name__, _where)
