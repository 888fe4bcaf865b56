"""The wrapper by which a critic sees augmented images in training."""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from advlearn.core.features import full_precision
from advlearn.core.samples import NO_CONDITIONS, Conditions, map_moving, moving

ValueRange = tuple[float, float]


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
        conditions: Conditions = NO_CONDITIONS,
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
        parts: dict[Any, Any] = {**dict(enumerate(samples)), **named}
        images = [x for x in moving(parts, self.conditions) if is_image(x)]
        if images:
            moved = iter(self._transformed(images))
            parts = map_moving(
                lambda x: next(moved) if is_image(x) else x, parts, conditions=self.conditions
            )
        return self.critic(
            *(parts[place] for place in range(len(samples))),
            **{name: parts[name] for name in named},
        )

    def _transformed(self, images: list[Tensor]) -> list[Tensor]:
        # In full precision: positions of pixels in bf16 would be off by a pixel.
        with torch.autocast(images[0].device.type, enabled=False):
            normal = [(full_precision(x) - self.middle) / self.scale for x in images]
            moved = [x * self.scale + self.middle for x in self.transform(normal)]
        return [x.to(given.dtype) for x, given in zip(moved, images, strict=True)]


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
