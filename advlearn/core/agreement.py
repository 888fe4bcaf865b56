"""Let all processes find out together that their calls differ, or that a run ends."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.error_text import first_line
from advlearn.core.identity import checksum
from advlearn.core.samples import Samples, count, tensors

EVERY: Final = 20
"""Steps between two exchanges about the end of a run where one would wait for the device."""

_SAME = "start every process with the same arguments"


class Stoppable(Protocol):
    """A run that may end early."""

    step: int
    steps: int
    stop_reason: str | None


@contextmanager
def agreed() -> Generator[dict[str, Any]]:
    """Compare what the processes of a group build, and raise in all of them if it differs.

    Yields:
        A dict for the settings to compare, by name. An error in the block of one process ends the
        blocks of all.

    Raises:
        ValueError: If a setting differs between processes, or another process raised an error.

    Example:
        >>> with agreed() as settings:
        ...     settings["seed"] = 0
    """
    settings: dict[str, Any] = {}
    try:
        yield settings
    except Exception as error:
        if distributed.world_size() > 1:
            distributed.gather_numbers([1, 0])
            distributed.gather_objects(first_line(error))
        raise
    require_same(settings)


def require_same(settings: Mapping[str, Any]) -> None:
    """Raise in every process if a setting differs between processes.

    Args:
        settings: Plain values by name; their text is compared.

    Raises:
        ValueError: If a setting differs; the message names it and the ranks.
    """
    if distributed.world_size() == 1:
        return
    texts = {name: repr(value) for name, value in settings.items()}
    own = int(checksum(sorted(texts.items())), 16)
    found = distributed.gather_numbers([0, own])
    failed = [rank for rank, (status, _) in enumerate(found) if status]
    if failed:
        lines = distributed.gather_objects("")
        raise ValueError(f"processes: rank {failed[0]} refused to start: {lines[failed[0]]}")
    if any(row != found[0] for row in found):
        _raise_difference(distributed.gather_objects(texts))


def require_same_weights(run: Stoppable, modules: Iterable[nn.Module], **settings: object) -> None:
    """Raise in every process if steps, or the names and shapes of weights, differ.

    Args:
        run: The run.
        modules: Modules whose weights the processes share.
        **settings: Plain values that must be the same, too.

    Raises:
        ValueError: If one differs between processes.
    """
    if distributed.world_size() == 1:
        return
    states = [module.state_dict() for module in modules]
    shapes = [(k, tuple(v.shape)) for s in states for k, v in s.items() if isinstance(v, Tensor)]
    same = {"steps": run.steps, "step": run.step, "networks": checksum(shapes)}
    require_same({**same, **settings})


def shared_reason(reason: str | None) -> str | None:
    """Return the reason of the first process that has one, in all of them; waits for all.

    Args:
        reason: Why this process does without something, or None.

    Example:
        >>> shared_reason("the solver is on the host")
        'the solver is on the host'
    """
    if distributed.world_size() == 1:
        return reason
    found = [flag for (flag,) in distributed.gather_numbers([reason is not None])]
    if not any(found):
        return None
    reasons = distributed.gather_objects(reason)
    rank, first = next((k, r) for k, r in enumerate(reasons) if r is not None)
    return f"rank {rank}: {first}"


def is_over(run: Stoppable, interrupted: list[int]) -> bool:
    """Return whether a run ends now, in all processes at the same step.

    One process that has a reason to stop, or that received Ctrl-C, stops all of them: after this
    step, or within `EVERY` steps where each exchange would wait for the device.

    Args:
        run: The run; a process that is stopped by another one receives its `stop_reason`.
        interrupted: Signals received; not empty after Ctrl-C, in any process.
    """
    own = 2 * bool(interrupted) + (run.stop_reason is not None)
    if distributed.world_size() == 1 or run.step >= run.steps:
        return run.step >= run.steps or own > 0
    if run.step % EVERY and not distributed.waits_for_no_device():
        return False
    found = [flag for (flag,) in distributed.gather_numbers([own])]
    if not any(found):
        return False
    reasons = distributed.gather_objects(run.stop_reason)
    if any(flag >= 2 for flag in found):
        interrupted[:] = interrupted or [0]
    elif run.stop_reason is None:
        rank = next(rank for rank, reason in enumerate(reasons) if reason is not None)
        run.stop_reason = f"rank {rank} stopped: {reasons[rank]}"
    return True


def check_call(
    real: Samples,
    fake: Samples,
    real_weights: Tensor | None,
    fake_weights: Tensor | None,
    *,
    first: bool,
) -> None:
    """Raise in every process if their samples or weights cannot be joined.

    Where an exchange would wait for the device, only the first call is compared.

    Args:
        real: Real samples of this process.
        fake: Fake samples of this process.
        real_weights: Their weights, or None.
        fake_weights: Their weights, or None.
        first: Whether it is the first call.

    Raises:
        ValueError: If numbers of samples, shapes, dtypes, or whether there are weights, differ
            between processes; the message names the argument and the ranks.
    """
    if distributed.world_size() == 1 or not (first or distributed.waits_for_no_device()):
        return
    sides = {"real": real, "fake": fake}
    weights = {"real_weights": real_weights, "fake_weights": fake_weights}
    texts = {f"number of {name} samples": _count(side) for name, side in sides.items()}
    texts |= {f"structure of {name}": _structure(side) for name, side in sides.items()}
    texts |= {name: _kind(values) for name, values in weights.items()}
    found = distributed.gather_numbers([int(checksum(texts), 16)])
    if any(row != found[0] for row in found):
        _raise_difference(
            distributed.gather_objects(texts),
            "drop the last incomplete batch (drop_last=True), or pad it and pass weights of zero "
            "in every process",
        )


def _raise_difference(each: list[dict[str, str]], way: str = _SAME) -> None:
    """Raise an error that names the first difference; every process has the same `each`."""
    names = [name for texts in each for name in texts]
    for name in dict.fromkeys(names):
        values = [texts.get(name, "nothing") for texts in each]
        other = next((rank for rank, value in enumerate(values) if value != values[0]), None)
        if other is None:
            continue
        more = [rank for rank in range(other + 1, len(values)) if values[rank] != values[0]]
        further = f" (ranks {', '.join(map(str, more))} differ too)" if more else ""
        raise ValueError(
            f"processes: expected the same {name} in every process, got {_short(values[0])} in "
            f"rank 0 and {_short(values[other])} in rank {other}{further}; {way}"
        )


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:80]}... ({len(text)} characters)"


def _count(side: Samples) -> str:
    """Return the number of samples as text; a malformed side has its own message later."""
    found = tensors(side)
    return str(count(side)) if found and all(part.ndim for part in found) else "0"


def _kind(weights: Tensor | None) -> str:
    return "None" if weights is None else f"a tensor of {weights.ndim} axes"


def _structure(side: Samples) -> str:
    # Lengths and sizes of images may differ, as a critic of any size allows.
    return repr([(str(part.dtype), part.ndim) for part in tensors(side)])
