"""Run a part of an iteration on fixed tensors, on CUDA as a CUDA graph."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol, final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn.core.host_reads import waits

# Runs before the capture: in the first, optimizers and libraries allocate what they keep; in the
# second, reads by the host are looked for.
EAGER_RUNS = 2


class Counters(Protocol):
    """Count on the host what a part does, where a replay runs no Python."""

    def tracing(self) -> AbstractContextManager[None]:
        """Note what the part counts within the block, and take it back."""
        ...

    def replayed(self) -> None:
        """Count what was noted."""
        ...


@final
class Stage:
    """Run a part of an iteration: twice eagerly, and then as one CUDA graph.

    The part reads and writes the same tensors in each run. If one of them, or a constant, is
    another, for example in a run that is resumed, the graph is captured again. A part that cannot
    be captured runs eagerly, and one line names the reason. On other devices than CUDA it always
    runs eagerly.

    Args:
        name: Name of the part, for the line.
        run: The part.
        key: Returns what must stay the same, in addition to the tensors: plain values.
        tensors: Returns the tensors that the part keeps between runs.
        optimizers: Optimizers that step within the part, with their rates; see `on_the_device`.
        generators: Private random generators that the part draws from.
        counters: What the part counts on the host.
        reason: Why the part cannot be captured; empty if it can.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], None],
        *,
        tensors: Callable[[], Iterable[Tensor]],
        key: Callable[[], tuple[Any, ...]] = tuple,
        optimizers: Sequence[tuple[torch.optim.Optimizer, Tensor | None]] = (),
        generators: Sequence[torch.Generator] = (),
        counters: Counters | None = None,
        reason: str = "",
    ) -> None:
        self.name = name
        self.reason = ""
        self._run = run
        self._tensors = tensors
        self._constants = key
        self._optimizers = optimizers
        self._generators = generators
        self._counters = counters
        self._graph: torch.cuda.CUDAGraph | None = None
        self._runs = 0
        self._key: tuple[Any, ...] = ()
        if reason:
            self._refuse(reason)

    @property
    def captured(self) -> bool:
        """Whether the part is a CUDA graph now."""
        return self._graph is not None

    def __call__(self) -> None:
        """Run the part once."""
        device = next(iter(self._tensors())).device
        if self.reason or device.type != "cuda":
            self._eagerly()
            return
        with torch.cuda.device(device):
            self._on_cuda()

    def _on_cuda(self) -> None:
        key = self.key()
        if self._graph is not None and key != self._key:
            self._graph, self._runs = None, 0
        if self._runs < EAGER_RUNS:
            self._warm_up()
        else:
            self._replay()
        self._runs += 1

    def key(self) -> tuple[Any, ...]:
        """Return the places of the tensors, and the constants."""
        return (*(tensor.data_ptr() for tensor in self._tensors()), *self._constants())

    def _eagerly(self) -> None:
        with on_the_device(self._optimizers):
            self._run()

    def _warm_up(self) -> None:
        if self._runs + 1 < EAGER_RUNS:
            self._eagerly()
            return
        before = self.key()
        with HostReads() as reads:
            self._eagerly()
        if reads.found:
            self._refuse(f"the host reads {reads.found[0]}")
        elif self.key() != before:
            self._refuse("it replaces tensors or numbers that it keeps")

    def _replay(self) -> None:
        if self._graph is None:
            self._graph = self._capture()
        if self._graph is None:
            self._eagerly()
            return
        self._graph.replay()
        if self._counters is not None:
            self._counters.replayed()

    def _capture(self) -> torch.cuda.CUDAGraph | None:
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        try:
            with ExitStack() as stack:
                if self._counters is not None:
                    stack.enter_context(self._counters.tracing())
                stack.enter_context(on_the_device(self._optimizers))
                stack.enter_context(torch.cuda.graph(graph))
                self._run()
        except RuntimeError as error:
            self._refuse(str(error).partition("\n")[0])
            return None
        self._key = self.key()
        return graph

    def _refuse(self, reason: str) -> None:
        self.reason = reason
        print(f"capture: {self.name} runs eagerly, since {reason}", file=sys.stderr)


@final
class HostReads(TorchDispatchMode):
    """Note the operators that make the host wait for the device, in `found`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        copies = func.overloadpacket is torch.ops.aten._to_copy and (
            args[0].device.type != result.device.type
        )
        if copies or waits(func, args):
            self.found.append(str(func.overloadpacket))
        return result


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


def plain_numbers(module: nn.Module) -> tuple[Any, ...]:
    """Return the numbers and names that the parts inside a module hold on the host."""
    parts = [part for part in module.modules() if part is not module]
    found = [
        (name, value)
        for part in parts
        for name, value in vars(part).items()
        if isinstance(value, bool | int | float | str)
    ]
    return tuple(found)
