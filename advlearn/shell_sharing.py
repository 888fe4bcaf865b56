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
    for command in (page, push, export):
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


def push(
    folder: Annotated[str, typer.Argument(help=FOLDER, metavar="FOLDER", autocompletion=paths)],
    target: Annotated[
        str,
        typer.Argument(
            help="A new folder, or hub:OWNER/NAME.", metavar="TARGET", autocompletion=paths
        ),
    ],
    licence: Annotated[
        str | None, typer.Option(help="Name of the licence for the card, such as mit.")
    ] = None,
    private: Annotated[bool, typer.Option(help="Make a new repository private.")] = False,
) -> None:
    """Write a saved run with a model card to a folder, or upload it to the Hugging Face Hub."""
    from advlearn.run import load

    with one_line_errors(None):
        refuse_empty(path=folder, target=target, licence=licence)
        typer.echo(f"pushed: {load(folder).push(target, licence=licence, private=private)}")


def export(
    path: Annotated[
        str,
        typer.Argument(help="A run's folder or file.", metavar="PATH", autocompletion=paths),
    ],
    file: Annotated[
        str,
        typer.Argument(
            help="A file that ends in .onnx or .pt2.", metavar="FILE", autocompletion=paths
        ),
    ],
    part: Annotated[
        str | None, typer.Option(help="sample, predict, encode or to_a; default: the first.")
    ] = None,
) -> None:
    """Write the generator or predictor of a saved run as an ONNX or torch.export program."""
    from advlearn.run import load

    with one_line_errors(None):
        refuse_empty(path=path, file=file, part=part)
        typer.echo(f"exported: {load(path).export(file, part)}")
