"""Compare the settings of a resumed run with those of its checkpoint, before any training."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from advlearn.core.checks import check_count, check_number
from advlearn.core.identity import flatten
from advlearn.training.checkpoint import NAME

REPORTED: Final = ("device", "processes", "compile")
"""Settings that change a result by rounding only: a resume with others of them is reported."""

_LONGEST = 120


def check_changes(
    given: Mapping[str, Any] | None, changeable: Collection[str], out: str | Path | None
) -> dict[str, Any]:
    """Check `resume_with`, the settings that a resumed run may change.

    Args:
        given: New values by the name of the setting, or None.
        changeable: Names that may be given.
        out: Folder of the run.

    Returns:
        The values.

    Raises:
        ValueError: If a setting must not change, a value is out of range, or there is no checkpoint
            to resume from in the folder, nor in a folder of a first stage.

    Example:
        >>> check_changes(None, ("lr", "steps"), None)
        {}
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(
            "resume_with: expected a dict of settings, such as {'lr': 1e-4}, got "
            f"{type(given).__name__}"
        )
    for name, value in given.items():
        if name not in changeable:
            raise ValueError(
                f"resume_with: expected settings among {', '.join(sorted(changeable))}, got "
                f"{name!r}; for another {name}, choose another folder"
            )
        if name.endswith("lr"):
            check_number(f"resume_with: {name}", value, low=0, open_low=True)
        else:
            check_count(f"resume_with: {name}", value)
    if given and (out is None or not any([*Path(out).glob(NAME), *Path(out).glob(f"*/{NAME}")])):
        raise ValueError(
            f"resume_with: expected a folder with a checkpoint, got out={out}; pass "
            f"{next(iter(given))}= itself to a new run"
        )
    return dict(given)


def compare(
    folder: Path,
    saved: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    new: Collection[str] = (),
    changed: Collection[str] = (),
    changeable: Collection[str] = (),
    way: str = "",
) -> None:
    """Raise if a run that is resumed has other settings than its checkpoint.

    Args:
        folder: Folder of the checkpoint.
        saved: Settings of the checkpoint; nested mappings have names with dots.
        asked: Settings of this call.
        new: Settings that checkpoints of older versions lack. They are then not compared, and a
            warning names them.
        changed: Settings that the user changes on purpose.
        changeable: Settings that could be changed on purpose.
        way: A further way out, for the message.

    Raises:
        ValueError: If a setting differs; the message names it, both values and what to do.
    """
    held, wanted = flatten(saved), flatten(asked)
    unknown = [name for name in new if name not in held]
    for name in dict.fromkeys([*wanted, *held]):
        if name in unknown or name in changed or name.rpartition(".")[2] in REPORTED:
            continue
        before, now = held.get(name), wanted.get(name)
        if before != now and not _is_unknown_network(name, before, now):
            new = "..." if now is None else repr(now)
            further = f", or continue with resume_with={{{name!r}: {new}}}"
            raise ValueError(
                f"out: {folder} holds a run with {name}={_short(before)}, got {_short(now)}; "
                f"choose another folder{further if name in changeable else way}"
            )
    _report(folder, held, wanted, unknown)


def _is_unknown_network(name: str, before: object, now: object) -> bool:
    """Return whether layers are unknown, as those of a lazy network before its first call."""
    return name.startswith("networks.") and None in (before, now)


def _report(
    folder: Path, held: Mapping[str, Any], wanted: Mapping[str, Any], unknown: Collection[str]
) -> None:
    """Warn of a run that continues elsewhere, and of settings that could not be compared."""
    news = [
        f"{name.rpartition('.')[2]} {held[name]} before, {value} now"
        for name, value in wanted.items()
        if name.rpartition(".")[2] in REPORTED and name in held and held[name] != value
    ]
    if news:
        warnings.warn(
            f"out: {folder} continues with another setting that changes results by rounding: "
            f"{'; '.join(news)}",
            stacklevel=2,
        )
    if unknown:
        warnings.warn(
            f"out: the checkpoint in {folder} is of an older version, so that these settings could "
            f"not be compared: {', '.join(unknown)}",
            stacklevel=2,
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
