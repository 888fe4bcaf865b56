"""advlearn: adversarial learning for PyTorch, one game (players against critics) for every task."""

from advlearn.core.adversary import Adversary
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer
from advlearn.core.spec import describe, resolve
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer

__version__ = "0.1.0"
__all__ = ["Adversary", "Objective", "Regularizer", "Task", "Trainer", "describe", "resolve"]
