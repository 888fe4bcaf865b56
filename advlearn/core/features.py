"""The features a critic decides on: what goes into its last linear layer.

Adding a hook inside a compiled function breaks its graph: who wants features there calls `watch`
beforehand, when the critic is wrapped.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from typing import cast, final

import torch
from torch import Tensor, nn

from advlearn.core.critic_batch import Critic, Samples, as_tuple

_ATTRIBUTE = "advlearn_tap"


def last_linear(critic: Critic) -> tuple[str, nn.Linear]:
    """Name and module of the critic's last linear layer, or one line that says there is none."""
    module = cast(object, critic)
    parts = module.named_modules() if isinstance(module, nn.Module) else ()
    layers = [(name, part) for name, part in parts if isinstance(part, nn.Linear)]
    if not layers:
        raise ValueError(
            f"critic: expected an nn.Module with a linear output layer, got {type(critic).__name__}"
        )
    return layers[-1]


@final
class InputCapture:
    """A forward pre-hook that keeps a layer's input while somebody asks for it."""

    def __init__(self) -> None:
        self.seen: list[Tensor] | None = None

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Keep the input of this call of the layer, if asked."""
        if self.seen is not None:
            self.seen.append(inputs[0])

    def read(self, critic: Critic, samples: Samples) -> Tensor:
        """Call the critic with `samples` and return what came into the layer, at its last call."""
        self.seen = []
        try:
            critic(*as_tuple(samples))
            return self.seen[-1]
        finally:
            self.seen = None


def watch(layer: nn.Module) -> InputCapture:
    """Put a tap on a layer, or return the one it has. Copies of the layer have their own."""
    capture = cast(InputCapture | None, getattr(layer, _ATTRIBUTE, None))
    if capture is None:
        capture = InputCapture()
        setattr(layer, _ATTRIBUTE, capture)
        layer.register_forward_pre_hook(capture)
    return capture


def features(critic: Critic, samples: Samples) -> Tensor:
    """Inputs of the critic's last linear layer for `samples`: (N, d), at least fp32.

    The layer keeps a tap, which does nothing until it is asked again.
    """
    _, layer = last_linear(critic)
    return full_precision(watch(layer).read(critic, samples).flatten(1))


def full_precision(x: Tensor) -> Tensor:
    """The same numbers in fp32, or in fp64 where they came so."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
