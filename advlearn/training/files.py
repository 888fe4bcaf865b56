"""Atomic writing of files; `advlearn.core.files` defines it."""

from advlearn.core.files import atomic_write

__all__ = ["atomic_write"]
