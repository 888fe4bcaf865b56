"""Turn the errors of a log into one warning, so that a log never ends a run."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import final


@final
class WarnOnce:
    """Warn about the first error of a log, and ignore the later ones.

    Example:
        >>> import warnings
        >>> log = WarnOnce()
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     for _ in range(2):
        ...         with log.instead_of_errors("write", Path("curve.png")):
        ...             raise OSError("No space left on device")
        >>> [str(warning.message) for warning in caught]
        ['cannot write curve.png: No space left on device; training continues']
    """

    def __init__(self) -> None:
        self._warned = False

    @contextmanager
    def instead_of_errors(
        self, verb: str, path: Path, errors: type[Exception] | tuple[type[Exception], ...] = OSError
    ) -> Generator[None]:
        """Leave the block at an error, with a warning if it is the first one.

        Args:
            verb: What the block does with the file, such as ``"write"``.
            path: The file or folder; the file that an operating system's error names replaces it.
            errors: Errors that end the block without ending the run.
        """
        try:
            yield
        except errors as error:
            if self._warned:
                return
            self._warned = True
            named = error.filename if isinstance(error, OSError) else None
            place = named if isinstance(named, str) else path
            reason = " ".join(str(getattr(error, "strerror", None) or error).split())
            warnings.warn(
                f"cannot {verb} {place}: {reason or type(error).__name__}; training continues",
                RuntimeWarning,
                stacklevel=4,
            )
