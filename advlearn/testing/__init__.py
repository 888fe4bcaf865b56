"""Checks for custom objectives, regularizers and tasks.

The library's tests run the same checks on everything in the registry.
"""

from advlearn.testing.capturable import check_capturable
from advlearn.testing.no_sync import NoSync
from advlearn.testing.objective import check_objective
from advlearn.testing.regularizer import check_regularizer
from advlearn.testing.task import check_task

__all__ = ["NoSync", "check_capturable", "check_objective", "check_regularizer", "check_task"]
