"""Callback that draws inputs and outputs at regular intervals."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import final

from torch import Tensor

from advlearn.core.arguments import Count
from advlearn.plots.before_after import before_after
from advlearn.training.periodic_plot import PeriodicPlot


@final
class BeforeAfterPlot(PeriodicPlot):
    """Draw a table of stages at regular intervals and at the end: ``step-00001000.png`` and so on.

    Args:
        folder: Folder of the files.
        every: Training steps between two plots.
        columns: Function that returns the images of each stage by heading, see `before_after`.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> import torch
        >>> BeforeAfterPlot(
        ...     "runs/demo", 500, columns=lambda: {"input": torch.zeros(2, 1, 8, 8)}
        ... ).every
        500
    """

    def __init__(
        self,
        folder: str | Path,
        every: Count = 1000,
        *,
        columns: Callable[[], Mapping[str, Tensor]],
    ) -> None:
        super().__init__(folder, every)
        self.columns = columns

    def draw(self, step: int) -> None:
        """Write the table of a step."""
        before_after(self.columns(), self.folder / f"step-{step:08d}.png")
