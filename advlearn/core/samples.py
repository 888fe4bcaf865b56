"""Samples of any structure: tensors in tuples, lists and dicts, with None and constants between.

The top level says how a critic is called: a tuple becomes its positional arguments, a dict its
keyword arguments, and anything else its one argument. A top-level part may be named as a
condition, by its index in the tuple or its key in the dict; conditions go into the critic but
are not samples: penalties do not differentiate by them and noise is not added to them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from advlearn.core import stacked

Samples = Tensor | tuple[Any, ...] | list[Any] | dict[str, Any]
Conditions = frozenset[int | str]
NO_CONDITIONS: Conditions = frozenset()


def tensors(samples: Any) -> list[Tensor]:
    """Return all tensors of `samples`, depth first.

    Example:
        >>> import torch
        >>> [
        ...     x.shape[1]
        ...     for x in tensors((torch.zeros(2, 3), {"mask": None, "mel": torch.zeros(2, 5)}))
        ... ]
        [3, 5]
    """
    return [samples] if isinstance(samples, Tensor) else list(_leaves(samples))


def _leaves(samples: Any) -> Iterator[Tensor]:
    if isinstance(samples, Tensor):
        yield samples
    elif isinstance(samples, tuple | list):
        for part in cast(list[Any], samples):
            yield from _leaves(part)
    elif isinstance(samples, Mapping):
        for part in cast(Mapping[str, Any], samples).values():
            yield from _leaves(part)


def map_tensors(function: Callable[..., Tensor], samples: Any, *others: Any) -> Any:
    """Apply a function to each tensor of `samples`, and to its counterparts in `others`.

    Args:
        function: Called with a tensor of `samples` and the tensors in its place in `others`.
        samples: Samples of any structure.
        others: Samples of the same structure.

    Returns:
        The results in the structure of `samples`; None and constants stay as they are.
    """
    if isinstance(samples, Tensor):
        return function(samples, *others)
    if isinstance(samples, tuple | list):
        parts = cast(list[Any], samples)
        mapped = [
            map_tensors(function, part, *(o[i] for o in others)) for i, part in enumerate(parts)
        ]
        # A named tuple takes its fields one by one.
        return type(parts)(*mapped) if hasattr(parts, "_fields") else type(parts)(mapped)
    if isinstance(samples, Mapping):
        named = cast(Mapping[str, Any], samples)
        return {
            key: map_tensors(function, part, *(o[key] for o in others))
            for key, part in named.items()
        }
    return samples


def map_moving(
    function: Callable[..., Tensor], samples: Any, *others: Any, conditions: Conditions
) -> Any:
    """Apply a function to the floating-point tensors that are not conditions.

    Args:
        function: As for `map_tensors`.
        samples: Samples of any structure.
        others: Samples of the same structure.
        conditions: Top-level parts that are left as they are.

    Example:
        >>> import torch
        >>> image, mel = torch.ones(1, 2), torch.ones(1, 2)
        >>> map_moving(lambda x: x * 0, (image, mel), conditions=frozenset({1}))
        (tensor([[0., 0.]]), tensor([[1., 1.]]))
    """

    def moved(x: Tensor, *rest: Tensor) -> Tensor:
        return function(x, *rest) if x.is_floating_point() else x

    if not conditions or not isinstance(samples, tuple | dict):
        return map_tensors(moved, samples, *others)
    results = {
        key: part if key in conditions else map_tensors(moved, part, *(o[key] for o in others))
        for key, part in parts(cast(Samples, samples))
    }
    return results if isinstance(samples, dict) else tuple(results.values())


def moving(samples: Samples, conditions: Conditions = NO_CONDITIONS) -> list[Tensor]:
    """Return the floating-point tensors that are not conditions."""
    found: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        found.append(x)
        return x

    map_moving(note, samples, conditions=conditions)
    return found


def fixed(samples: Samples, conditions: Conditions) -> list[Any]:
    """Return the top-level parts that are conditions."""
    return [part for key, part in parts(samples) if key in conditions] if conditions else []


def parts(samples: Samples) -> list[tuple[int | str, Any]]:
    """Return the arguments a critic is called with, by index or key."""
    if isinstance(samples, tuple):
        return list(enumerate(samples))
    return list(samples.items()) if isinstance(samples, dict) else [(0, samples)]


def call(critic: Callable[..., Any], samples: Samples) -> Any:
    """Call the critic: a tuple gives its positional and a dict its keyword arguments."""
    if isinstance(samples, tuple):
        return critic(*samples)
    return critic(**samples) if isinstance(samples, dict) else critic(samples)


def as_tuple(samples: Samples) -> tuple[Tensor, ...]:
    """Return all tensors of the samples as a tuple."""
    return tuple(tensors(samples))


def count(samples: Samples) -> int:
    """Return the number of samples, the length of dimension 0."""
    return next(_leaves(samples)).shape[0]


def device_of(samples: Samples) -> torch.device:
    """Return the device of the first tensor."""
    return next(_leaves(samples)).device


def detach(samples: Samples) -> Samples:
    """Return the samples without their graph."""
    return map_tensors(Tensor.detach, samples)


def carries_gradient(samples: Samples) -> bool:
    """Return whether the samples carry a gradient to the model that produced them."""
    return any(stacked.requires_grad(part) for part in tensors(samples))


def matched(samples: Samples, other: Samples) -> Samples:
    """Cast the samples to the precision of `other`: autocast gives bf16, data is fp32."""

    def cast_to(x: Tensor, like: Tensor) -> Tensor:
        return x.to(like.dtype)

    return map_tensors(cast_to, samples, other)


def to_critic_precision(samples: Samples, critic: nn.Module) -> Samples:
    """Cast samples, or a tuple of them, of 16 to 32 bits to the precision of the critic's weights.

    Autocast does that by itself, and fp64 is never given up.
    """
    weight = next((p for p in critic.parameters() if p.is_floating_point()), None)
    if weight is None or torch.is_autocast_enabled(weight.device.type):
        return samples
    narrow = (torch.float16, torch.bfloat16, torch.float32)
    dtype = weight.dtype
    if dtype not in narrow:
        return samples

    def cast_to(x: Tensor) -> Tensor:
        return x.to(dtype) if x.dtype in narrow else x

    return map_tensors(cast_to, samples)


def joinable(real: Samples, fake: Samples) -> bool:
    """Return whether both sides can be concatenated along dimension 0."""
    pairs = zip(tensors(real), tensors(fake), strict=True)
    return all(r.shape[1:] == f.shape[1:] for r, f in pairs)


def concatenate(first: Samples, *others: Samples) -> Samples:
    """Concatenate samples of one structure along dimension 0."""

    def join(*parts: Tensor) -> Tensor:
        return torch.cat(parts)

    return map_tensors(join, first, *others)


def rows(values: Tensor) -> Tensor:
    """Flatten values (N, ...), or one number per sample (N,), to vectors (N, d).

    Example:
        >>> import torch
        >>> rows(torch.zeros(3)).shape, rows(torch.zeros(3, 2, 2)).shape
        (torch.Size([3, 1]), torch.Size([3, 4]))
    """
    return values.reshape(len(values), -1)


def describe(samples: Any) -> str:
    """Return the structure of the samples with shapes, for messages."""
    if isinstance(samples, Tensor):
        return str(tuple(samples.shape))
    if isinstance(samples, tuple | list):
        inner = ", ".join(describe(part) for part in cast(list[Any], samples))
        return f"[{inner}]" if isinstance(samples, list) else f"({inner})"
    if isinstance(samples, Mapping):
        named = cast(Mapping[str, Any], samples)
        return "{" + ", ".join(f"{key}: {describe(part)}" for key, part in named.items()) + "}"
    return "None" if samples is None else type(samples).__name__
