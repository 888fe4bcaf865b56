"""A run on the disk: everything it needs to go on, in one file that is whole or absent."""

from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.trainer import Callback, Trainer
from advlearn.core.version import VERSION
from advlearn.training import rng
from advlearn.training.files import replacing

FORMAT: Final = 1
NAME: Final = "checkpoint.pt"

_SCALARS = (int, float, complex, str, bool, type(None), torch.Size, torch.dtype, torch.device)
_SEQUENCES = (list, tuple, set)
_MAPPINGS = (dict, OrderedDict, Counter)


def snapshot(trainer: Trainer, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a checkpoint holds.

    Args:
        trainer: The run.
        config: Plain values from which the run is built again, for whoever loads the file.

    Returns:
        ``{"config", "trainer", "rng"}``: plain values and tensors.
    """
    return {"config": config, "trainer": trainer.state_dict(), "rng": rng.get_state()}


def save(path: str | Path, payload: dict[str, Any]) -> Path:
    """Write a checkpoint; on any failure, the file that was there before stays.

    The file's format and the version of advlearn that wrote it are added to the payload.

    Args:
        path: The file; its folder is made.
        payload: Plain values, lists, dicts and tensors, which `load` reads back without running any
            code.

    Returns:
        The file.

    Raises:
        TypeError: The payload holds something that could not be read back; the line names it.
        OSError: The file cannot be written, for example on a full disk; the line names file and
        cause.

    Example:
        >>> import tempfile
        >>> path = save(Path(tempfile.mkdtemp()) / "run.pt", {"trainer": {"step": 3}})
        >>> load(path)["trainer"]
        {'step': 3}
    """
    path = Path(path)
    _require_plain(payload, "payload")
    try:
        with replacing(path) as file:
            torch.save({"format": FORMAT, "advlearn": VERSION, **payload}, file)
    except (OSError, RuntimeError) as error:
        kept = "; the earlier checkpoint is kept" if path.is_file() else ""
        raise OSError(f"checkpoint: cannot write {path}: {_cause(error)}{kept}") from error
    return path


def load(path: str | Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint, with ``weights_only=True``: a file from a stranger cannot run code.

    Args:
        path: The file, or the folder that a `Checkpoint` writes to.
        device: Where the tensors go; a module's ``load_state_dict`` copies them from any device.

    Returns:
        The payload.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is cut off, no checkpoint of advlearn, or of a format this version does not
        know.
    """
    path = Path(path)
    if path.is_dir():
        path = path / NAME
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint: there is no file {path}")
    try:
        payload = torch.load(path, map_location=device, weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(
            f"checkpoint: {path} is damaged or no checkpoint ({_first_line(error)})"
        ) from None
    if not isinstance(payload, dict) or "format" not in payload:
        raise ValueError(f"checkpoint: {path} is not a checkpoint of advlearn: it names no format")
    if payload["format"] != FORMAT:
        raise ValueError(
            f"checkpoint: {path} has format {payload['format']!r}, this version of advlearn reads {FORMAT}"
        )
    return payload


def resume(path: str | Path, trainer: Trainer) -> None:
    """Put a run back where a checkpoint left it, random state included; call it before ``trainer.run``.

    On a CPU the run then goes on bit for bit as if it had never stopped.

    Args:
        path: The file, or the folder that a `Checkpoint` writes to.
        trainer: The same run, built again; changed in place.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, or is of another run.
    """
    payload = load(path)
    try:
        trainer.load_state_dict(payload["trainer"])
        rng.set_state(payload["rng"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        missing = f"it has no {error}" if isinstance(error, KeyError) else _detail(error)
        raise ValueError(f"checkpoint: {path} is of another run: {missing}") from error
    for callback in trainer.callbacks:
        if isinstance(callback, Checkpoint):
            callback.on_resume(trainer)


@final
class Checkpoint(Callback):
    """Save the run at its start, every so many steps, and at its end.

    Each save checks first that no loss has become infinite or NaN, so a poisoned state never
    replaces a good one. A kill at any moment, also while saving, leaves a checkpoint that loads.
    Only the first process writes. It comes after all callbacks that keep a state, so that it saves
    what they did in the same step. A run that starts anew refuses a folder that holds a checkpoint.

    Args:
        folder: Where the file ``checkpoint.pt`` goes.
        every: Player steps between two saves.
        config: Plain values from which the run is built again.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> Checkpoint("runs/demo", every=500).path.name
        'checkpoint.pt'
    """

    def __init__(
        self, folder: str | Path, every: int = 1000, config: dict[str, Any] | None = None
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1 step, got {every}")
        self.folder = Path(folder)
        self.every = every
        self.config = config
        self._saved: int | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / NAME

    def on_start(self, trainer: Trainer) -> None:
        fresh = trainer.step == 0 and self._saved is None
        if fresh and distributed.rank() == 0 and self.path.exists():
            raise ValueError(
                f"folder: {self.folder} holds a checkpoint already; resume from it or choose another folder"
            )
        after = trainer.callbacks[trainer.callbacks.index(self) + 1 :]
        late = [type(c).__name__ for c in after if type(c).state_dict is not Callback.state_dict]
        if late:
            raise ValueError(
                f"callbacks: expected Checkpoint after {', '.join(late)}, whose state it saves"
            )
        self._save(trainer)

    def on_resume(self, trainer: Trainer) -> None:
        """Take it that the run's present state is on the disk: `resume` calls this."""
        self._saved = trainer.step

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self._save(trainer)

    def on_end(self, trainer: Trainer) -> None:
        if self._saved != trainer.step:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        trainer.raise_if_not_finite()
        if distributed.rank() == 0:
            save(self.path, snapshot(trainer, self.config))
        self._saved = trainer.step
        trainer.last_checkpoint = str(self.path)


def _require_plain(value: object, where: str) -> None:
    """Refuse what ``weights_only=True`` would refuse later, when it is too late."""
    # The exact type counts: a numpy float is a Python float by inheritance, yet is not read back.
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
    """The system's word for what went wrong; torch reports a failed write as an inner error of its own."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError):
            return inner.strerror or _first_line(inner)
        inner = inner.__cause__ or inner.__context__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _detail(error: BaseException) -> str:
    """The first particular of a module's complaint, whose first line is only a headline."""
    lines = str(error).splitlines()
    return lines[1].strip() if len(lines) > 1 else _first_line(error)
