"""Scalars and images of a run for TensorBoard."""

import math
import time
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, final

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.health import Health
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.event_file import EventFile
from advlearn.training.warn_once import WarnOnce


@final
class TensorBoard(Callback):
    """Write losses, penalties, each critic's health and the speed as TensorBoard scalars.

    The tags are those of ``trainer.last_losses()`` and ``trainer.last_scores()``,
    ``ADVERSARY/health/FIELD`` and ``steps_per_second``. A resumed run replaces the scalars that the
    killed run wrote after its checkpoint, so that each step appears once. Only the first process
    writes.

    Images written by earlier callbacks are shown too: ``step-00001000.png`` as ``pictures/step`` at
    that step, and any other file by its name at the step it is first read.

    A file that cannot be written or read is a warning, once, and training continues.

    Args:
        folder: Folder of the event files.
        every: Training steps between two points.
        pictures: Folder whose PNG files are shown; None shows none.

    Attributes:
        last: Step and scalars of the last point, in every process; step -1 before the first.
        verdicts: The verdict of each adversary's health at that point, in words.

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
        self._writer: EventFile | None = None
        self._unwritten, self._unread = WarnOnce(), WarnOnce()
        self._last = (0, 0.0)
        self.last: tuple[int, dict[str, float]] = (-1, {})
        self.verdicts: dict[str, str] = {}

    def on_start(self, trainer: Trainer) -> None:
        self._last = (trainer.step, time.monotonic())
        if distributed.rank() == 0:
            _wait_for_later_name(self.folder)
            self._writer = EventFile(self.folder, purge_step=trainer.step + 1)
            self._write(self._writer)
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
            health = adversary.health()
            self.verdicts[name] = health.verdict
            scalars.update({f"{name}/health/{k}": v for k, v in _health_scalars(health)})
        self.last = (trainer.step, scalars)
        if self._writer is not None:
            for tag, value in scalars.items():
                self._writer.add_scalar(tag, value, trainer.step)
            self._show(self._writer, trainer.step)
            self._write(self._writer)

    def on_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._show(self._writer, trainer.step)
            self._write(self._writer)
            self._writer = None

    def _write(self, writer: EventFile) -> None:
        with self._unwritten.instead_of_errors("write", writer.path):
            writer.write()

    def _files(self) -> dict[Path, int]:
        """Return the image files and the time each was written."""
        written: dict[Path, int] = {}
        for path in [] if self.pictures is None else sorted(self.pictures.glob("*.png")):
            with suppress(OSError):  # another program may remove a file at any time
                written[path] = path.stat().st_mtime_ns
        return written

    def _show(self, writer: EventFile, step: int) -> None:
        written = self._files()
        for path in (path for path, when in written.items() if self._files_read.get(path) != when):
            name, _, number = path.stem.partition("-")
            numbered = name == "step" and number.isdecimal()
            tag = f"pictures/{name if numbered else path.stem}"
            # A file of another program can fail in any way.
            with self._unread.instead_of_errors("show", path, Exception):
                writer.add_image(tag, _levels(path), int(number) if numbered else step)
        self._files_read = written


def _levels(path: Path) -> Any:
    """Return the pixels of an image file, uint8 (height, width, 3)."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _wait_for_later_name(folder: Path) -> None:
    """Wait until the second in which the newest event file was created is over.

    TensorBoard reads event files in the order of their names, which start with the second. Of two
    files of the same second the older may be read last, and its points would not be replaced.
    """
    seconds = [path.name.split(".")[3] for path in folder.glob("events.out.tfevents.*")]
    newest = max((int(second) for second in seconds if second.isdecimal()), default=0)
    while int(time.time()) == newest:
        time.sleep(0.01)


def _health_scalars(health: Health) -> list[tuple[str, float]]:
    """Return the numbers of a health report without NaN, which the objective does not define."""
    values = [(f.name, getattr(health, f.name)) for f in fields(health)]
    scalars = [(name, value) for name, value in values if isinstance(value, float)]
    scalars += [(f"penalty/{name}", value) for name, value in health.penalties.items()]
    return [(name, value) for name, value in scalars if not math.isnan(value)]
