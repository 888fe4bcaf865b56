"""Checkpoints: all the state a run needs to resume, in one file that is written atomically."""

import warnings
from collections import Counter, OrderedDict
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.error_text import first_line
from advlearn.core.files import RefusedFileError, atomic_write
from advlearn.core.seals import seal
from advlearn.core.trainer import Callback, Trainer
from advlearn.core.version import VERSION
from advlearn.training import folder_lock, rng, structure, tensor_files
from advlearn.training.previous_file import keep_previous, newest, previous
from advlearn.training.restored import check_restored

FORMAT: Final = 1
NAME: Final = "checkpoint.pt"


_SCALARS = (int, float, complex, str, bool, type(None), torch.Size, torch.dtype, torch.device)
_SEQUENCES = (list, tuple, set)
_MAPPINGS = (dict, OrderedDict, Counter)


def snapshot(trainer: Trainer, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """Collect the content of a checkpoint.

    Args:
        trainer: The run.
        config: Plain values from which the run can be rebuilt.

    Returns:
        ``{"config", "trainer", "rng"}``: plain values and tensors.
    """
    return {"config": config, "trainer": trainer.state_dict(), "rng": rng.get_state()}


def save(path: str | Path, payload: dict[str, Any]) -> Path:
    """Write a checkpoint; on any failure an earlier file is kept.

    The number of the file format and the version of advlearn are added to the payload, and a
    checksum of the whole file to its end.

    Args:
        path: The file; its folder is created.
        payload: Plain values, lists, dicts and tensors, which `load` reads without running code.

    Returns:
        The file.

    Raises:
        TypeError: The payload holds a value that `load` could not read; the message names it.
        OSError: The file cannot be written, for example on a full disk; the message names the file
            and the cause.

    Example:
        >>> import tempfile
        >>> path = save(Path(tempfile.mkdtemp()) / "run.pt", {"trainer": {"step": 3}})
        >>> load(path)["trainer"]
        {'step': 3}
    """
    path = Path(path)
    _require_plain(payload, "payload")
    try:
        folder_lock.renew(path.parent)
        with atomic_write(path) as file:
            torch.save(
                {"format": FORMAT, "advlearn": VERSION, **tensor_files.without_views(payload)}, file
            )
            seal(file)
    except (OSError, RuntimeError) as error:
        note = "; the earlier checkpoint is kept" if path.is_file() else ""
        raise OSError(f"checkpoint: cannot write {path}: {_cause(error)}{note}") from error
    return path


def load(path: str | Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint; a file from a stranger cannot run code or fill the memory.

    The checksum of the file is compared with its content. A file without one, which an earlier
    version wrote, is compared with the weaker checksums of its parts. A folder in which only
    ``checkpoint-previous.pt`` is left is read from there, with a warning.

    Args:
        path: The file, or the folder that a `Checkpoint` writes to.
        device: Device of the tensors; a module's ``load_state_dict`` copies from any device.

    Returns:
        The payload.

    Raises:
        FileNotFoundError: There is no such file.
        RefusedFileError: A ValueError: the file is damaged, is not a checkpoint of advlearn, or has
            a format that this version cannot read.
    """
    path = Path(path)
    if path.is_dir():
        path = newest(path / NAME)
        if path.name != NAME:
            warnings.warn(
                f"checkpoint: {path.parent} has no {NAME}; the run continues from {path.name}",
                RuntimeWarning,
                stacklevel=2,
            )
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint: expected a file or a run's folder, got {path}")
    try:
        with path.open("rb") as file:
            payload = tensor_files.read(file, device)
    except RefusedFileError as error:
        kept = previous(path)
        way = f"delete it to continue from {kept.name}, " if kept.is_file() else ""
        raise RefusedFileError(
            f"checkpoint: expected a checkpoint, got a damaged or other file {path} ({error}); "
            f"{way}restore a copy of it, or choose another file or folder"
        ) from None
    if not isinstance(payload, dict) or "format" not in payload:
        raise RefusedFileError(
            f"checkpoint: expected a checkpoint of advlearn, got another file {path}"
        )
    number = payload["format"]
    if type(number) is not int or number != FORMAT:
        got = number if type(number) is int else type(number).__name__
        raise RefusedFileError(
            f"checkpoint: expected format {FORMAT}, got format {got} in {path}; "
            "load it with the version of advlearn that wrote it"
        )
    return payload


def resume(path: str | Path, trainer: Trainer) -> None:
    """Restore a run from a checkpoint, including its random state; call it before ``trainer.run``.

    On a CPU the resumed run equals an uninterrupted one bit for bit.

    Args:
        path: The file, or the folder that a `Checkpoint` writes to.
        trainer: The rebuilt run, changed in place.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, or is from another run.
    """
    restore(load(path), path, trainer)


def restore(payload: dict[str, Any], path: str | Path, trainer: Trainer) -> None:
    """Restore a run from the content of a checkpoint that has been read, as `resume` does.

    Args:
        payload: What `load` returned.
        path: Where it was read, for the messages.
        trainer: The rebuilt run, changed in place.

    Raises:
        ValueError: The content is damaged, or is from another run.
    """
    structure.check(payload, {"trainer": structure.TRAINER, "rng": dict}, Path(path))
    try:
        trainer.load_state_dict(payload["trainer"])
        check_restored(payload["trainer"], trainer)
        rng.set_state(payload["rng"])
    except (ValueError, *structure.ERRORS) as error:
        detail = f"it has no {error}" if isinstance(error, KeyError) else _detail(error)
        raise ValueError(
            f"checkpoint: expected a checkpoint of this run, got one of another run in "
            f"{path}: {detail}"
        ) from error
    for callback in trainer.callbacks:
        if isinstance(callback, Checkpoint):
            callback.on_resume(trainer)


@final
class Checkpoint(Callback):
    """Save the run at its start, at regular intervals and at its end.

    Each save first checks that all losses and all tensors of the state are finite: a poisoned state
    never replaces a good one. Until the end of the run ``checkpoint-previous.pt`` keeps the save
    before the last one, and becomes ``checkpoint.pt`` again if a loss fails in the step after the
    last save. Killing the process at any moment, also while saving, leaves a readable checkpoint.
    A save that fails during the run, such as on a full disk, is a warning and is repeated at the
    next interval. If a callback or the data raise an error, the state after the last complete step
    is saved.

    Only the first process writes. This callback must follow all callbacks that have a state, so
    that it saves their state of the same step. A new run refuses a folder that holds a checkpoint.

    Args:
        folder: Folder of the file ``checkpoint.pt``.
        every: Training steps between two saves.
        config: Plain values from which the run can be rebuilt.

    Raises:
        ValueError: `every` is not positive.
        OSError: In a run: the first or the last save failed.

    Example:
        >>> Checkpoint("runs/demo", every=500).path.name
        'checkpoint.pt'
    """

    def __init__(
        self, folder: str | Path, every: Count = 1000, config: dict[str, Any] | None = None
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1 step, got {every}")
        self.folder = Path(folder)
        self.every = every
        self.config = config
        self._saved: int | None = None
        self._saved_before: int | None = None

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.folder / NAME

    def on_start(self, trainer: Trainer) -> None:
        new_run = trainer.step == 0 and self._saved is None
        if new_run and distributed.rank() == 0 and newest(self.path).exists():
            raise ValueError(
                f"folder: expected one without a checkpoint, got {self.folder}; resume from it or "
                "choose another folder"
            )
        after = trainer.callbacks[trainer.callbacks.index(self) + 1 :]
        late = [type(c).__name__ for c in after if type(c).state_dict is not Callback.state_dict]
        if late:
            raise ValueError(
                f"callbacks: expected Checkpoint after {', '.join(late)}, whose state it saves"
            )
        trainer.guard.good_checkpoint = self._good_checkpoint
        trainer.check_state()
        self._write(trainer)

    def on_resume(self, trainer: Trainer) -> None:
        """Mark the current state as saved; `resume` calls this."""
        self._saved = trainer.step

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            return
        trainer.check_state()
        try:
            self._write(trainer)
        except OSError as error:
            warnings.warn(
                f"{error}; training continues, the next save is {self.every} steps later",
                RuntimeWarning,
                stacklevel=2,
            )

    def on_end(self, trainer: Trainer) -> None:
        # Also after a save of this step: callbacks before this one can change the state at the end.
        trainer.check_state(together=False)  # the trainer made it together
        self._write(trainer)
        if distributed.rank() == 0 and not trainer.interrupted:
            previous(self.path).unlink(missing_ok=True)

    def on_error(self, trainer: Trainer) -> None:
        if self._saved != trainer.step:
            trainer.check_state(together=False)
            self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        if distributed.rank() == 0:
            # A resumed run writes its own step again, which must not replace the previous one.
            with nullcontext() if self._saved == trainer.step else keep_previous(self.path):
                save(self.path, snapshot(trainer, self.config))
        if self._saved != trainer.step:
            self._saved_before, self._saved = self._saved, trainer.step
        trainer.last_checkpoint = str(self.path)

    def _good_checkpoint(self, failed: int | None) -> str:
        """Return a good checkpoint, given the step at which a loss failed or None.

        A loss that fails in the step after a save makes that save suspect.
        """
        if self._saved is None:
            return "none was saved"
        suspect, first = failed == self._saved + 1, distributed.rank() == 0
        if suspect and first and previous(self.path).is_file():
            if self._saved_before is None:  # the run was resumed
                self._saved_before = int(load(previous(self.path))["trainer"]["step"])
            previous(self.path).replace(self.path)
        if suspect and self._saved_before is not None:
            self._saved, self._saved_before = self._saved_before, None
        return f"{self.path} (step {self._saved})"


def _require_plain(value: object, where: str) -> None:
    """Raise a TypeError for a value that ``weights_only=True`` would refuse to load."""
    # The exact type counts: a numpy float inherits from float and cannot be loaded.
    if isinstance(value, Tensor) or type(value) in _SCALARS:
        return
    if type(value) in _MAPPINGS:
        for key, item in value.items():  # type: ignore[attr-defined]
            _require_plain(key, f"a key of {where}")
            _require_plain(item, f"{where}.{key}")
    elif type(value) in _SEQUENCES:
        for i, item in enumerate(value):  # type: ignore[arg-type]
            _require_plain(item, f"{where}[{i}]")
    else:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise TypeError(
            f"checkpoint: {where}: expected plain values, lists, dicts and tensors, got {kind}"
        )


def _cause(error: BaseException) -> str:
    """Return the operating system's message, which torch hides in an inner error."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError):
            return inner.strerror or first_line(inner)
        inner = inner.__cause__ or inner.__context__
    return first_line(error)


def _detail(error: BaseException) -> str:
    """Return the first detail of a module's error, whose first line is only a headline."""
    lines = str(error).splitlines()
    return lines[1].strip() if len(lines) > 1 else first_line(error)
