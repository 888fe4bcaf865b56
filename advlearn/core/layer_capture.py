"""Capture the outputs or inputs of layers of an unchanged model."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self, final, overload

import torch
from torch import Tensor, nn

from advlearn.core.arguments import checked
from advlearn.core.capture_hooks import Hook, Record, begin_pass, end_pass, keep_input, keep_output
from advlearn.core.capture_pick import InputReader, OutputReader, Pick
from advlearn.core.layer_names import find_layer

At = Literal["output", "input"]
Calls = Literal["last", "all"]


@final
class LayerCapture:
    """Hold the output or the input of a layer in the model's last forward pass, with its graph.

    It holds nothing but what the last pass gave: a pass begins where the model is called, and
    forgets the one before. `attach` makes it.

    Args:
        layer: Name of the layer, for messages.
        at: ``"output"`` or ``"input"``.
        record: The record that the hooks write.
    """

    def __init__(self, layer: str, at: At, record: Record) -> None:
        self.layer = layer
        self.at = at
        self._record = record

    @property
    def output(self) -> Tensor:
        """The layer's output in the last forward pass, (N, ...), of its last call.

        Raises:
            RuntimeError: If the last pass did not run the layer; if the tensor was overwritten in
                place; if it has no graph although the model was in training, its parameters
                require gradients, and gradients are enabled both in the pass and here.
            ValueError: If the capture is of the input.
        """
        self._expect("output")
        return self._checked()[-1]

    @property
    def input(self) -> Tensor:
        """The layer's input in the last forward pass, (N, ...), of its last call.

        Raises:
            RuntimeError: As for `output`.
            ValueError: If the capture is of the output.
        """
        self._expect("input")
        return self._checked()[-1]

    @property
    def all_calls(self) -> tuple[Tensor, ...]:
        """The outputs, or the inputs, of each call of the layer in the last forward pass.

        Raises:
            RuntimeError: As for `output`.
            ValueError: If the capture is not with ``calls="all"``.
        """
        if not self._record.keeps_all:
            raise ValueError(
                "calls: expected a capture of all calls, got the last call only; attach with "
                "calls='all'"
            )
        return self._checked()

    def remove(self) -> None:
        """Remove the hooks from the model and release the tensors.

        A copy of the model keeps its own hooks, if the capture was copied with it; its capture
        removes them.
        """
        self._record.remove()

    def hook(self, model: nn.Module, layer: nn.Module) -> None:
        """Add the hooks to a model and its layer."""
        record = self._record
        Hook(record, begin_pass).add_to(model, model.register_forward_pre_hook)
        if self.at == "output":
            Hook(record, keep_output).add_to(layer, layer.register_forward_hook)
        else:

            def register(hook: Hook) -> Any:
                return layer.register_forward_pre_hook(hook, with_kwargs=True)

            Hook(record, keep_input).add_to(layer, register)
        Hook(record, end_pass).add_to(model, model.register_forward_hook)

    def _expect(self, at: At) -> None:
        if self.at != at:
            raise ValueError(
                f"{at}: expected a capture of the {at} of {self.layer!r}, got one of its "
                f"{self.at}; read .{self.at}, or attach with at={at!r}"
            )

    def _checked(self) -> tuple[Tensor, ...]:
        record = self._record
        if not record.calls:
            if not record.model_was_called:
                raise RuntimeError(
                    f"capture: expected a forward pass through {self.layer!r}, got none; call the "
                    "model first"
                )
            raise RuntimeError(
                f"capture: expected the last forward pass to run {self.layer!r}, got a pass that "
                "did not call it or is compiled without its hook; attach before the first "
                "compiled call"
            )
        for tensor, version, lacks_graph in record.calls:
            if version is not None and tensor._version != version:
                raise RuntimeError(
                    f"capture: expected the {self.at} of {self.layer!r} as it was, got a tensor "
                    "overwritten in place by a later layer; use inplace=False there, or capture "
                    "the output of the layer that overwrites it"
                )
            if lacks_graph and torch.is_grad_enabled() and self._model_trains():
                raise RuntimeError(
                    f"capture: expected the {self.at} of {self.layer!r} with a graph, got none "
                    "although parameters of the model require gradients: the layer is frozen, "
                    "detached, or in a no_grad or reentrant checkpointed block; use "
                    "use_reentrant=False, or read under torch.no_grad()"
                )
        return tuple(tensor for tensor, _, _ in record.calls)

    def _model_trains(self) -> bool:
        model = self._record.model()
        return model is not None and any(p.requires_grad for p in model.parameters())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.remove()


@final
class LayerCaptures(Mapping[str, LayerCapture]):
    """Hold the captures of several layers, by name, in the order of the names given to `attach`.

    Args:
        captures: The captures by the names of their layers.
    """

    def __init__(self, captures: dict[str, LayerCapture]) -> None:
        self._captures = captures

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The `LayerCapture.output` of each layer: a tuple, so that a critic can take it."""
        return tuple(capture.output for capture in self._captures.values())

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The `LayerCapture.input` of each layer."""
        return tuple(capture.input for capture in self._captures.values())

    def remove(self) -> None:
        """Remove all captures, as `LayerCapture.remove` does."""
        for capture in self._captures.values():
            capture.remove()

    def __getitem__(self, layer: str) -> LayerCapture:
        return self._captures[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._captures)

    def __len__(self) -> int:
        return len(self._captures)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.remove()


@overload
def attach(
    model: nn.Module, layer: str = ..., *, at: At = ..., pick: Pick = ..., calls: Calls = ...
) -> LayerCapture: ...
@overload
def attach(
    model: nn.Module,
    layer: list[str] | tuple[str, ...],
    *,
    at: At = ...,
    pick: Pick = ...,
    calls: Calls = ...,
) -> LayerCaptures: ...
@checked
def attach(
    model: nn.Module,
    layer: str | list[str] | tuple[str, ...] = "",
    *,
    at: At = "output",
    pick: Pick = None,
    calls: Calls = "last",
) -> LayerCapture | LayerCaptures:
    """Capture the output or the input of a layer, or of several; the model is unchanged.

    Leaving a ``with`` block, or `LayerCapture.remove`, removes the hooks. Checkpointed layers work
    with ``use_reentrant=False``. A compiled model is compiled again at its next call.

    Args:
        model: Any module, also compiled or in DistributedDataParallel.
        layer: Dotted name as in ``model.named_modules()``, or a list of names; empty for the
            model itself. The names that wrappers add (``module``, ``_orig_mod``) may be left out.
        at: ``"output"`` of the layer or its ``"input"``.
        pick: Where the output is a tuple, a mapping or a dataclass: the index, key or field of
            the tensor, or a callable from the output to it. Of the input: the position or name of
            the argument, or a callable that takes the layer's arguments; None for the first.
        calls: ``"last"``, or ``"all"`` to keep each call of a layer that is called several times
            in a pass, for `LayerCapture.all_calls`.

    Returns:
        The capture: its `output` (or `input`) is that of the last forward pass of `model`. For a
        list of names, the captures by name: `LayerCaptures.outputs` is a tuple.

    Raises:
        ValueError: If the model has no such layer (near names are suggested), or an argument is
            not as above.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
        >>> with attach(model, "1") as capture:
        ...     _ = model(torch.zeros(4, 3))
        ...     capture.output.shape
        torch.Size([4, 5])
        >>> with attach(model, ["0", "2"], at="input") as captures:
        ...     _ = model(torch.zeros(4, 3))
        ...     [x.shape[1] for x in captures.inputs]
        [3, 5]
    """
    _check_choice("at", at, ("output", "input"))
    _check_choice("calls", calls, ("last", "all"))
    if isinstance(layer, str):
        return _capture(model, layer, find_layer(model, layer), at, pick, calls)
    if not layer or len(set(layer)) < len(layer):
        raise ValueError(f"layer: expected one or more different names, got {layer}")
    modules = {name: find_layer(model, name) for name in layer}
    return LayerCaptures(
        {name: _capture(model, name, part, at, pick, calls) for name, part in modules.items()}
    )


def _capture(
    model: nn.Module, layer: str, module: nn.Module, at: At, pick: Pick, calls: Calls
) -> LayerCapture:
    read = OutputReader(layer, pick) if at == "output" else InputReader(layer, module, pick)
    capture = LayerCapture(layer, at, Record(read, keeps_all=calls == "all"))
    capture.hook(model, module)
    return capture


def _check_choice(argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{argument}: expected {' or '.join(map(repr, choices))}, got {value!r}")
