"""The features of a critic: the inputs of its linear and convolution layers.

Which layer is the last one is found in a forward pass, since layers may be registered in any
order. A hook that is added inside a compiled function breaks its graph; call `watch_layers` before,
when the critic is wrapped.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from advlearn.core.samples import Samples, call
from advlearn.core.scores import Critic
from advlearn.core.stacked import held, requires_grad

_ATTRIBUTE = "advlearn_capture"
_CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def last_linear(critic: Critic) -> tuple[str, nn.Linear]:
    """Return the name and the module of the linear layer that is registered last.

    Raises:
        ValueError: If the critic has no linear layer.
    """
    layers = [(name, part) for name, part in _parts(critic) if isinstance(part, nn.Linear)]
    if not layers:
        raise ValueError(
            f"critic: expected an nn.Module with a linear output layer, got {type(critic).__name__}"
        )
    return layers[-1]


@final
class Call:
    """A call of a layer in a forward pass.

    Args:
        features: The layer's input.
        output: The layer's output.
    """

    def __init__(self, features: Tensor, output: Tensor) -> None:
        self.features = features
        self.output = output


@final
class InputCapture:
    """Keep the calls of a layer during `calls_of`, as a forward hook."""

    def __init__(self) -> None:
        self.calls: list[Call] | None = None

    def __call__(
        self, _: nn.Module, args: tuple[Tensor, ...], keywords: dict[str, Tensor], output: Tensor
    ) -> None:
        """Keep the input and the output of this call."""
        if self.calls is not None:
            self.calls.append(Call(args[0] if args else keywords["input"], output))

    def read(self, critic: Critic, samples: Samples) -> Tensor:
        """Call the critic with `samples` and return the last input of the layer."""
        return calls_of(critic, samples, [self])[0][-1].features


def watch(layer: nn.Module) -> InputCapture:
    """Add a capture to a layer, or return its capture. Copies of the layer have their own."""
    capture = cast(InputCapture | None, getattr(layer, _ATTRIBUTE, None))
    if capture is None:
        capture = InputCapture()
        setattr(layer, _ATTRIBUTE, capture)
        layer.register_forward_hook(capture, with_kwargs=True)
    return capture


def watch_layers(critic: Critic) -> list[InputCapture]:
    """Add a capture to each linear and convolution layer, or return the captures.

    A capture does nothing outside of `calls_of`.

    Raises:
        ValueError: If the critic has no such layer.
    """
    kinds = (nn.Linear, *_CONVOLUTIONS)
    captures = [watch(part) for _, part in _parts(critic) if isinstance(part, kinds)]
    if not captures:
        raise ValueError(
            "critic: expected an nn.Module with a linear or convolution layer, got "
            f"{type(critic).__name__}"
        )
    return captures


def calls_of(
    critic: Critic, samples: Samples, captures: Iterable[InputCapture]
) -> tuple[list[Call], object]:
    """Call the critic and return the captured calls in order, and what the critic returns.

    Raises:
        RuntimeError: If none of the layers is called.
    """
    captures = list(captures)
    calls: list[Call] = []
    for capture in captures:
        capture.calls = calls
    try:
        with uncompiled():
            returned = cast(object, call(critic, samples))
    finally:
        for capture in captures:
            capture.calls = None
    if not calls:
        raise RuntimeError(
            f"critic: expected a call of one of its layers, got none in {type(critic).__name__}"
        )
    return calls, returned


def uncompiled() -> AbstractContextManager[object]:
    """Run modules that were compiled by themselves as they were written.

    A compiled module runs no hook that is added later, and is differentiated only once.
    """
    # Without Dynamo, which takes seconds to import, no module is compiled.
    if torch.compiler.is_compiling() or "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def has_compiled_part(critic: nn.Module) -> bool:
    """Return whether a module of the critic was compiled by itself."""
    return any(
        "_orig_mod" in dict(part.named_children())
        or getattr(part, "_compiled_call_impl", None) is not None
        for part in critic.modules()
    )


def features(critic: Critic, samples: Samples) -> Tensor:
    """Compute the inputs of the layer that gives the score: (N, d), at least fp32.

    It is the layer `last_layer` finds.
    """
    calls, returned = calls_of(critic, samples, watch_layers(critic))
    return full_precision(calls[last_layer(calls, returned)].features.flatten(1))


def depending(calls: list[Call]) -> list[int]:
    """Return the calls whose input depends on samples with a gradient; all, if none does.

    With the critic held fixed, this leaves out layers that embed only a label or a condition.
    """
    found = [i for i, call in enumerate(calls) if requires_grad(call.features)]
    return found or list(range(len(calls)))


def last_layer(calls: list[Call], returned: object) -> int:
    """Return the place of the last call that depends on the samples and leads to the score.

    Inside ``torch.compile`` there is no graph to follow: every call is taken to lead to the score.
    """
    candidates = depending(calls)
    if torch.compiler.is_compiling():
        return candidates[-1]
    reached = set(graph_nodes(returned))
    leading = [i for i in candidates if held(calls[i].output).grad_fn in reached]
    return (leading or candidates)[-1]


def graph_nodes(returned: object) -> Iterator[Any]:
    """Yield the nodes of the autograd graph of tensors in nested lists and tuples."""
    left: list[Any] = [held(x).grad_fn for x in tensors_of(returned)]
    seen: set[Any] = set()
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        yield node
        seen.add(node)
        left.extend(following for following, _ in node.next_functions)


def tensors_of(returned: object) -> Iterator[Tensor]:
    """Yield the tensors in nested lists and tuples."""
    if isinstance(returned, Tensor):
        yield returned
    elif isinstance(returned, list | tuple):
        for part in cast(list[object], returned):
            yield from tensors_of(part)


def _parts(critic: Critic) -> list[tuple[str, nn.Module]]:
    module = cast(object, critic)
    return list(module.named_modules()) if isinstance(module, nn.Module) else []


def full_precision(x: Tensor) -> Tensor:
    """Cast to fp32, unless `x` is fp64."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
