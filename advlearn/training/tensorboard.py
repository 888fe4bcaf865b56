"""Curves and pictures of a run for TensorBoard."""

import math
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, final

from advlearn.core import distributed
from advlearn.core.health import Health
from advlearn.core.trainer import Callback, Trainer

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


@final
class TensorBoard(Callback):
    """Write losses, penalties, each critic's health and the speed as scalars.

    The tags are those of ``trainer.last_losses()``, ``ADVERSARY/health/FIELD`` and
    ``steps_per_second``. A run that goes on after a kill replaces what the killed one wrote beyond
    the checkpoint, so each step appears once. Only the first process writes.

    Pictures that callbacks before this one leave are shown as well: ``step-00001000.png`` as
    ``pictures/step`` of that step, any other by its name and the step at which it is seen.

    Args:
        folder: Where the event files go.
        every: Player steps between two points.
        pictures: The folder whose PNG files are shown; None for none.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> TensorBoard("runs/demo").every
        100
    """

    def __init__(
        self, folder: str | Path, every: int = 100, *, pictures: str | Path | None = None
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1 step, got {every}")
        self.folder = Path(folder)
        self.every = every
        self.pictures = None if pictures is None else Path(pictures)
        self._seen: dict[Path, int] = {}
        self._writer: SummaryWriter | None = None
        self._last = (0, 0.0)

    def on_start(self, trainer: Trainer) -> None:
        self._last = (trainer.step, time.monotonic())
        if distributed.rank() == 0:
            from torch.utils.tensorboard.writer import SummaryWriter

            _wait_for_a_later_name(self.folder)
            self._writer = SummaryWriter(str(self.folder), purge_step=trainer.step + 1)
            # Those of an earlier run up to the checkpoint have been shown.
            self._seen = self._written()

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            return
        # Every process looks, since a look may need them all; the first one writes.
        scalars = trainer.last_losses()
        (before, then), now = self._last, time.monotonic()
        self._last = (trainer.step, now)
        scalars["steps_per_second"] = (trainer.step - before) / max(now - then, 1e-9)
        for name, adversary in trainer.adversaries.items():
            scalars.update(
                {f"{name}/health/{key}": value for key, value in _figures(adversary.health())}
            )
        if self._writer is not None:
            for tag, value in scalars.items():
                self._writer.add_scalar(tag, value, trainer.step)
            self._show(self._writer, trainer.step)
            self._writer.flush()  # a kill loses nothing that was written

    def on_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._show(self._writer, trainer.step)
            self._writer.close()
            self._writer = None

    def _written(self) -> dict[Path, int]:
        """The pictures, and when each was written."""
        files = [] if self.pictures is None else sorted(self.pictures.glob("*.png"))
        return {path: path.stat().st_mtime_ns for path in files}

    def _show(self, writer: "SummaryWriter", step: int) -> None:
        import numpy as np
        from PIL import Image

        written = self._written()
        for path in (path for path, when in written.items() if self._seen.get(path) != when):
            name, _, number = path.stem.partition("-")
            numbered = name == "step" and number.isdecimal()
            with Image.open(path) as image:
                levels = np.asarray(image.convert("RGB"))
            tag = f"pictures/{name if numbered else path.stem}"
            writer.add_image(tag, levels, int(number) if numbered else step, dataformats="HWC")
        self._seen = written


def _wait_for_a_later_name(folder: Path) -> None:
    """Let the second pass in which a file of events was begun.

    TensorBoard reads files in the order of their names, and a name starts with the second: of two
    that begin in the same one, the older may be read last, and its points would not be replaced.
    """
    newest = max(
        (int(path.name.split(".")[3]) for path in folder.glob("events.out.tfevents.*")), default=0
    )
    while int(time.time()) == newest:
        time.sleep(0.01)


def _figures(health: Health) -> list[tuple[str, float]]:
    """The figures of a health report; those that do not exist for the objective, NaN, are left out."""
    plain = [(f.name, getattr(health, f.name)) for f in fields(health)]
    figures = [(name, value) for name, value in plain if isinstance(value, float)]
    figures += [(f"penalty/{name}", value) for name, value in health.penalties.items()]
    return [(name, value) for name, value in figures if not math.isnan(value)]
