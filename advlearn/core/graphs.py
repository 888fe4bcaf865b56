"""Recordings of a step that are launched at once: CUDA graphs."""

# pyright: reportUnknownMemberType=false
# (PyTorch's own annotations are partial)

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol, final

import torch


class Graphs(Protocol):
    """What records the operations of a step, to replay them on the same memory.

    Attributes:
        device: The device of the steps.
        generators: The generators, besides that of the device, whose draws a replay continues.
    """

    device: torch.device
    generators: Sequence[torch.Generator]

    def stream(self) -> AbstractContextManager[None]:
        """Use the stream on which steps are recorded and replayed in the block."""
        ...

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        """Record a step without computing it, and return what replays it.

        Raises:
            RuntimeError: If an operation of the step cannot be recorded.
        """
        ...


class Recorder(Protocol):
    """What records a step at present."""

    def split(self, launch: Callable[[], None]) -> None:
        """End a graph here, note a launch, and begin the next graph."""
        ...


# The open recordings of this process.
recording: list[Recorder] = []


def outside(launch: Callable[[], None]) -> None:
    """Launch what no graph of torch can hold, now and at its place in each replay.

    A recorded step is split here into a graph before the launch and one after it. Both use the same
    memory, so that the launch may read and write tensors that stay in place.

    Args:
        launch: A function that queues work on the present stream, as a graph of another library.

    Example:
        >>> outside(lambda: print("launched"))
        launched
    """
    if recording:
        recording[-1].split(launch)
    else:
        launch()


@final
class CudaGraphs:
    """Record steps as CUDA graphs.

    Args:
        device: The CUDA device.
        generators: The generators, besides that of the device, that the steps draw from.
    """

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator] = ()) -> None:
        self.device = device
        self.generators: Sequence[torch.Generator] = list(generators)
        self._stream = torch.cuda.Stream(device)

    @contextmanager
    def stream(self) -> Generator[None]:
        """Use the stream of the graphs in the block."""
        present = torch.cuda.current_stream(self.device)
        self._stream.wait_stream(present)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            present.wait_stream(self._stream)

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        """Record a step, and return what replays it.

        Raises:
            RuntimeError: If an operation of the step cannot be captured.
        """
        parts = _Parts(self._stream, self.generators)
        present = torch.cuda.current_stream(self.device)
        recording.append(parts)
        try:
            parts.begin()
            step()
            parts.end()
        except BaseException:
            # The end of a capture that failed raises an error that says no more than this one, and
            # leaves its stream as the present one.
            with suppress(RuntimeError):
                parts.end()
            torch.cuda.set_stream(present)
            self._end_failed_capture()
            raise
        finally:
            recording.remove(parts)
        return parts.replay

    def _end_failed_capture(self) -> None:
        """Make the generators leave the state in which a failed capture left them."""
        torch.cuda.synchronize(self.device)
        parts = _Parts(self._stream, self.generators)
        parts.begin()
        torch.rand(1, device=self.device)
        parts.end()


@final
class _Parts:
    """Record the graphs of a step, one after the other, and the launches between them."""

    def __init__(self, stream: torch.cuda.Stream, generators: Sequence[torch.Generator]) -> None:
        self._stream = stream
        self._generators = generators
        # Each step has its own memory: in a shared pool, one would overwrite the losses that
        # another one has left.
        self._pool = torch.cuda.graph_pool_handle()
        self._launches: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Begin to record a graph."""
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile: NCCL's asks for the ends of earlier
        # collectives, and a loader's pins memory.
        self._open = torch.cuda.graph(
            self._graph, self._pool, self._stream, capture_error_mode="thread_local"
        )
        for generator in self._generators:
            self._graph.register_generator_state(generator)
        self._open.__enter__()

    def end(self) -> None:
        """End the graph."""
        self._open.__exit__(None, None, None)
        self._launches.append(self._graph.replay)

    def split(self, launch: Callable[[], None]) -> None:
        """End a graph here, note a launch, and begin the next graph."""
        self.end()
        self._launches.append(launch)
        self.begin()

    def replay(self) -> None:
        """Launch everything again, in its order."""
        for launch in self._launches:
            launch()
