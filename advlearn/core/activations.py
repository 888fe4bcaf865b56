"""Watch or replace the activation functions that a network calls, as modules or as functions."""

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# Functions that pass positive inputs on and shrink negative ones.
RECTIFIERS: frozenset[Any] = frozenset(
    {
        functional.celu,
        functional.elu,
        functional.gelu,
        functional.leaky_relu,
        functional.mish,
        functional.prelu,
        functional.relu,
        functional.relu6,
        functional.selu,
        functional.silu,
        torch.prelu,
        torch.relu,
        Tensor.relu,
    }
)
ACTIVATIONS: frozenset[Any] = RECTIFIERS | {
    functional.hardtanh,
    functional.softplus,
    functional.tanh,
    torch.tanh,
    Tensor.tanh,
}


@final
class OnActivations(TorchFunctionMode):
    """Pass the input and the output of each activation function in the block through functions.

    Args:
        functions: The activation functions that count.
        before: Function of the input, whose result the activation reads.
        after: Function of the output, whose result the network reads.

    Example:
        >>> seen = []
        >>> with OnActivations(ACTIVATIONS, after=lambda y: seen.append(y) or y):
        ...     _ = torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
        >>> seen
        [tensor([0., 2.])]
    """

    def __init__(
        self,
        functions: frozenset[Any],
        *,
        before: Callable[[Tensor], Tensor] = lambda x: x,
        after: Callable[[Tensor], Tensor] = lambda y: y,
    ) -> None:
        super().__init__()
        self.functions = functions
        self.before = before
        self.after = after

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of PyTorch, with changes if it is an activation function."""
        if func not in self.functions or not args:
            return func(*args, **(kwargs or {}))
        return self.after(func(self.before(args[0]), *args[1:], **(kwargs or {})))
