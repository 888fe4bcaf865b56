"""Keep the file that a new one replaces."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def previous(path: Path) -> Path:
    """Return the name of the previous version of a file.

    Example:
        >>> previous(Path("runs/checkpoint.pt")).name
        'checkpoint-previous.pt'
    """
    return path.with_name(f"{path.stem}-previous{path.suffix}")


def newest(path: Path) -> Path:
    """Return a file, or its previous version where only that is left.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "note.txt"
        >>> _ = previous(path).write_text("one")
        >>> newest(path).name
        'note-previous.txt'
    """
    kept = previous(path)
    return kept if not path.exists() and kept.is_file() else path


@contextmanager
def keep_previous(path: Path) -> Generator[None]:
    """Keep the version of a file that the block replaces, as ``NAME-previous.SUFFIX``.

    If the block raises an error, both files stay as they are.

    Args:
        path: The file; if there is none, nothing is kept.

    Raises:
        OSError: The version cannot be kept.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "note.txt"
        >>> for text in ("one", "two"):
        ...     with keep_previous(path):
        ...         _ = path.with_suffix(".new").write_text(text)
        ...         _ = path.with_suffix(".new").replace(path)
        >>> previous(path).read_text(), path.read_text()
        ('one', 'two')
    """
    if not path.is_file():
        yield
        return
    aside = path.with_name(f".{previous(path).name}.tmp")
    aside.unlink(missing_ok=True)
    try:
        _duplicate(path, aside)
        yield
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    os.replace(aside, previous(path))


def _duplicate(path: Path, name: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links."""
    try:
        os.link(path, name)
    except OSError:
        # "x" refuses a name that exists and never follows a link.
        with path.open("rb") as source, name.open("xb") as copy:
            shutil.copyfileobj(source, copy)
