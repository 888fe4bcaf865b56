"""The page of a run: from its folder, and at the end of a training."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, final

from advlearn.citation import cite
from advlearn.core import distributed
from advlearn.core.arguments import checked
from advlearn.core.trainer import Callback, Trainer
from advlearn.page import content_of_folder, write_page
from advlearn.training.warn_once import WarnOnce

NAME = "run.html"


@checked
def page_of_folder(folder: str | Path, path: str | Path | None = None) -> Path:
    """Write a self-contained HTML file that plays the run of a folder.

    Args:
        folder: The folder that `fit` wrote.
        path: The file; None writes ``run.html`` into the folder.

    Returns:
        The file.

    Raises:
        FileNotFoundError: The folder holds no run.
        ValueError: The run's checkpoint is damaged.
        OSError: The file cannot be written.
    """
    folder = Path(folder)
    content = content_of_folder(folder, papers_of)
    return write_page(content, folder / NAME if path is None else path)


def papers_of(config: dict[str, Any]) -> str:
    """Return the BibTeX entries of a run's recipe; an empty text if it has no paper.

    Args:
        config: The recipe.
    """
    try:
        return cite(SimpleNamespace(config=config))
    # The recipe may name an objective of the user that has no paper or is not registered here.
    except ValueError:
        return ""


@final
class PageWriter(Callback):
    """Write the page of a run into its folder at the end, and after Ctrl-C.

    It must follow the callbacks that write the folder. Only the first process writes. A file that
    cannot be written is a warning.

    Args:
        folder: Folder of the run.

    Example:
        >>> PageWriter("runs/demo").folder.name
        'demo'
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._unwritten = WarnOnce()

    def on_end(self, trainer: Trainer) -> None:
        if not distributed.rank():
            with self._unwritten.instead_of_errors("write a page in", self.folder):
                page_of_folder(self.folder)
