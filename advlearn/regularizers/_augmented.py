"""The wrapper by which a critic sees augmented images in training."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from advlearn.core.features import full_precision

ValueRange = tuple[float, float]
Conditions = frozenset[int | str]


@final
class Augmented(nn.Module):
    """Score augmented images while the critic trains, and the images themselves in evaluation.

    Args:
        critic: The critic of the augmented samples.
        transform: Module that maps a list of images (N, C, H, W) in [-1, 1], float32 or float64, to
            a list of the same shapes. All images of one sample are transformed alike.
        value_range: Values of black and white in the data.
        conditions: The parts of a sample that are conditions, which stay as they are: places of
            the critic's arguments, or their names.
    """

    # Each side's random numbers are drawn for the samples of that side in all processes.
    mixes_samples = True

    def __init__(
        self,
        critic: nn.Module,
        transform: nn.Module,
        value_range: ValueRange,
        conditions: Conditions = frozenset(),
    ) -> None:
        super().__init__()
        self.critic = critic
        self.transform = transform
        self.middle = (value_range[0] + value_range[1]) / 2
        self.scale = (value_range[1] - value_range[0]) / 2
        self.conditions = conditions

    def forward(self, *samples: Any, **named: Any) -> Any:
        """Score samples, (N, ...) each, with augmented images in training mode."""
        if not self.training:
            return self.critic(*samples, **named)
        parts: dict[int | str, Any] = {**dict(enumerate(samples)), **named}
        free = {place: x for place, x in parts.items() if place not in self.conditions}
        leaves, structure = tree_flatten(free)
        parts |= tree_unflatten(self._augmented(leaves), structure)
        return self.critic(
            *(parts[place] for place in range(len(samples))),
            **{name: parts[name] for name in named},
        )

    def _augmented(self, leaves: list[Any]) -> list[Any]:
        places = [i for i, x in enumerate(leaves) if is_image(x)]
        if not places:
            return leaves
        # In full precision: positions of pixels in bf16 would be off by a pixel.
        with torch.autocast(leaves[places[0]].device.type, enabled=False):
            images = [(full_precision(leaves[i]) - self.middle) / self.scale for i in places]
            moved = [image * self.scale + self.middle for image in self.transform(images)]
        result = list(leaves)
        for i, image in zip(places, moved, strict=True):
            result[i] = image.to(leaves[i].dtype)
        return result


def is_image(x: object) -> bool:
    """Return whether a part of a sample is a batch of images: floating point, four dimensions."""
    return isinstance(x, Tensor) and x.ndim == 4 and x.is_floating_point()


def check_range(value_range: Sequence[float]) -> ValueRange:
    """Check the values of black and white that a user gave, and return them as a tuple."""
    values = tuple(value_range)
    if len(values) != 2 or not all(isinstance(v, int | float) for v in values):
        raise ValueError(f"value_range: expected (low, high), got {value_range!r}")
    low, high = float(values[0]), float(values[1])
    if not low < high < float("inf") or low == float("-inf"):
        raise ValueError(f"value_range: expected finite values low < high, got {value_range!r}")
    return low, high
