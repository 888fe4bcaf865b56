"""Consistency regularisation: the critic scores a sample and its augmented copy equally."""

from typing import final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import (
    Samples,
    count,
    detach,
    device_of,
    map_moving,
    map_tensors,
    tensors,
)
from advlearn.core.scores import score

REFERENCE = Reference(
    "Consistency Regularization for Generative Adversarial Networks",
    "Zhang et al. 2020",
    "the consistency loss L_cr",
    "https://arxiv.org/abs/1910.12027",
)


@final
class Consistency(Regularizer):
    r"""Penalise the change of a real sample's score under an augmentation T.

    .. math:: R = w\,E_r[(D(x) - D(T(x)))^2]

    Images (N, C, H, W) are flipped left to right with probability 1/2 and shifted by whole pixels,
    at most `shift` each way, with a replicated border; all images of a tuple move together, also
    those that are conditions. Other floating-point samples get Gaussian noise; other conditions and
    integer parts (labels) are unchanged.

    Args:
        weight: w.
        shift: Largest shift of an image, in pixels.
        noise: Standard deviation of the noise on vectors, in units of the samples.

    Raises:
        ValueError: If a number is negative or not finite.

    Example:
        >>> Consistency(shift=2)
        Consistency(weight=10.0, shift=2, noise=0.05)

    Reference:
        Zhang et al. 2020, the consistency loss L_cr.

    Deviations:
        Only the score is compared, no inner layer, as in the paper's experiments. Noise for samples
        that are not images is an addition.
    """

    def __init__(self, weight: float = 10.0, shift: int = 1, noise: float = 0.05) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.shift = int(check_number("shift", shift, low=0))
        self.noise = check_number("noise", noise, low=0)

    def penalty(self, batch: CriticBatch) -> Tensor:
        scores, _ = batch.scores
        moved = score(batch.critic, self._augmented(batch.real))
        if len(moved) != len(scores):  # the scores of the batch are gathered from all processes
            moved = distributed.gather(moved)
        changes = (scores - moved).square()
        return self.weight * batch.mean_real(
            changes.flatten(1).sum(1) if changes.ndim > 1 else changes
        )

    def _augmented(self, samples: Samples) -> Samples:
        moves: tuple[Tensor, ...] = ()
        if any(_is_image(x) for x in tensors(samples)):
            n, device = count(samples), device_of(samples)
            flip = distributed.randint(2, n, device=device).bool()
            shifts = (
                distributed.randint(2 * self.shift + 1, n, device=device) - self.shift
                for _ in range(2)
            )
            moves = (flip, *shifts)

        def noised(x: Tensor) -> Tensor:
            return x if _is_image(x) else x + self.noise * distributed.randn(*x.shape, like=x)

        def moved(x: Tensor) -> Tensor:
            return flipped_and_shifted(x, *moves) if _is_image(x) else x

        samples = map_moving(noised, detach(samples), conditions=self.conditions)
        return map_tensors(moved, samples)


def _is_image(x: Tensor) -> bool:
    return x.ndim == 4 and x.is_floating_point()


def flipped_and_shifted(images: Tensor, flip: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Flip and shift each image, with a replicated border.

    Args:
        images: (N, C, H, W).
        flip: Whether to mirror left to right, bool (N,).
        down: Pixels to shift downwards, int64 (N,), after the flip.
        right: Pixels to shift to the right, int64 (N,), after the flip.
    """
    n, channels, height, width = images.shape
    device = images.device
    rows = (torch.arange(height, device=device) - down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=device) - right[:, None]).clamp(0, width - 1)
    columns = torch.where(flip[:, None], width - 1 - columns, columns)
    each = torch.arange(n, device=device)[:, None, None, None]
    channel = torch.arange(channels, device=device)[None, :, None, None]
    return images[each, channel, rows[:, None, :, None], columns[:, None, None, :]]
