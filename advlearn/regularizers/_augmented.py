"""The wrapper by which a critic sees augmented images in training."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core.features import full_precision

ValueRange = tuple[float, float]


@final
class Augmented(nn.Module):
    """Score augmented images while the critic trains, and the images themselves in evaluation.

    Args:
        critic: The critic of the augmented samples.
        transform: Module that maps a list of images (N, C, H, W) in [-1, 1], float32 or float64, to
            a list of the same shapes. All images of one sample are transformed alike.
        value_range: Values of black and white in the data.
        conditions: Places of the parts of a sample that are conditions, which stay as they are.
    """

    # Each side's random numbers are drawn for the samples of that side in all processes.
    mixes_samples = True

    def __init__(
        self,
        critic: nn.Module,
        transform: nn.Module,
        value_range: ValueRange,
        conditions: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__()
        self.critic = critic
        self.transform = transform
        self.middle = (value_range[0] + value_range[1]) / 2
        self.scale = (value_range[1] - value_range[0]) / 2
        self.conditions = conditions

    def forward(self, *samples: Tensor) -> Tensor:
        """Score samples, (N, ...) each, with augmented images in training mode."""
        return self.critic(*(self._augmented(samples) if self.training else samples))

    def _augmented(self, samples: tuple[Tensor, ...]) -> Sequence[Tensor]:
        parts = list(samples)
        places = [i for i, x in enumerate(parts) if is_image(x) and i not in self.conditions]
        if places:
            # In full precision: positions of pixels in bf16 would be off by a pixel.
            with torch.autocast(parts[0].device.type, enabled=False):
                images = [(full_precision(parts[i]) - self.middle) / self.scale for i in places]
                moved = self.transform(images)
            for i, image in zip(places, moved, strict=True):
                parts[i] = (image * self.scale + self.middle).to(parts[i].dtype)
        return parts


def is_image(x: Tensor) -> bool:
    """Return whether a part of a sample is a batch of images: floating point, four dimensions."""
    return x.ndim == 4 and x.is_floating_point()


def check_range(value_range: Sequence[float]) -> ValueRange:
    """Check the values of black and white that a user gave, and return them as a tuple."""
    values = tuple(value_range)
    if len(values) != 2 or not all(isinstance(v, int | float) for v in values):
        raise ValueError(f"value_range: expected (low, high), got {value_range!r}")
    low, high = float(values[0]), float(values[1])
    if not low < high < float("inf") or low == float("-inf"):
        raise ValueError(f"value_range: expected finite values low < high, got {value_range!r}")
    return low, high
