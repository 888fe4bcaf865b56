"""Event files of TensorBoard, written without a thread."""

import os
import socket
import time
from pathlib import Path
from typing import Any, final


@final
class EventFile:
    """Append events to a file of TensorBoard, which is open only while they are written.

    The writer of TensorBoard reports an error of its thread at a later call, and prints it too.
    Here `write` raises it. After an error the next events go to a new file, since a reader does not
    read beyond an event that is written in part.

    Args:
        folder: Folder of the files.
        purge_step: A reader drops the events of earlier files from this step on.

    Attributes:
        path: The file of the next write.

    Raises:
        ImportError: TensorBoard is not installed.

    Example:
        >>> import tempfile
        >>> file = EventFile(tempfile.mkdtemp(), purge_step=1)
        >>> file.add_scalar("loss", 0.5, 1)
        >>> file.write()
        >>> len(list(file.folder.glob("events.out.tfevents.*")))
        1
    """

    def __init__(self, folder: str | Path, purge_step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter  # noqa: F401 (fails early)

        self.folder = Path(folder)
        self.purge_step = purge_step
        self._events: list[Any] = []
        self._number = 0
        self.path = self._new_path()

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Add a point of a curve to the next write."""
        from torch.utils.tensorboard.summary import scalar

        self._add(scalar(tag, value), step)

    def add_image(self, tag: str, levels: Any, step: int) -> None:
        """Add an image to the next write: uint8 (height, width, 3)."""
        from torch.utils.tensorboard.summary import image

        self._add(image(tag, levels, dataformats="HWC"), step)

    def write(self) -> None:
        """Append the added events to the file.

        Raises:
            OSError: The file cannot be written; these events are lost.
        """
        from tensorboard.summary.writer.record_writer import RecordWriter

        events, self._events = self._events, []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                records: Any = RecordWriter(file)
                for event in (*self._head(), *events) if file.tell() == 0 else events:
                    records.write(event.SerializeToString())
        except OSError:
            self.path = self._new_path()
            raise

    def _add(self, summary: Any, step: int) -> None:
        self._events.append(_messages().Event(summary=summary, step=step, wall_time=time.time()))

    def _head(self) -> tuple[Any, ...]:
        messages, now = _messages(), time.time()
        version = "brain.Event:2"
        first = messages.Event(wall_time=now, file_version=version)
        # Only the first file of a run follows events that another run wrote.
        if self._number > 1:
            return (first,)
        start = messages.SessionLog(status=messages.SessionLog.START)
        return first, messages.Event(wall_time=now, step=self.purge_step, session_log=start)

    def _new_path(self) -> Path:
        # Readers take the files in the order of their names.
        self._number += 1
        name = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{self._number:04d}"
        return self.folder / f"events.out.tfevents.{name}"


def _messages() -> Any:
    """Return the module of TensorBoard's messages, whose classes exist only when it is imported."""
    from tensorboard.compat.proto import event_pb2

    return event_pb2
