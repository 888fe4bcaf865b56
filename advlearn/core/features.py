"""The features a critic decides on: what goes into its last linear layer."""

from collections.abc import Callable

from torch import Tensor, nn

from advlearn.core.contest import Critic, Samples, as_tuple


def last_linear(critic: Critic) -> tuple[str, nn.Linear]:
    """Name and module of the critic's last linear layer, or one line that says there is none."""
    modules: list[tuple[str, nn.Module]] = list(critic.named_modules()) if isinstance(critic, nn.Module) else []
    layers = [(name, module) for name, module in modules if isinstance(module, nn.Linear)]
    if not layers:
        raise ValueError(f"critic: expected an nn.Module with a linear output layer, got {type(critic).__name__}")
    return layers[-1]


def penultimate(critic: Critic, samples: Samples) -> Tensor:
    """Inputs of the critic's last linear layer for `samples`: (N, d), float."""
    _, layer = last_linear(critic)
    seen: list[Tensor] = []
    with_hook: Callable[[nn.Module, tuple[Tensor, ...]], None] = lambda _, inputs: seen.append(inputs[0])  # noqa: E731
    handle = layer.register_forward_pre_hook(with_hook)
    try:
        critic(*as_tuple(samples))
    finally:
        handle.remove()
    return seen[-1].flatten(1).float()
