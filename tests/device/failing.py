"""Captures that fail."""

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn.core import distributed
from advlearn.testing._operator_graphs import OperatorGraphs


@final
class Fails(TorchDispatchMode):
    """Fail at an operator in the block, as an operator that CUDA cannot capture does."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("no memory for a graph\nat line 3")
        return func(*args, **(kwargs or {}))


@final
class FailingGraphs:
    """Record steps, but fail in the last process: at an operator, or at the end of a capture."""

    def __init__(
        self,
        device: torch.device,
        generators: Sequence[torch.Generator] = (),
        operator: int | None = None,
    ) -> None:
        self._operator = operator
        self._graphs = OperatorGraphs(device, generators)
        self.device, self.generators = device, generators
        self.stream = self._graphs.stream

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        if self._operator is not None:
            with Fails(self._operator):
                return self._graphs.capture(step)
        replay = self._graphs.capture(step)
        if distributed.rank() + 1 == distributed.world_size():
            raise RuntimeError("no memory for a graph\nat line 3")
        return replay
