"""Scatter plots of the features of several domains, to compare their distributions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from advlearn.core.arguments import Count, checked
from advlearn.core.files import atomic_write
from advlearn.training.periodic_plot import PeriodicPlot

Points = Mapping[str, Tensor]


def plane(points: Points) -> dict[str, Tensor]:
    """Project sets of features onto their two joint principal components.

    Args:
        points: Float features (N, d) by name; values that are not finite count as zero.

    Returns:
        Coordinates (N, 2) by name, on the CPU and relative to the joint mean. The largest
        coefficient of each direction is positive.

    Raises:
        ValueError: No set, or sets of different widths.

    Example:
        >>> line = torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, -2.0]])
        >>> plane({"line": line})["line"].tolist()
        [[2.0, 0.0], [-2.0, 0.0]]
    """
    widths = {name: tuple(x.shape[1:]) for name, x in points.items()}
    if len(set(widths.values())) != 1 or len(next(iter(widths.values()))) != 1:
        raise ValueError(f"points: expected sets of features (N, d) of one width, got {widths}")
    joined = torch.cat([x.detach().float().cpu() for x in points.values()]).nan_to_num(
        0.0, 0.0, 0.0
    )
    centred = joined - joined.mean(0)
    directions = torch.linalg.svd(centred, full_matrices=False)[2][:2]
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    flat = centred @ (directions * largest.sign()).T
    if flat.shape[1] < 2:
        flat = torch.cat([flat, torch.zeros_like(flat)], 1)
    return dict(zip(points, flat.split([len(x) for x in points.values()]), strict=True))


@checked
def embedding(panels: Mapping[str, Points], path: str | Path) -> Path:
    """Draw sets of features as scatter plots in one or more panels.

    Args:
        panels: Sets of features of each panel, see `plane`, by heading. Each panel has a separate
            projection.
        path: The PNG file.

    Returns:
        The file.

    Raises:
        ValueError: As `plane`, or no panel.

    Example:
        >>> import tempfile
        >>> points = {"source": torch.randn(9, 4), "target": torch.randn(8, 4) + 1}
        >>> embedding({"before": points}, Path(tempfile.mkdtemp()) / "embedding.png").name
        'embedding.png'
    """
    from matplotlib.figure import Figure

    if not panels:
        raise ValueError("panels: expected at least one, got none")
    path = Path(path)
    figure = Figure(figsize=(4.5 * len(panels), 4.2), layout="constrained")
    for place, (heading, points) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), place + 1)
        for name, flat in plane(points).items():
            axes.scatter(*flat.numpy().T, s=6, alpha=0.6, linewidths=0, label=name)
        axes.set(title=heading, xticks=[], yticks=[])
        axes.legend()
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=100)
    return path


@final
class Embeddings(PeriodicPlot):
    """Draw features at regular intervals and at the end: ``step-00001000.png`` and so on.

    Args:
        folder: Folder of the files.
        every: Training steps between two plots.
        points: Function that returns sets of features, see `plane`.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> Embeddings("runs/demo", 500, points=lambda: {"source": torch.zeros(2, 3)}).every
        500
    """

    def __init__(
        self, folder: str | Path, every: Count = 1000, *, points: Callable[[], Points]
    ) -> None:
        super().__init__(folder, every)
        self.points = points

    def draw(self, step: int) -> None:
        """Write the plot of a step."""
        embedding({f"step {step}": self.points()}, self.folder / f"step-{step:08d}.png")
