"""Capture the output of a layer of an unchanged model."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from types import TracebackType
from typing import Any, Self, cast, final

from torch import Tensor, nn

from advlearn.core.naming import suggestion


@final
class LayerCapture:
    """Hold the output of a layer in the model's last forward pass, with its graph.

    Args:
        layer: Name of the layer, for messages.
    """

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self._value: Tensor | None = None
        self._handle: Any = None

    @property
    def output(self) -> Tensor:
        """The layer's output, (N, ...).

        Raises:
            RuntimeError: Before the first forward pass, or after `remove`.
        """
        if self._value is None:
            raise RuntimeError(
                f"capture: expected a forward pass through {self.layer!r}, got none; call the model first"
            )
        return self._value

    def remove(self) -> None:
        """Remove the hook from the model and release the output."""
        if self._handle is not None:
            self._handle.remove()
        self._handle, self._value = None, None

    def __call__(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        """Keep `output`; the model calls this as a forward hook."""
        if not isinstance(output, Tensor):
            raise TypeError(
                f"layer: expected {self.layer!r} to return a tensor, got {type(output).__name__}"
            )
        self._value = output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.remove()

    def __deepcopy__(self, memo: dict[int, Any]) -> "LayerCapture":
        # A copied model has its own capture; a tensor with a graph cannot be copied.
        copied = LayerCapture(self.layer)
        memo[id(self)] = copied
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {"layer": self.layer, "_value": None, "_handle": None}


def attach(model: nn.Module, layer: str = "") -> LayerCapture:
    """Capture the output of a layer; the model is unchanged.

    Leaving a ``with`` block, or `LayerCapture.remove`, removes the hook.

    Args:
        model: Any module.
        layer: Dotted name as in ``model.named_modules()``; empty for the model's own output.

    Returns:
        The capture; its `output` is the layer's output in the last forward pass.

    Raises:
        ValueError: If the model has no such layer; near names are suggested.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
        >>> with attach(model, "1") as capture:
        ...     _ = model(torch.zeros(4, 3))
        ...     capture.output.shape
        torch.Size([4, 5])
    """
    layers = dict(model.named_modules())
    if layer not in layers:
        names = [name for name in layers if name]
        hint = suggestion(layer, names, otherwise=f"it has {', '.join(names[:8])}", cutoff=0.4)
        raise ValueError(f"layer: {type(model).__name__} has no layer {layer!r}; {hint}")
    capture = LayerCapture(layer)
    capture._handle = cast(Any, layers[layer]).register_forward_hook(capture)  # pyright: ignore[reportPrivateUsage]
    return capture
