"""The tables a player can fill by what it offers, again and again while a run trains."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from advlearn.engine.drawing import Drawing
from advlearn.pictures.before_after import before_after
from advlearn.pictures.interpolation import redrawn, spherical

ROWS, COLUMNS = 6, 8
TRUNCATIONS = (0.0, 0.25, 0.5, 0.75, 1.0)

Columns = dict[str, Tensor]


def tables(player: Any, real: Tensor | None = None) -> dict[str, Columns]:
    """Fill tables by the methods that a player of images has.

    - ``traverse``: a table for each code, from its first value to its last.
    - ``interpolate`` and ``reconstruct``: real samples and what their codes are decoded to, and the way between two.
    - ``decode`` of `latent` (or `noise`) numbers, without an encoder: the arc between two of them, and a sweep of the
      truncation, where ``sample`` has one.
    - ``stages``: how an image comes about from coarse to fine.
    - ``generator.mixed``: coarse styles of one latent (rows) with fine styles of another (columns), at three scales.

    Args:
        player: A player in evaluation mode, on any device.
        real: Real samples (N, C, H, W), at least two for what encodes.

    Returns:
        Name of a table to its columns: heading to images (R, C, H, W); nothing for a player without such a method.

    Example:
        >>> from advlearn.tasks.generate import Generate
        >>> from advlearn.nets import DCGANGenerator
        >>> player = Generate(DCGANGenerator(4, (1, 16, 16), width=4), latent=4, shape=(1, 16, 16))
        >>> {name: list(columns) for name, columns in tables(player).items()}["truncation"]
        ['0.0', '0.25', '0.5', '0.75', '1.0']
    """
    found: dict[str, Columns] = {}
    if hasattr(player, "traverse"):
        for code in range(len(player.sizes) + player.continuous):
            found[f"code-{code}"] = _numbered(player.traverse(code, rows=ROWS))
    if hasattr(player, "interpolate"):
        found |= {} if real is None or len(real) < 2 else _of_codes(player, real)
    elif hasattr(player, "decode") and isinstance(_latents(player), int):
        found |= _of_latents(player)
    if hasattr(player, "stages"):
        found["stages"] = {"x".join(map(str, made.shape[2:])): made for made in player.stages(ROWS)}
    return found


def _of_codes(player: Any, real: Tensor) -> dict[str, Columns]:
    x0, x1 = real[: 2 * ROWS].chunk(2)
    between = player.interpolate(x0[: len(x1)], x1, COLUMNS)
    return {
        "reconstruction": {"real": x0, "reconstructed": player.reconstruct(x0)},
        "interpolation": _numbered(between),
    }


def _latents(player: Any) -> Any:
    """How many numbers `decode` takes; None where a player of somebody's own does not say."""
    return getattr(player, "latent", getattr(player, "noise", None))


def _of_latents(player: Any) -> dict[str, Columns]:
    rows, size = _conditions(player), _latents(player)
    z = spherical(torch.randn(ROWS, size), torch.randn(ROWS, size), COLUMNS)
    found = {"interpolation": _columns(lambda k: player.decode(z[:, k], rows))}
    if hasattr(player, "sample") and "truncation" in inspect.signature(player.sample).parameters:
        found["truncation"] = {str(t): redrawn(lambda t=t: player.sample(ROWS, rows, t)) for t in TRUNCATIONS}
    if hasattr(getattr(player, "generator", None), "mixed"):
        found |= _mixed(player, rows)
    return found


def _conditions(player: Any) -> Tensor | None:
    """What each row is conditional on: classes, spread over all of them where there are more than rows, or vectors."""
    vectors, classes = getattr(player, "vectors", None), getattr(player, "classes", 0)
    if vectors is not None:
        return vectors[torch.arange(ROWS) % len(vectors)]
    return torch.arange(ROWS) * max(classes, ROWS) // ROWS % classes if classes else None


def _mixed(player: Any, rows: Tensor | None) -> dict[str, Columns]:
    """A table for each scale up to which the coarse style goes; its first column has the coarse sources themselves."""
    like = next(player.generator.parameters())
    coarse, fine = torch.randn(ROWS, player.latent).to(like), torch.randn(COLUMNS, player.latent).to(like)
    labels = None if rows is None else rows.to(like.device)
    layers, found = len(player.generator.layers), dict[str, Columns]()
    sources = {"coarse": redrawn(lambda: player.decode(coarse, rows))}
    for crossover in sorted({2, layers // 2, layers - 2}):
        found[f"mixing-{crossover}"] = sources | _columns(
            lambda k, crossover=crossover: player.generator.mixed(coarse, fine[k].expand_as(coarse), crossover, labels)
        )
    return found


def _columns(draw: Callable[[int], Tensor]) -> Columns:
    """What is drawn for each column number, under that number."""
    return {str(k + 1): redrawn(lambda k=k: draw(k)) for k in range(COLUMNS)}


def _numbered(images: Tensor) -> Columns:
    """Images (R, C, ...) as columns under their numbers."""
    return {str(i + 1): column for i, column in enumerate(images.unbind(1))}


@final
class Tables(Drawing):
    """Tables every so many steps and at the end, each in a file of its name that is replaced: ``interpolation.png``.

    Args:
        folder: Where the pictures go.
        every: Player steps between two drawings.
        tables: Returns name to columns as `before_after` takes them.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> Tables("runs/demo", 500, tables=lambda: {"pair": {"input": torch.zeros(2, 1, 8, 8)}}).every
        500
    """

    def __init__(
        self, folder: str | Path, every: int = 1000, *, tables: Callable[[], Mapping[str, Mapping[str, Tensor]]]
    ) -> None:
        super().__init__(folder, every)
        self.tables = tables

    def draw(self, step: int) -> None:
        """Write every table."""
        for name, columns in self.tables().items():
            before_after(columns, self.folder / f"{name}.png")
