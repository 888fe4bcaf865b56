"""CutMix consistency: the scores of a mixed image are the mixed scores of its two parts."""

from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch, count, detach, mean_of, rows
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import map_moving, map_tensors, moving
from advlearn.core.scores import outputs
from advlearn.functional.image_transforms import boxes
from advlearn.regularizers._augmented import Augmented, is_image

REFERENCE = Reference(
    "A U-Net Based Discriminator for Generative Adversarial Networks",
    "Schonfeld et al. 2020",
    "section 3.2, the consistency loss",
    "https://arxiv.org/abs/2002.12655",
)


@final
class CutMix(Regularizer):
    r"""Penalise the change of scores when a box of a real image is put into a fake one.

    .. math:: R = w\,E\left[\|D(m(x, x')) - m(D(x), D(x'))\|^2\right], \quad
        m(a, b) = M a + (1 - M) b

    M is one inside a random box and zero outside, or the other way round: a share from [0, 1) of
    the image, at a random place, cut off at the edges. The square is the mean over the scores of a
    sample. It is meant for a critic with a logit per pixel, such as `UNetCritic`. Where scores lie
    on a coarser grid, M is averaged to that grid; where a sample has scores without a grid, M is
    its mean. Several outputs of a critic are averaged. Labels and conditions are those of the real
    side; samples that are not images (N, C, H, W) have no penalty.

    Args:
        weight: w.

    Raises:
        ValueError: If `weight` is negative or not finite; in `penalty`, if the critic augments its
            images, since that would move the box.

    Example:
        >>> CutMix()
        CutMix(weight=1.0)

    Reference:
        Schonfeld et al. 2020, section 3.2, the consistency loss.

    Deviations:
        The weight does not grow over the first epochs, and every batch is mixed. Scores that are
        not per pixel are ours.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        images = [x for x in moving(batch.real, self.conditions) if is_image(x)]
        if not images:
            return None
        _check_plain(cast(nn.Module, batch.critic))
        n = min(count(batch.real), count(batch.fake))
        inside = random_boxes(images[0][:n])

        def mixed(real: Tensor, fake: Tensor) -> Tensor:
            return torch.where(inside, real, fake) if is_image(real) else real

        sides = [detach(map_tensors(lambda x: x[:n], side)) for side in (batch.real, batch.fake)]
        found = outputs(batch.critic, map_moving(mixed, *sides, conditions=self.conditions)).scores
        widths = [rows(scores).shape[1] for scores in found]
        reals, fakes = (rows(scores[:n]).split(widths, 1) for scores in batch.scores)
        penalties: list[Tensor] = []
        for scores, real, fake in zip(found, reals, fakes, strict=True):
            share = mask_of_scores(inside, scores)
            expected = share * real.view_as(scores) + (1 - share) * fake.view_as(scores)
            penalties.append((scores - expected).square().mean())
        return self.weight * mean_of(penalties)


def _check_plain(critic: nn.Module) -> None:
    if any(isinstance(module, Augmented) for module in critic.modules()):
        raise ValueError(
            "cut_mix: expected a critic that does not augment its images, since an augmentation "
            "moves the box, got diff_augment or ada; leave one of them out"
        )


def random_boxes(images: Tensor) -> Tensor:
    """Draw one box per image, or its complement: bool (N, 1, H, W)."""
    u = distributed.rand(len(images), 4, like=images)
    sides = images.shape[2:]
    spans = [(side * u[:, 0].sqrt()).long() for side in sides]
    starts = [
        (side * values).long() - span // 2
        for side, values, span in zip(sides, (u[:, 1], u[:, 2]), spans, strict=True)
    ]
    flip = (u[:, 3] < 0.5)[:, None, None, None]
    return boxes(images, *starts, *spans) ^ flip


def mask_of_scores(inside: Tensor, scores: Tensor) -> Tensor:
    """Average masks (N, 1, H, W) to the grid of scores (N, C, h, w), or to (N, 1, ...)."""
    mask = inside.to(scores.dtype)
    if scores.ndim == 4:
        return adaptive_avg_pool2d(mask, (scores.shape[2], scores.shape[3]))
    return mask.mean((1, 2, 3)).view(-1, *[1] * (scores.ndim - 1))
