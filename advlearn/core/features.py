"""The features of a critic: the inputs of its last linear layer.

A hook that is added inside a compiled function breaks its graph; call `watch` before, when the
critic is wrapped.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from typing import cast, final

import torch
from torch import Tensor, nn

from advlearn.core.critic_batch import Critic, Samples, as_tuple

_ATTRIBUTE = "advlearn_capture"


def last_linear(critic: Critic) -> tuple[str, nn.Linear]:
    """Return the name and the module of the critic's last linear layer, or raise a ValueError."""
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
    """Keep the input of a layer during `read`, as a forward pre-hook."""

    def __init__(self) -> None:
        self.seen: list[Tensor] | None = None

    def __call__(self, _: nn.Module, args: tuple[Tensor, ...], keywords: dict[str, Tensor]) -> None:
        """Keep the input of this call of the layer during `read`."""
        if self.seen is not None:
            self.seen.append(args[0] if args else keywords["input"])

    def read(self, critic: Critic, samples: Samples) -> Tensor:
        """Call the critic with `samples` and return the last input of the layer.

        Raises:
            RuntimeError: If the critic does not call the layer.
        """
        self.seen = []
        try:
            critic(*as_tuple(samples))
            if not self.seen:
                raise RuntimeError(
                    "critic: expected a call of its last linear layer, whose input the features "
                    "are, got none; a critic that is compiled must be so after it is wrapped"
                )
            return self.seen[-1]
        finally:
            self.seen = None


def watch(layer: nn.Module) -> InputCapture:
    """Add a capture to a layer, or return its capture. Copies of the layer have their own."""
    capture = cast(InputCapture | None, getattr(layer, _ATTRIBUTE, None))
    if capture is None:
        capture = InputCapture()
        setattr(layer, _ATTRIBUTE, capture)
        layer.register_forward_pre_hook(capture, with_kwargs=True)
    return capture


def features(critic: Critic, samples: Samples) -> Tensor:
    """Compute the inputs of the critic's last linear layer: (N, d), at least fp32.

    The layer keeps its capture, which does nothing outside of `read`.
    """
    _, layer = last_linear(critic)
    return full_precision(watch(layer).read(critic, samples).flatten(1))


def full_precision(x: Tensor) -> Tensor:
    """Cast to fp32, unless `x` is fp64."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
