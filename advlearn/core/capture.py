"""Training steps as CUDA graphs: a whole step, launched at once."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportPrivateUsage=false
# (PyTorch's own annotations are partial)

import warnings
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, cast, final, runtime_checkable

import torch
from torch import Tensor, nn

from advlearn.core import agreement, distributed
from advlearn.core.adversary import Adversary
from advlearn.core.captured_state import CapturedState, places
from advlearn.core.chain import Schedule
from advlearn.core.error_text import first_line
from advlearn.core.graphs import CudaGraphs, Graphs
from advlearn.core.host_parts import HostParts
from advlearn.core.host_reads import HostReads
from advlearn.core.protocols import Grows
from advlearn.core.rates import Rates
from advlearn.core.task import Batch, Task
from advlearn.core.turns import Turns

Learn = Callable[[Iterator[Batch]], None]
# Steps before the first capture: torch's libraries and the optimizers allocate in them.
WARMUP = 3
# Kinds of steps after which the capture ends, because the kinds do not repeat.
MOST_KINDS = 64
# Changes of the state between steps after which the capture ends, because each drops the graphs.
MOST_CHANGES = 16


@runtime_checkable
class HostState(Protocol):
    """A module that decides by a count or a number on the host which operations it computes."""

    def coming(self, steps: int) -> Hashable:
        """Return what decides the operations of the next critic steps; None while it changes."""
        ...


class Training(Protocol):
    """What the capture needs of a trainer."""

    task: Task
    adversaries: dict[str, Adversary]
    rates: Rates
    schedule: Schedule
    critic_steps: int
    turns: Turns
    data: Any

    def learn(self, batches: Iterator[Batch]) -> None: ...


def reason_against_training(training: Training, device: torch.device) -> str | None:
    """Return why the steps of a run on a device cannot be captured, or None."""
    reason = distributed.reason_against_capture(modules_of(training), device)
    if reason is not None:
        return reason
    if distributed.world_size() > 1 and not getattr(training.data, "same_shapes", False):
        return (
            "your own stream or collate_fn may change the shape of batches, which several "
            "processes cannot notice in time; a stream says by same_shapes = True that it does not"
        )
    reason = training.turns.reason_against_capture()
    if reason is not None:
        return reason
    for name, adversary in training.adversaries.items():
        reason = adversary.reason_against_capture()
        if reason is not None:
            return f"{name}: {reason}"
    if training.schedule != "constant" and not training.rates.are_on_device():
        kinds = sorted({type(o).__name__ for o in training.rates.optimizers})
        return f"the schedule changes the rate of an optimizer without capturable=, of {kinds}"
    for module in modules_of(training):
        for part in module.modules():
            # A module inside may tell the kind of a step, as `Growth` does.
            if isinstance(part, Grows) and not host_states([part]):
                return f"{type(part).__name__} grows and has no method `coming`"
    return None


def captured_steps(training: Training, device: torch.device) -> "CapturedSteps | None":
    """Return what captures the steps of a run; None after a warning that says why not."""
    return captured_by(training.learn, training, CudaGraphs(device))


def captured_by(learn: Learn, training: Training, graphs: Graphs) -> "CapturedSteps | None":
    """Return what captures steps that `learn` makes with the parts of a run, as `captured_steps`.

    Several processes capture together or not at all.

    Args:
        learn: The step.
        training: The run whose weights, optimizers and rates it uses.
        graphs: What records the steps.
    """
    reason = agreement.shared_reason(reason_against_training(training, graphs.device))
    if reason is not None:
        warn(reason)
        return None
    modules = modules_of(training)
    # Once: a search of all modules takes longer than the launch of a small graph.
    kind = partial(kind_of_step, training, host_states(modules))
    return CapturedSteps(learn, kind, modules, training.rates.optimizers, graphs)


def modules_of(training: Training) -> list[nn.Module]:
    """Return the modules that a step changes: the task and its adversaries."""
    return [training.task, *training.adversaries.values()]


def host_states(modules: Sequence[nn.Module]) -> list[HostState]:
    """Return all modules inside of `modules` that decide on the host what a step computes."""
    parts = (part for module in modules for part in module.modules())
    return [part for part in parts if isinstance(part, HostState)]


def kind_of_step(training: Training, states: Sequence[HostState]) -> Hashable:
    """Return what decides on the host which operations the next step has.

    It is equal for steps of the same operations, and None while it changes at every step.
    """
    steps = 1 if training.task.gradient_reversal else training.critic_steps
    keys = tuple(state.coming(steps) for state in states)
    return None if None in keys else keys


@final
class CapturedSteps:
    """Run training steps, the first ones one by one and later ones as replays of CUDA graphs.

    Steps of one kind have the same operations; each kind is captured once, after a step of it was
    run as usual and searched for operations that a graph cannot hold. If there is one, a single
    warning names it, and all steps run as usual.

    Args:
        learn: The step: it takes an iterator of batches. What it does on the host goes through
            `on_host`.
        kind: Returns the kind of the next step, or None if it shall not be captured.
        modules: The modules whose parameters and buffers must keep their place.
        optimizers: The optimizers whose state must keep its place.
        graphs: What records the steps.
    """

    def __init__(
        self,
        learn: Learn,
        kind: Callable[[], Hashable],
        modules: Sequence[nn.Module],
        optimizers: Sequence[torch.optim.Optimizer],
        graphs: Graphs,
    ) -> None:
        self.reason: str | None = None
        self.replays = 0
        self._learn = learn
        self._kind = kind
        self._modules = modules
        self._optimizers = optimizers
        self._graphs = graphs
        self._usual_steps = 0
        self._searched: set[Hashable] = set()
        self._inputs: dict[Hashable, list[Batch]] = {}
        self._captured: dict[Hashable, tuple[Callable[[], None], HostParts]] = {}
        self._state: CapturedState | None = None
        self._changes = 0

    @contextmanager
    def on_stream(self) -> Generator[None]:
        """Use the stream on which steps are captured in the block; free the graphs after it."""
        with self._graphs.stream():
            try:
                yield
            finally:
                self._captured.clear()
                self._inputs.clear()

    def run(self, batches: list[Batch]) -> None:
        """Run one step on `batches`, as a replay where its kind is captured.

        Raises:
            ValueError: If batches change their shape while several processes replay steps.
        """
        kind = None if self.reason is not None else self._kind()
        if kind is None:
            self._learn(iter(batches))
            return
        if self._state is not None and not self._state.is_current():
            # As in every process, since all of them call the same callbacks.
            self._start_again()
        shapes = tuple((x.shape, x.dtype, x.device) for batch in batches for x in batch)
        other = self._other_shapes(shapes)
        inputs, kind = self._filled(shapes, batches), (shapes, kind)
        if kind in self._captured:
            replay, parts = self._captured[kind]
            replay()
            parts.repeat()
            self.replays += 1
        elif self._usual_steps < WARMUP or kind not in self._searched:
            self._run_as_usual(kind, inputs, other)
        else:
            self._capture(kind, inputs)

    def _start_again(self) -> None:
        """Drop the captured steps, which would use tensors and settings of before."""
        self._captured.clear()
        self._searched.clear()
        self._state = None
        self._changes += 1
        if self._changes > MOST_CHANGES:
            self._give_up(
                "the optimizers or their settings, or weights, were replaced "
                f"{self._changes} times between steps"
            )

    def _other_shapes(self, shapes: tuple[Any, ...]) -> str | None:
        """Return why several processes cannot capture batches of these shapes, or None.

        All processes must replay a collective, or none. They agree on it while steps run as usual,
        but a replay does not tell the others that the next batch has another shape.
        """
        if not self._inputs or shapes in self._inputs or distributed.world_size() == 1:
            return None
        if self._usual_steps < WARMUP:
            return "the batches of several processes change their shape"
        first = cast(tuple[Any, ...], next(iter(self._inputs)))
        was, now = ([tuple(shape) for shape, *_ in each] for each in (first, shapes))
        raise ValueError(
            f"capture: expected batches of one shape in several processes, got {now} after {was}; "
            "make them equal, as by padding or drop_last=True, or pass capture=False"
        )

    def _filled(self, shapes: Hashable, batches: list[Batch]) -> list[Batch]:
        """Copy batches into the tensors that the graphs read, and return these."""
        held = self._inputs.get(shapes)
        if held is None:
            held = [tuple(x.to(self._graphs.device, copy=True) for x in batch) for batch in batches]
            self._inputs[shapes] = held
            return held
        into, values = ([x for batch in side for x in batch] for side in (held, batches))
        torch._foreach_copy_(into, values)  # pyright: ignore[reportPrivateImportUsage]
        return held

    def _run_as_usual(self, kind: Hashable, inputs: list[Batch], reason: str | None = None) -> None:
        self._usual_steps += 1
        # The first step of all may read values: a head looks once at what its critic returns.
        if self._usual_steps == 1:
            self._learn(iter(inputs))
            return
        with HostReads(self._graphs.device, self._graphs.generators) as reads:
            self._learn(iter(inputs))
        self._searched.add(kind)
        reason = reason or reads.found
        if reason is None and len(self._searched) > MOST_KINDS:
            reason = f"the last {MOST_KINDS} steps had different operations or shapes"
        reason = agreement.shared_reason(reason)
        if reason is not None:
            self._give_up(reason)

    def _capture(self, kind: Hashable, inputs: list[Batch]) -> None:
        """Capture a step and replay it; after a failure run it as usual."""
        parts, held, replay = HostParts(), places(self._modules, self._optimizers), None
        try:
            with parts.recorded():
                replay = self._graphs.capture(lambda: self._learn(iter(inputs)))
            reason = self._moved(held)
        except RuntimeError as error:
            reason = first_line(error)
        reason = agreement.shared_reason(reason)
        if reason is None and replay is not None:
            replay()
            self._captured[kind] = (replay, parts)
            self._state = CapturedState(self._modules, self._optimizers)
            return
        parts.undo()
        for owner, key, tensor in held:
            owner[key] = tensor
        self._give_up(str(reason))
        self._learn(iter(inputs))

    def _moved(self, held: list[tuple[Any, Any, Tensor]]) -> str | None:
        """Return why a captured step would not change the tensors that are `held`."""
        now = places(self._modules, self._optimizers)
        if len(now) != len(held):
            return "the step adds weights, buffers or states of optimizers"
        for owner, key, tensor in held:
            if owner[key].data_ptr() != tensor.data_ptr():
                return f"the step replaces the tensor {key!r}; change it in place"
        return None

    def _give_up(self, reason: str) -> None:
        self.reason = reason
        self._captured.clear()
        warn(reason)


def warn(reason: str) -> None:
    """Tell in one line why steps are not captured."""
    warnings.warn(
        f"capture: {reason}; the run continues without CUDA graphs (capture=False silences this)",
        stacklevel=2,
    )
