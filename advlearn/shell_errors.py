"""Errors of the command line: one line each, and how to resume after Ctrl-C."""

import sys
from pathlib import Path
from typing import Any

import typer


class one_line_errors:
    """Print user errors as one line, and on Ctrl-C explain how to resume."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            saved = self.folder is not None and (self.folder / "checkpoint.pt").exists()
            hint = (
                f"; the same command resumes from {self.folder}"
                if saved
                else " before the first checkpoint"
            )
            typer.echo(f"stopped{hint}", err=True)
            sys.exit(130)
        if isinstance(error, _user_errors()):
            typer.echo(
                f"advlearn: {' '.join(str(error).split()) or type(error).__name__}", err=True
            )
            sys.exit(1)


def _user_errors() -> tuple[type[BaseException], ...]:
    """Return the errors that a user can fix: arguments, files, missing packages, environments."""
    from advlearn.core.finite import NonFiniteError

    kinds = (ValueError, TypeError, OSError, ImportError, AssertionError, NonFiniteError)
    # An error of an environment implies that gymnasium has been imported.
    gymnasium: Any = sys.modules.get("gymnasium")
    return kinds if gymnasium is None else (*kinds, gymnasium.error.Error)
