"""Commands that hand a saved run to others: `page`, `push` and `export`."""

from typing import Annotated

import typer

from advlearn.shell_errors import one_line_errors
from advlearn.shell_words import paths, refuse_empty

FOLDER = "A run's folder."


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application.

    Args:
        app: The application.
    """
    for command in (page,):
        app.command()(command)


def page(
    folder: Annotated[str, typer.Argument(help=FOLDER, metavar="FOLDER", autocompletion=paths)],
    out: Annotated[
        str | None,
        typer.Option(
            help="HTML file; default: run.html in the folder.",
            metavar="PATH",
            autocompletion=paths,
        ),
    ] = None,
) -> None:
    """Write one HTML file that plays a saved run: curves, samples over steps, verdicts."""
    from advlearn.run_page import page_of_folder

    with one_line_errors(None):
        refuse_empty(path=folder, out=out)
        typer.echo(f"page: {page_of_folder(folder, out)}")
