"""Small synthetic data sets, on which every method can be tried without a download."""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate, normalize

from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.tabular_dataset import TabularDataset

ROWS = 2000
WORD_SIZE = 16
"""Length of the synthetic word vectors."""


def rotated_digits(digits: ArrayDataset, degrees: float = 30.0) -> ArrayDataset:
    """Rotate digits: a second domain of the same classes.

    Args:
        digits: Images (N, 1, H, W) with their classes.
        degrees: Angle of the rotation about the middle of an image.

    Returns:
        Images of the same shape with the same classes.

    Example:
        >>> images = ArrayDataset(-torch.ones(2, 1, 8, 8), torch.tensor([0, 1]), "digits", 2)
        >>> rotated_digits(images).x.shape
        torch.Size([2, 1, 8, 8])
    """
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotation = torch.tensor([[c, -s, 0.0], [s, c, 0.0]]).expand(len(digits), 2, 3)
    places = affine_grid(rotation, list(digits.x.shape), align_corners=False)
    x = grid_sample(digits.x, places, padding_mode="border", align_corners=False)
    return ArrayDataset(x, digits.y, "rotated-digits", digits.classes)


def large_digits(digits: ArrayDataset, side: int = 32) -> ArrayDataset:
    """Enlarge digits by bilinear interpolation, for networks that need larger images.

    Args:
        digits: Images (N, 1, H, W) in [-1, 1] with their classes.
        side: Side of the new images.

    Returns:
        Images (N, 1, side, side) with the same classes.

    Example:
        >>> images = ArrayDataset(-torch.ones(2, 1, 8, 8), torch.tensor([0, 1]), "digits", 2)
        >>> large_digits(images).shape
        (1, 32, 32)
    """
    x = interpolate(digits.x, (side, side), mode="bilinear", align_corners=False)
    return ArrayDataset(x, digits.y, f"digits-{side}", digits.classes)


def biased_table(attribute: str = "group", *, n: int = ROWS, seed: int = 0) -> TabularDataset:
    """Make a table whose features and labels depend on a sensitive attribute.

    Args:
        attribute: ``"group"``, one of two groups, or ``"age"``, a number.
        n: Number of rows.
        seed: Seed of the numbers.

    Returns:
        Four features, a binary label, and the attribute.

    Raises:
        ValueError: `attribute` is neither.

    Example:
        >>> biased_table().attributes, biased_table("age").attributes
        ({'group': 2}, {'age': 0})
    """
    if attribute not in ("group", "age"):
        raise ValueError(f"attribute: expected 'group' or 'age', got {attribute!r}")
    generator = torch.Generator().manual_seed(seed)
    group = torch.randint(2, (n,), generator=generator)
    age = torch.randn(n, generator=generator)
    shift = group.float() if attribute == "group" else age
    x = torch.randn(n, 4, generator=generator) + 0.8 * shift[:, None]
    y = (x.sum(1) + torch.randn(n, generator=generator) > float(x.sum(1).mean())).long()
    if attribute == "age":
        return TabularDataset(x, y, {"age": age}, name="biased-ages")
    return TabularDataset(x, y, {"group": group}, {"group": ("a", "b")}, name="biased-groups")


def word_vectors(classes: int, *, seed: int = 0) -> Tensor:
    """Draw a unit vector for each class, instead of a word vector of its name.

    Args:
        classes: Number of classes.
        seed: Seed of the vectors.

    Returns:
        Vectors (classes, 16).

    Example:
        >>> word_vectors(10).shape
        torch.Size([10, 16])
    """
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(classes, WORD_SIZE, generator=generator), dim=1)
