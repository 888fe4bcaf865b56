"""Convert observations (arrays, images, dicts of both) to one vector each, and back."""

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from torch import Tensor


@final
class Layout:
    """Describe where the parts of an observation are in a vector.

    Critics and memories use vectors; a policy gets observations in the form of its environment.

    Args:
        space: ``Box`` of any shape, or ``Dict`` of boxes; the parts of a dict are sorted by name.

    Attributes:
        width: Size of a vector.
        images: Start and shape (C, H, W) of each image in a vector.

    Raises:
        TypeError: If the space is neither.

    Example:
        >>> space = spaces.Dict({"x": spaces.Box(0, 1, (2,)), "a": spaces.Box(0, 1, (3, 1))})
        >>> Layout(space).unflatten(torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]]))["x"]
        tensor([[1., 1.]])
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        parts = dict(sorted(space.spaces.items())) if isinstance(space, spaces.Dict) else None
        for name, part in (parts or {"": space}).items():
            if not isinstance(part, spaces.Box):
                where = f" at {name!r}" if name else ""
                raise TypeError(
                    f"env: expected observations in a Box, or in a Dict of Boxes, got {part}{where}"
                )
        self.dicts = parts is not None
        self.parts: dict[str, Any] = parts or {"": space}
        self.images: tuple[tuple[int, tuple[int, ...]], ...] = ()
        self.width = 0
        for part in self.parts.values():
            if is_image_space(part):
                self.images += ((self.width, part.shape),)
            self.width += math.prod(part.shape)

    def unflatten(self, vectors: Tensor) -> Any:
        """Return the observations (N, ...) of vectors (N, width), in the types of the space."""
        observations: dict[str, Tensor] = {}
        start = 0
        for name, part in self.parts.items():
            end = start + math.prod(part.shape)
            dtype = torch.uint8 if part.dtype == np.uint8 else torch.float32
            observations[name] = vectors[:, start:end].reshape(-1, *part.shape).to(dtype)
            start = end
        return observations if self.dicts else observations[""]


def flat(observations: Any) -> Any:
    """Return one vector for each observation, (N, width).

    Args:
        observations: An array or tensor (N, ...), or a dict of them, whose parts are sorted by name
            as in `Layout`.

    Returns:
        An array or tensor; uint8 if every part is.

    Example:
        >>> flat({"b": np.zeros((2, 1)), "a": np.ones((2, 2))})
        array([[1., 1., 0.],
               [1., 1., 0.]])
    """
    named: Any = observations if isinstance(observations, Mapping) else {"": observations}
    parts = [named[name] for name in sorted(named)]
    vectors = [part.reshape(len(part), -1) for part in parts]
    return torch.cat(vectors, 1) if isinstance(vectors[0], Tensor) else np.concatenate(vectors, 1)
