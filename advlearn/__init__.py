"""advlearn: adversarial learning for PyTorch, one game (players against critics) for every task."""

from typing import TYPE_CHECKING, Any

from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.layer_capture import attach
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer
from advlearn.core.schedules import dann_schedule
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer
from advlearn.core.version import VERSION

if TYPE_CHECKING:
    from advlearn.description import cite, describe
    from advlearn.fitting import fit
    from advlearn.run import Run, load

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
    "dann_schedule",
    "describe",
    "fit",
    "load",
    "resolve",
]


def __getattr__(name: str) -> Any:
    # Late, so that `import advlearn` costs little more than `import torch`.
    import importlib

    modules = {"fit": "fitting", "Run": "run", "load": "run"}
    modules |= {"describe": "description", "cite": "description"}
    if name in modules:
        value = getattr(importlib.import_module(f"advlearn.{modules[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'advlearn' has no attribute {name!r}")
