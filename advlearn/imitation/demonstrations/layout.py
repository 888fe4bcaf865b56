"""Observations of any kind as one vector each, and back: arrays, images, dicts of them."""

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
    """Where the parts of an observation lie in one vector.

    A critic and a memory know vectors; a policy gets its observations back as its environment gives
    them.

    Args:
        space: ``Box`` of any shape, or ``Dict`` of those; the parts of a dict follow each other by
            name.

    Attributes:
        width: Size of a vector.
        images: Start and shape (C, H, W) of each image in it.

    Raises:
        TypeError: Any other space.

    Example:
        >>> seen = Layout(spaces.Dict({"x": spaces.Box(0, 1, (2,)), "a": spaces.Box(0, 1, (3, 1))}))
        >>> seen.unflatten(torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]]))["x"]
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
        """Observations (N, ...) of vectors (N, width), in the types of the space."""
        found: dict[str, Tensor] = {}
        at = 0
        for name, part in self.parts.items():
            size = math.prod(part.shape)
            kind = torch.uint8 if part.dtype == np.uint8 else torch.float32
            found[name] = vectors[:, at : at + size].reshape(-1, *part.shape).to(kind)
            at += size
        return found if self.dicts else found[""]


def flat(observations: Any) -> Any:
    """Vectors (N, width) of arrays, tensors or a dict of them, whose parts follow each other by name as in `Layout`.

    Images alone keep their bytes.

    Example:
        >>> flat({"b": np.zeros((2, 1)), "a": np.ones((2, 2))})
        array([[1., 1., 0.],
               [1., 1., 0.]])
    """
    named: Any = observations if isinstance(observations, Mapping) else {"": observations}
    parts = [named[name] for name in sorted(named)]
    vectors = [part.reshape(len(part), -1) for part in parts]
    return torch.cat(vectors, 1) if isinstance(vectors[0], Tensor) else np.concatenate(vectors, 1)
