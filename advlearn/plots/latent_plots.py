"""Tables of images that show a model's latent space, at regular intervals during training."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from advlearn.core.arguments import Count
from advlearn.core.protocols import (
    Decodes,
    HasClasses,
    HasGenerator,
    HasStages,
    HasVectors,
    Interpolates,
    MixesStyles,
    Traverses,
    Truncates,
)
from advlearn.plots.before_after import before_after
from advlearn.plots.interpolation import redrawn, spherical
from advlearn.training.periodic_plot import PeriodicPlot

ROWS, COLUMNS = 6, 8
TRUNCATIONS = (0.0, 0.25, 0.5, 0.75, 1.0)

Columns = dict[str, Tensor]


def latent_plots(model: Any, real: Tensor | None = None) -> dict[str, Columns]:
    """Compute the image tables that a model's capabilities allow.

    - ``traverse``: a table for each code, from its first value to its last.
    - ``interpolate`` and ``reconstruct``: real samples with their reconstructions, and the codes
      between two samples.
    - ``decode`` without an encoder: the arc between two latents, and a sweep of the truncation if
      ``sample`` has one.
    - ``stages``: the image of each level, from coarse to fine.
    - ``generator.mixed``: coarse styles of one latent (rows) with fine styles of another (columns),
      at three scales.

    Args:
        model: A model in evaluation mode, on any device.
        real: Real samples (N, C, H, W), at least two for a model with an encoder.

    Returns:
        The columns of each table by its name: images (R, C, H, W) by heading. Empty for a model
        without these capabilities.

    Example:
        >>> from advlearn.tasks.generate import Generate
        >>> from advlearn.nets import DCGANGenerator
        >>> model = Generate(
        ...     DCGANGenerator(4, (1, 16, 16), base_channels=4), latent=4, shape=(1, 16, 16)
        ... )
        >>> {name: list(columns) for name, columns in latent_plots(model).items()}["truncation"]
        ['0.0', '0.25', '0.5', '0.75', '1.0']
    """
    tables: dict[str, Columns] = {}
    if isinstance(model, Traverses):
        for code in range(len(model.sizes) + model.continuous):
            tables[f"code-{code}"] = _numbered(model.traverse(code, rows=ROWS))
    if isinstance(model, Interpolates):
        tables |= {} if real is None or len(real) < 2 else _of_codes(model, real)
    elif isinstance(model, Decodes):
        tables |= _of_latents(model)
    if isinstance(model, HasStages):
        tables["stages"] = {
            "x".join(map(str, images.shape[2:])): images for images in model.stages(ROWS)
        }
    return tables


def _of_codes(model: Any, real: Tensor) -> dict[str, Columns]:
    x0, x1 = real[: 2 * ROWS].chunk(2)
    between = model.interpolate(x0[: len(x1)], x1, COLUMNS)
    return {
        "reconstruction": {"real": x0, "reconstructed": model.reconstruct(x0)},
        "interpolation": _numbered(between),
    }


def _of_latents(model: Decodes) -> dict[str, Columns]:
    rows, size = _conditions(model), model.latent
    z = spherical(torch.randn(ROWS, size), torch.randn(ROWS, size), COLUMNS)
    tables = {"interpolation": _columns(lambda k: _decoded(model, z[:, k], rows))}
    if isinstance(model, Truncates):
        sample = model.sample
        tables["truncation"] = {
            str(t): redrawn(lambda t=t: sample(ROWS, rows, t)) for t in TRUNCATIONS
        }
    if isinstance(model, HasGenerator) and isinstance(model.generator, MixesStyles):
        tables |= _mixed(model, model.generator, rows)
    return tables


def _decoded(model: Any, z: Tensor, rows: Tensor | None) -> Tensor:
    """Decode latent vectors, conditioned on a class or a vector per row if there is one."""
    return model.decode(z) if rows is None else model.decode(z, rows)


def _conditions(model: Any) -> Tensor | None:
    """Return the condition of each row, classes spread evenly or vectors; None without one."""
    vectors = model.vectors if isinstance(model, HasVectors) else None
    classes = model.classes if isinstance(model, HasClasses) else 0
    if vectors is not None:
        return vectors[torch.arange(ROWS) % len(vectors)]
    return torch.arange(ROWS) * max(classes, ROWS) // ROWS % classes if classes else None


def _mixed(model: Any, generator: MixesStyles, rows: Tensor | None) -> dict[str, Columns]:
    """Compute a table for each crossover scale; its first column shows the coarse sources."""
    like = next(model.generator.parameters())
    coarse, fine = (
        torch.randn(ROWS, model.latent).to(like),
        torch.randn(COLUMNS, model.latent).to(like),
    )
    labels = None if rows is None else rows.to(like.device)
    layers, tables = len(generator.layers), dict[str, Columns]()
    sources = {"coarse": redrawn(lambda: _decoded(model, coarse, rows))}
    for crossover in sorted({2, layers // 2, layers - 2}):
        tables[f"mixing-{crossover}"] = sources | _columns(
            lambda k, crossover=crossover: generator.mixed(
                coarse, fine[k].expand_as(coarse), crossover, labels
            )
        )
    return tables


def _columns(draw: Callable[[int], Tensor]) -> Columns:
    """Return the images of each column, by its number."""
    return {str(k + 1): redrawn(lambda k=k: draw(k)) for k in range(COLUMNS)}


def _numbered(images: Tensor) -> Columns:
    """Split images (R, C, ...) into numbered columns."""
    return {str(i + 1): column for i, column in enumerate(images.unbind(1))}


@final
class LatentPlots(PeriodicPlot):
    """Draw tables of the latent space at regular intervals and at the end, one file per table.

    Args:
        folder: Folder of the files.
        every: Training steps between two plots.
        latent_plots: Function that returns the columns of each table by its name, see
            `before_after`.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> LatentPlots(
        ...     "runs/demo", 500, latent_plots=lambda: {"pair": {"input": torch.zeros(2, 1, 8, 8)}}
        ... ).every
        500
    """

    def __init__(
        self,
        folder: str | Path,
        every: Count = 1000,
        *,
        latent_plots: Callable[[], Mapping[str, Mapping[str, Tensor]]],
    ) -> None:
        super().__init__(folder, every)
        self.latent_plots = latent_plots

    def draw(self, step: int) -> None:
        """Write every table."""
        for name, columns in self.latent_plots().items():
            before_after(columns, self.folder / f"{name}.png")
