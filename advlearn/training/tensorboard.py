"""Scalars and images of a run for TensorBoard."""

import math
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, final

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.health import Health
from advlearn.core.trainer import Callback, Trainer

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


@final
class TensorBoard(Callback):
    """Write losses, penalties, each critic's health and the speed as TensorBoard scalars.

    The tags are those of ``trainer.last_losses()`` and ``trainer.last_scores()``,
    ``ADVERSARY/health/FIELD`` and ``steps_per_second``. A resumed run replaces the scalars that the
    killed run wrote after its checkpoint, so that each step appears once. Only the first process
    writes.

    Images written by earlier callbacks are shown too: ``step-00001000.png`` as ``pictures/step`` at
    that step, and any other file by its name at the step it is first read.

    Args:
        folder: Folder of the event files.
        every: Training steps between two points.
        pictures: Folder whose PNG files are shown; None shows none.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> TensorBoard("runs/demo").every
        100
    """

    def __init__(
        self, folder: str | Path, every: Count = 100, *, pictures: str | Path | None = None
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1 step, got {every}")
        self.folder = Path(folder)
        self.every = every
        self.pictures = None if pictures is None else Path(pictures)
        self._files_read: dict[Path, int] = {}
        self._writer: SummaryWriter | None = None
        self._last = (0, 0.0)

    def on_start(self, trainer: Trainer) -> None:
        self._last = (trainer.step, time.monotonic())
        if distributed.rank() == 0:
            from torch.utils.tensorboard.writer import SummaryWriter

            _wait_for_later_name(self.folder)
            self._writer = SummaryWriter(str(self.folder), purge_step=trainer.step + 1)
            # The images of an earlier run up to the checkpoint are in its event files.
            self._files_read = self._files()

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            return
        # All processes compute the scalars, which may need all of them; the first one writes.
        scalars = {**trainer.last_losses(), **trainer.last_scores()}
        (before, then), now = self._last, time.monotonic()
        self._last = (trainer.step, now)
        scalars["steps_per_second"] = (trainer.step - before) / max(now - then, 1e-9)
        for name, adversary in trainer.adversaries.items():
            scalars.update(
                {
                    f"{name}/health/{key}": value
                    for key, value in _health_scalars(adversary.health())
                }
            )
        if self._writer is not None:
            for tag, value in scalars.items():
                self._writer.add_scalar(tag, value, trainer.step)
            self._show(self._writer, trainer.step)
            self._writer.flush()  # a killed process loses no scalar

    def on_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._show(self._writer, trainer.step)
            self._writer.close()
            self._writer = None

    def _files(self) -> dict[Path, int]:
        """Return the image files and the time each was written."""
        files = [] if self.pictures is None else sorted(self.pictures.glob("*.png"))
        return {path: path.stat().st_mtime_ns for path in files}

    def _show(self, writer: "SummaryWriter", step: int) -> None:
        import numpy as np
        from PIL import Image

        written = self._files()
        for path in (path for path, when in written.items() if self._files_read.get(path) != when):
            name, _, number = path.stem.partition("-")
            numbered = name == "step" and number.isdecimal()
            with Image.open(path) as image:
                levels = np.asarray(image.convert("RGB"))
            tag = f"pictures/{name if numbered else path.stem}"
            writer.add_image(tag, levels, int(number) if numbered else step, dataformats="HWC")
        self._files_read = written


def _wait_for_later_name(folder: Path) -> None:
    """Wait until the second in which the newest event file was created is over.

    TensorBoard reads event files in the order of their names, which start with the second. Of two
    files of the same second the older may be read last, and its points would not be replaced.
    """
    newest = max(
        (int(path.name.split(".")[3]) for path in folder.glob("events.out.tfevents.*")), default=0
    )
    while int(time.time()) == newest:
        time.sleep(0.01)


def _health_scalars(health: Health) -> list[tuple[str, float]]:
    """Return the numbers of a health report without NaN, which the objective does not define."""
    values = [(f.name, getattr(health, f.name)) for f in fields(health)]
    scalars = [(name, value) for name, value in values if isinstance(value, float)]
    scalars += [(f"penalty/{name}", value) for name, value in health.penalties.items()]
    return [(name, value) for name, value in scalars if not math.isnan(value)]
