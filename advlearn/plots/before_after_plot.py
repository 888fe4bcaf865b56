"""A picture of inputs and what becomes of them, again and again while a run trains."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import final

from torch import Tensor

from advlearn.plots.before_after import before_after
from advlearn.training.periodic_plot import PeriodicPlot


@final
class BeforeAfterPlot(PeriodicPlot):
    """A table of stages every so many steps and at the end: ``step-00001000.png`` and so on.

    Args:
        folder: Where the pictures go.
        every: Training steps between two pictures.
        columns: Returns the stages as `before_after` takes them: heading to images.

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
        self, folder: str | Path, every: int = 1000, *, columns: Callable[[], Mapping[str, Tensor]]
    ) -> None:
        super().__init__(folder, every)
        self.columns = columns

    def draw(self, step: int) -> None:
        """Write the stages."""
        before_after(self.columns(), self.folder / f"step-{step:08d}.png")
