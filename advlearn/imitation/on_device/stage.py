"""Run a part of an iteration on fixed tensors, on CUDA as a CUDA graph."""

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, final

import torch
from torch import Tensor, nn

from advlearn.core import agreement
from advlearn.core.error_text import first_line
from advlearn.core.graphs import CudaGraphs, Graphs
from advlearn.core.host_parts import HostParts
from advlearn.core.host_reads import HostReads

# Runs before the capture: in the first, optimizers and libraries allocate what they keep; in the
# second, reads by the host are looked for.
EAGER_RUNS = 2


Numbers = tuple[tuple[str, Any], ...]
# Those of this process that still exist.
_stages: "weakref.WeakSet[Stage]" = weakref.WeakSet()


def free_graphs() -> None:
    """Free the graphs of all stages.

    A process group over NCCL waits at its end for the graphs that hold its collectives.
    """
    for stage in list(_stages):
        stage.free()


@final
class Stage:
    """Run a part of an iteration: twice eagerly, and then as one CUDA graph.

    The part reads and writes the same tensors in each run. If one of them, or a constant, is
    another, for example in a run that is resumed, the graph is captured again. A part that cannot
    be captured runs eagerly, and one line names the reason. On other devices than CUDA it always
    runs eagerly. Several processes capture a part together or not at all.

    Args:
        name: Name of the part, for the line.
        run: The part. What it counts on the host goes through `on_host`.
        key: Returns what must stay the same, in addition to the tensors: names and plain values.
        tensors: Returns the tensors that the part keeps between runs.
        optimizers: Optimizers that step within the part, with their rates; see `on_the_device`.
        generators: Private random generators that the part draws from.
        restore: Called before a capture; returns what puts back the state of Python objects, and
            the tensors that they keep, after a capture that failed.
        reason: Why the part cannot be captured; empty if it can.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], None],
        *,
        tensors: Callable[[], Iterable[Tensor]],
        key: Callable[[], Numbers] = tuple,
        optimizers: Sequence[tuple[torch.optim.Optimizer, Tensor | None]] = (),
        generators: Sequence[torch.Generator] = (),
        restore: Callable[[], Callable[[], None]] = lambda: _nothing,
        reason: str = "",
    ) -> None:
        self.name = name
        self.reason = ""
        self._run = run
        self._tensors = tensors
        self._constants = key
        self._optimizers = optimizers
        self._restore = restore
        self._graphs = graphs_on(next(iter(tensors())).device, generators)
        self._replay: Callable[[], None] | None = None
        self._parts = HostParts()
        self._runs = 0
        self._key: tuple[Any, ...] = ()
        if reason:
            self._refuse(reason)
        _stages.add(self)

    def free(self) -> None:
        """Free the graph; the next runs capture it again."""
        self._replay, self._parts, self._runs = None, HostParts(), 0

    @property
    def captured(self) -> bool:
        """Whether the part is a CUDA graph now."""
        return self._replay is not None

    def __call__(self) -> None:
        """Run the part once."""
        if self.reason or self._graphs is None:
            self._eagerly()
            return
        device = self._graphs.device
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            self._on_device(self._graphs)

    def _on_device(self, graphs: Graphs) -> None:
        # The other processes must not replay what this one does not.
        changed = "its tensors changed" if self._replay and self.key() != self._key else None
        if agreement.shared_reason(changed) is not None:
            self.free()
        if self._replay is not None:
            self._replay()
            self._parts.repeat()
        elif self._runs < EAGER_RUNS:
            self._warm_up(graphs)
        else:
            self._capture(graphs)
        self._runs += 1

    def key(self) -> tuple[Any, ...]:
        """Return the places of the tensors, and the constants."""
        return (*self._places(), *self._constants())

    def _places(self) -> tuple[int, ...]:
        return tuple(tensor.data_ptr() for tensor in self._tensors())

    def _eagerly(self) -> None:
        with on_the_device(self._optimizers):
            self._run()

    def _warm_up(self, graphs: Graphs) -> None:
        if self._runs + 1 < EAGER_RUNS:
            self._eagerly()
            return
        places, constants = self._places(), self._constants()
        with HostReads(graphs.device, graphs.generators) as reads:
            self._eagerly()
        reason = reads.found
        if reason is None and self._places() != places:
            reason = "it replaces tensors that it keeps; change them in place"
        elif reason is None and self._constants() != constants:
            reason = f"it changes {_changed(constants, self._constants())} on the host"
        self._give_up(agreement.shared_reason(reason))

    def _capture(self, graphs: Graphs) -> None:
        """Capture the part and replay it; after a failure run it eagerly."""
        parts, replay, reason = HostParts(), None, None
        put_back = self._restore()
        try:
            with parts.recorded():
                replay = graphs.capture(self._eagerly)
        except RuntimeError as error:
            reason = first_line(error)
        reason = agreement.shared_reason(reason)
        if reason is None and replay is not None:
            replay()
            self._replay, self._parts, self._key = replay, parts, self.key()
            return
        parts.undo()
        put_back()
        self._give_up(reason)
        self._eagerly()

    def _give_up(self, reason: str | None) -> None:
        if reason is not None:
            self._refuse(reason)

    def _refuse(self, reason: str) -> None:
        self.reason = reason
        print(f"capture: {self.name} runs eagerly, since {reason}", file=sys.stderr)


def _changed(before: Numbers, after: Numbers) -> str:
    """Describe the first number that differs."""
    # Two parts of one class have the same names.
    pairs = zip(before, after, strict=False)
    found = [f"{name} from {old} to {new}" for (name, old), (_, new) in pairs if old != new]
    return found[0] if found else f"the number of its parts from {len(before)} to {len(after)}"


def _nothing() -> None:
    """Put nothing back."""


def graphs_on(device: torch.device, generators: Sequence[torch.Generator]) -> Graphs | None:
    """Return what records the parts on a device; None where they run eagerly."""
    return CudaGraphs(device, generators) if device.type == "cuda" else None


@contextmanager
def on_the_device(
    optimizers: Sequence[tuple[torch.optim.Optimizer, Tensor | None]],
) -> Iterator[None]:
    """Let optimizers step within the block without the host: fused, with counts on the device.

    Afterwards their settings are as before, so that saved files load on every device.

    Args:
        optimizers: Optimizers, each with its rate as a scalar on the device, or None to keep the
            rates.
    """
    groups = [(group, rate) for optimizer, rate in optimizers for group in optimizer.param_groups]
    kept = [dict(group) for group, _ in groups]
    for optimizer, _ in optimizers:
        _move_counts(optimizer)
    try:
        for group, rate in groups:
            cuda = all(p.is_cuda for p in group["params"])
            new = {"fused": True, "foreach": False, "capturable": cuda}
            group.update({name: value for name, value in new.items() if name in group})
            if rate is not None:
                group["lr"] = rate
        yield
    finally:
        for (group, _), before in zip(groups, kept, strict=True):
            group.update({name: before[name] for name in before if name != "params"})


def _move_counts(optimizer: torch.optim.Optimizer) -> None:
    """Move the counts of steps to the devices of their parameters."""
    for parameter, state in optimizer.state.items():
        step = state.get("step")
        if isinstance(step, Tensor) and step.device != parameter.device:
            state["step"] = step.to(parameter.device)


def kept_tensors(module: nn.Module, optimizer: torch.optim.Optimizer | None) -> list[Tensor]:
    """Return all tensors that the parts of a module hold, and the state of its optimizer."""
    tensors = [*module.parameters(), *module.buffers()]
    # A part that replaces a tensor in each step would read the first one in each replay.
    attributes = [value for part in module.modules() for value in vars(part).values()]
    states = () if optimizer is None else optimizer.state.values()
    attributes += [value for state in states for value in state.values()]
    return tensors + [value for value in attributes if isinstance(value, Tensor)]


def plain_numbers(module: nn.Module) -> Numbers:
    """Return the numbers and names that the parts inside a module hold on the host."""
    parts = [part for part in module.modules() if part is not module]
    found = [
        (f"{type(part).__name__}.{name}", value)
        for part in parts
        for name, value in vars(part).items()
        if isinstance(value, bool | int | float | str)
    ]
    return tuple(found)


def settings_of(optimizer: torch.optim.Optimizer | None, *, rates: bool) -> Numbers:
    """Return the plain settings of an optimizer; its rates only if `rates`."""
    groups = [] if optimizer is None else optimizer.param_groups
    found = [
        (f"{name} of the optimizer", value)
        for group in groups
        for name, value in group.items()
        if name != "params" and (rates or name != "lr") and not isinstance(value, Tensor)
    ]
    return tuple(found)
