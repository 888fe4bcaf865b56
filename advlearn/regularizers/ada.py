"""Adaptive discriminator augmentation: its strength follows how far the critic overfits."""

from collections.abc import Sequence
from typing import Literal, cast, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.checks import check_choice, check_count, check_number
from advlearn.core.critic_batch import CriticBatch, per_sample
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.functional.image_transforms import (
    brighten,
    contrast,
    flip_luma,
    recolour,
    rotate2d,
    rotate_hue,
    saturate,
    scale2d,
    translate2d,
    warp,
)
from advlearn.regularizers._augmented import Augmented, check_range

REFERENCE = Reference(
    "Training Generative Adversarial Networks with Limited Data",
    "Karras et al. 2020",
    "eq. 1 and section 3.1",
    "https://arxiv.org/abs/2006.06676",
)

UNIFORMS, NORMALS = 21, 7
"""Random numbers of one image: uniform ones in [0, 1), and standard normal ones."""


@final
class Ada(Regularizer):
    r"""Augment the images that the critic sees with a probability p that adapts to overfitting.

    .. math:: r_t = E_r[sign(D(T(x)))], \qquad
        p \leftarrow \max(0, p + sign(r_t - target)\,k / images)

    p moves every `interval` critic steps, k being the real images since its last move, so that it
    gets from 0 to 1 within `images` images at the fastest. Every transform is applied with
    probability p: mirroring, quarter turns, integer translation (at most 1/8 of the image),
    isotropic scale (factor 2^g, g of deviation 0.2), rotation, anisotropic scale (0.2), fractional
    translation (deviation 1/8 of the image), brightness (0.2), contrast (2^g, 0.5), luma flip, hue
    rotation and saturation (2^g, 1). Geometry is one resampling, bilinear with reflected edges,
    colour one matrix. Values may leave the range.

    Real and fake samples are augmented in the critic's and in the generator's step; in evaluation
    mode nothing is. All images of a tuple are transformed alike. Parts that are not images
    (N, C, H, W), and the parts that the adversary holds as conditions, stay as they are. A gradient
    penalty is that of the augmented critic, x to D(T(x)).

    Args:
        target: Value of r_t above which p grows.
        images: Real images in which p can move by 1.
        interval: Critic steps between two moves of p.
        p: Probability at the first step.
        boundary: What the sign compares a real score with: ``"zero"``, the boundary of a logit, or
            ``"fake"``, the fake score of the same place in the batch, for relativistic losses.
        value_range: Values of black and white in the data.

    Raises:
        ValueError: If a number is out of its range, or `value_range` is not (low, high).

    Example:
        >>> critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 1))
        >>> critic = Ada(target=0.5).wrap(critic)
        >>> critic.transform.p, critic(torch.zeros(2, 1, 8, 8)).shape
        (tensor(0.), torch.Size([2, 1]))

    Reference:
        Karras et al. 2020, eq. 1 (r_t) and section 3.1 (the controller), appendix B (the pipeline).

    Deviations:
        The pipeline's filtering, noise and cutout are left out, as in the paper's own choice.
        Resampling is bilinear at the image's own resolution, not between two wavelet filters at
        twice the resolution. ``boundary="fake"`` is ours.
    """

    def __init__(
        self,
        target: float = 0.6,
        images: int = 500_000,
        interval: int = 4,
        p: float = 0.0,
        boundary: Literal["zero", "fake"] = "zero",
        value_range: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        super().__init__()
        self.target = check_number("target", target, low=-1, high=1)
        self.images = check_count("images", images)
        self.interval = check_count("interval", interval)
        self.p = check_number("p", p, low=0, high=1)
        self.boundary: Literal["zero", "fake"] = check_choice(
            "boundary", boundary, ("zero", "fake")
        )
        self.value_range = check_range(value_range)

    def wrap(self, critic: nn.Module) -> nn.Module:
        place = next((t.device for t in critic.parameters()), None)
        return Augmented(critic, AdaPipeline(self.p, place), self.value_range, self.conditions)

    def penalty(self, batch: CriticBatch) -> None:
        real, fake = (scores.detach() for scores in batch.scores)
        if self.boundary == "fake":
            n = min(len(real), len(fake))
            signs = (per_sample(real)[:n] - per_sample(fake)[:n]).sign()
        else:
            signs = real.sign()
        for pipeline in _pipelines(cast(nn.Module, batch.critic)):
            pipeline.observe(signs, len(real) * distributed.world_size())

    def after_step(self, critic: nn.Module) -> None:
        for pipeline in _pipelines(critic):
            pipeline.adjust(self.target, self.images, self.interval)


def _pipelines(critic: nn.Module) -> list["AdaPipeline"]:
    return [module for module in critic.modules() if isinstance(module, AdaPipeline)]


@final
class AdaPipeline(nn.Module):
    """Transform images, each augmentation with probability p, and control p.

    Args:
        p: Probability at the first step.
        device: Where the critic is.
    """

    p: Tensor
    sign: Tensor
    batch: Tensor
    signs: Tensor
    seen: Tensor
    steps: Tensor

    def __init__(self, p: float, device: torch.device | None = None) -> None:
        super().__init__()
        self.register_buffer("p", torch.full((), float(p), device=device))
        # Of the last scores, which a report may take too; they count when a step is made.
        for name in ("sign", "batch"):
            self.register_buffer(name, torch.zeros((), device=device), persistent=False)
        for name in ("signs", "seen", "steps"):
            self.register_buffer(name, torch.zeros((), device=device))

    def observe(self, signs: Tensor, batch: int) -> None:
        """Keep the mean of signs (N, ...) of this process's real scores, of `batch` in all."""
        self.sign.copy_(distributed.mean(signs.mean()))
        self.batch.fill_(batch)

    def adjust(self, target: float, images: int, interval: int) -> None:
        """Count a critic step, and move p every `interval` steps."""
        self.signs.add_(self.sign)
        self.seen.add_(self.batch)
        self.steps.add_(1)
        due = self.steps >= interval
        move = (self.signs / self.steps - target).sign() * self.seen / images
        self.p.copy_(torch.where(due, (self.p + move).clamp(min=0), self.p))
        for state in (self.signs, self.seen, self.steps):
            state.mul_(~due)

    def forward(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Transform a list of images (N, C, H, W) in [-1, 1]."""
        n, like = len(images[0]), images[0]
        u = distributed.rand(n, UNIFORMS, like=like)
        g = distributed.randn(n, NORMALS, like=like)
        p = self.p.to(like.dtype)
        colours = colour_maps(p, u[:, 14:], g[:, 4:])
        return [
            recolour(warp(x, positions(p, u[:, :14], g[:, :4], *x.shape[2:])), colours)
            for x in images
        ]


def positions(p: Tensor, u: Tensor, g: Tensor, height: int, width: int) -> Tensor:
    """Draw the geometric transforms of images, from output to input positions.

    Args:
        p: Probability of each transform, a scalar.
        u: Uniform numbers, (N, 14).
        g: Standard normal numbers, (N, 4).
        height: Rows of the images.
        width: Columns of the images.

    Returns:
        Matrices (N, 3, 3) in pixels from the centre, the first transform leftmost.
    """
    gates, v = (u[:, :8] < p).unbind(1), u[:, 8:].unbind(1)
    zero, one = torch.zeros_like(v[0]), torch.ones_like(v[0])
    either = 1 - (1 - p.clamp(max=1)).sqrt()  # of the two rotations, at least one has probability p
    before, after = (u[:, 4] < either), (u[:, 5] < either)
    quarter = torch.pi / 2
    mirror = torch.where(gates[0] & (v[0] < 0.5), -one, one)
    turns = torch.where(gates[1], (v[1] * 4).floor(), zero) * quarter
    across, down = ((2 * value - 1) / 8 for value in v[2:4])
    shifts = [
        torch.where(gates[2], (a * b).round(), zero) for a, b in ((across, width), (down, height))
    ]
    scale = torch.where(gates[3], torch.exp2(-0.2 * g[:, 0]), one)
    stretch = torch.where(gates[6], torch.exp2(-0.2 * g[:, 1]), one)
    angles = [
        torch.where(gate, (2 * value - 1) * torch.pi, zero)
        for gate, value in ((before, v[4]), (after, v[5]))
    ]
    drift = [
        torch.where(gates[7], g[:, k] / 8 * size, zero) for k, size in ((2, width), (3, height))
    ]
    maps = (
        scale2d(mirror, one),
        rotate2d(turns),
        translate2d(-shifts[0], -shifts[1]),
        scale2d(scale, scale),
        rotate2d(angles[0]),
        scale2d(stretch, 1 / stretch),
        rotate2d(angles[1]),
        translate2d(-drift[0], -drift[1]),
    )
    return _product(maps)


def colour_maps(p: Tensor, u: Tensor, g: Tensor) -> Tensor:
    """Draw the colour transforms of images in [-1, 1].

    Args:
        p: Probability of each transform, a scalar.
        u: Uniform numbers, (N, 7).
        g: Standard normal numbers, (N, 3).

    Returns:
        Matrices (N, 4, 4), the first transform rightmost.
    """
    gates, v = (u[:, :5] < p).unbind(1), u[:, 5:].unbind(1)
    zero, one = torch.zeros_like(v[0]), torch.ones_like(v[0])
    maps = (
        saturate(torch.where(gates[0], torch.exp2(g[:, 0]), one)),
        rotate_hue(torch.where(gates[1], (2 * v[0] - 1) * torch.pi, zero)),
        flip_luma(torch.where(gates[2] & (v[1] < 0.5), one, zero)),
        contrast(torch.where(gates[3], torch.exp2(0.5 * g[:, 1]), one)),
        brighten(torch.where(gates[4], 0.2 * g[:, 2], zero)),
    )
    return _product(maps)


def _product(maps: Sequence[Tensor]) -> Tensor:
    result = maps[0]
    for matrix in maps[1:]:
        result = result @ matrix
    return result
