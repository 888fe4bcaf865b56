"""The features a critic decides on, read in a way that ``torch.compile`` can follow.

Adding a hook inside a compiled function breaks its graph, so `watch` adds one beforehand, when a critic is
wrapped.
"""

from typing import cast, final

import torch
from torch import Tensor, nn

from advlearn.core.contest import Critic, Samples, as_tuple
from advlearn.core.features import last_linear, penultimate

_ATTRIBUTE = "advlearn_tap"


@final
class Tap:
    """A forward pre-hook that keeps a layer's first input while somebody asks for it."""

    def __init__(self) -> None:
        self.seen: list[Tensor] | None = None

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Keep the input of this call of the layer, if asked."""
        if self.seen is not None:
            self.seen.append(inputs[0])

    def read(self, critic: Critic, samples: Samples) -> Tensor:
        """Call the critic with `samples` and return what came into the layer."""
        self.seen = []
        try:
            critic(*as_tuple(samples))
            return self.seen[-1]
        finally:
            self.seen = None


def watch(layer: nn.Module) -> Tap:
    """Put a tap on a layer, or return the one it has. Copies of the layer have their own."""
    tap = cast(Tap | None, getattr(layer, _ATTRIBUTE, None))
    if tap is None:
        tap = Tap()
        setattr(layer, _ATTRIBUTE, tap)
        layer.register_forward_pre_hook(tap)
    return tap


def features(critic: Critic, samples: Samples) -> Tensor:
    """Inputs of the critic's last linear layer for `samples`: (N, d), at least fp32."""
    _, layer = last_linear(critic)
    tap = cast(Tap | None, getattr(layer, _ATTRIBUTE, None))
    if tap is None:
        return penultimate(critic, samples)
    return full_precision(tap.read(critic, samples).flatten(1))


def full_precision(x: Tensor) -> Tensor:
    """The same numbers in fp32, or in fp64 where they came so."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
