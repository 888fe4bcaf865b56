"""Checks for objects of one's own: is an objective, a regularizer or a task what the library takes it for?

The library's own tests run the same checks over everything that discovery finds.
"""

from advlearn.testing.no_sync import NoSync
from advlearn.testing.objective import check_objective
from advlearn.testing.regularizer import check_regularizer
from advlearn.testing.task import check_task

__all__ = ["NoSync", "check_objective", "check_regularizer", "check_task"]
