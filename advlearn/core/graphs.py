"""Recordings of a step that are launched at once: CUDA graphs."""

# pyright: reportUnknownMemberType=false
# (PyTorch's own annotations are partial)

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
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
        outside = torch.cuda.current_stream(self.device)
        self._stream.wait_stream(outside)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            outside.wait_stream(self._stream)

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        """Record a step, and return what replays it.

        Raises:
            RuntimeError: If an operation of the step cannot be captured.
        """
        graph = torch.cuda.CUDAGraph()
        for generator in self.generators:
            graph.register_generator_state(generator)
        try:
            # Each graph has its own memory: in a shared pool, one graph would overwrite the losses
            # that another one has left. Other threads may use the device meanwhile: NCCL's asks
            # for the ends of earlier collectives, and a loader's pins memory.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                step()
        except RuntimeError:
            self._end_failed_capture()
            raise
        return graph.replay

    def _end_failed_capture(self) -> None:
        """Make the generator of the device leave the state in which a failed capture left it."""
        torch.cuda.synchronize(self.device)
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            torch.rand(1, device=self.device)
