"""The features a critic decides on: what goes into its last linear layer."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from typing import cast

from torch import Tensor, nn

from advlearn.core.contest import Critic, Samples, as_tuple


def last_linear(critic: Critic) -> tuple[str, nn.Linear]:
    """Name and module of the critic's last linear layer, or one line that says there is none."""
    module = cast(object, critic)
    parts = module.named_modules() if isinstance(module, nn.Module) else ()
    layers = [(name, part) for name, part in parts if isinstance(part, nn.Linear)]
    if not layers:
        raise ValueError(f"critic: expected an nn.Module with a linear output layer, got {type(critic).__name__}")
    return layers[-1]


def penultimate(critic: Critic, samples: Samples) -> Tensor:
    """Inputs of the critic's last linear layer for `samples`: (N, d), float."""
    _, layer = last_linear(critic)
    seen: list[Tensor] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0])

    handle = layer.register_forward_pre_hook(note)
    try:
        critic(*as_tuple(samples))
    finally:
        handle.remove()
    return seen[-1].flatten(1).float()
