"""Differentiable augmentation: the critic sees real and fake images through random transforms."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.functional.image_transforms import boxes, shifted
from advlearn.regularizers._augmented import Augmented, check_range

REFERENCE = Reference(
    "Differentiable Augmentation for Data-Efficient GAN Training",
    "Zhao et al. 2020",
    "section 3.2",
    "https://arxiv.org/abs/2006.10738",
)

POLICIES = ("color", "translation", "cutout")
DRAWS = 7
"""Random numbers of one image: three for colour, two for translation, two for cutout."""


@final
class DiffAugment(Regularizer):
    r"""Augment all images that the critic sees in training, with gradient to the generator.

    .. math:: C = E_r[real(D(T(x)))] + E_f[fake(D(T(x)))], \qquad P = E_f[generator(D(T(x)))]

    T applies the named parts in order. ``color`` adds a number from [-1/2, 1/2] to the image,
    multiplies the distance from its grey by one from [0, 2], and the distance from its mean by one
    from [1/2, 3/2]. ``translation`` shifts by whole pixels, at most 1/8 of the image, and fills
    with the middle of the value range. ``cutout`` sets a box of half the height and width to it.
    Values may leave the range.

    Real and fake samples are augmented in the critic's and in the generator's step; in evaluation
    mode nothing is. All images of a tuple are transformed alike. Parts that are not images
    (N, C, H, W), and the parts that the adversary holds as conditions, stay as they are. A gradient
    penalty is that of the augmented critic, x to D(T(x)).

    Args:
        policy: Names from ``color``, ``translation``, ``cutout``, separated by commas.
        value_range: Values of black and white in the data.

    Raises:
        ValueError: If `policy` has another name or none, or `value_range` is not (low, high).

    Example:
        >>> critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 1))
        >>> critic = DiffAugment(policy="cutout").wrap(critic)
        >>> critic(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1])

    Reference:
        Zhao et al. 2020, section 3.2: the losses with T in all three places, and the policy.

    Deviations:
        None. As in the published code, the colours suppose images in [-1, 1], to which the value
        range is mapped.
    """

    def __init__(
        self,
        policy: str = "color,translation,cutout",
        value_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        super().__init__()
        names = [name.strip() for name in policy.split(",")]
        unknown = [name for name in names if name not in POLICIES]
        if unknown:
            raise ValueError(
                f"policy: expected names from {', '.join(POLICIES)}, got {', '.join(unknown)!r}"
            )
        self.policy = policy
        self.value_range = check_range(value_range)

    def wrap(self, critic: nn.Module) -> nn.Module:
        names = tuple(name.strip() for name in self.policy.split(","))
        return Augmented(critic, Policy(names), self.value_range, self.conditions)


@final
class Policy(nn.Module):
    """Transform images by named augmentations, with one draw per sample.

    Args:
        names: Names of the augmentations, in order.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names

    def forward(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Transform a list of images (N, C, H, W) in [-1, 1]."""
        draws = distributed.rand(len(images[0]), DRAWS, like=images[0])
        return [self._transformed(x, draws) for x in images]

    def _transformed(self, x: Tensor, draws: Tensor) -> Tensor:
        for name in self.names:
            x = AUGMENTATIONS[name](x, draws.unbind(1))
        return x


def recoloured(x: Tensor, u: Sequence[Tensor]) -> Tensor:
    """Change brightness, saturation and contrast by numbers `u` from [0, 1), in that order."""
    first, second, third = (values[:, None, None, None] for values in u[:3])
    x = x + (first - 0.5)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (2 * second)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (third + 0.5)


def translated(x: Tensor, u: Sequence[Tensor]) -> Tensor:
    """Shift by at most 1/8 of the image down and right, by `u[3]` and `u[4]`."""
    down, right = (side // 8 for side in x.shape[2:])
    return shifted(x, _whole(u[3], 2 * down + 1) - down, _whole(u[4], 2 * right + 1) - right)


def cut_out(x: Tensor, u: Sequence[Tensor]) -> Tensor:
    """Set a box of half the image to zero, whose centre is `u[5]` down and `u[6]` to the right."""
    sides = [side // 2 for side in x.shape[2:]]
    starts = [
        _whole(values, side + 1 - half % 2) - half // 2
        for values, side, half in zip(u[5:7], x.shape[2:], sides, strict=True)
    ]
    box = boxes(x, *starts, *(torch.full_like(starts[0], half) for half in sides))
    return x.masked_fill(box, 0.0)


def _whole(u: Tensor, count: int) -> Tensor:
    """Turn numbers from [0, 1) into integers from 0 to count - 1."""
    return (u * count).long().clamp(max=count - 1)


AUGMENTATIONS = {"color": recoloured, "translation": translated, "cutout": cut_out}
