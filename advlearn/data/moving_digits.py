"""Videos of a small digit that moves straight over a black field and bounces off its walls."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from advlearn.core.arguments import Count, Seed, checked
from advlearn.core.checks import check_number

FASTEST = 3
"""Largest speed along an axis, in pixels per frame; the smallest is 1."""


@checked
def moving_digits(images: Tensor, frames: Count = 5, side: Count = 32, *, seed: Seed = 0) -> Tensor:
    """Make one short video of each image, which is halved in size and moves by whole pixels.

    The speed along each axis is 1 to `FASTEST` pixels per frame in either direction. Where the next
    step would leave the field, the speed along that axis is drawn again and points away from the
    wall. The frame after a wall is therefore unpredictable, and the best prediction in squared
    error is blurred.

    Args:
        images: Grey images in [-1, 1], (N, 1, H, W), H and W even; -1 is the background.
        frames: Frames of each video.
        side: Side of the square field in pixels.
        seed: Seed of a private generator of places, speeds and bounces.

    Returns:
        Videos in [-1, 1], float32 (N, frames, side, side).

    Raises:
        ValueError: Images that are not grey, have odd sides, or leave no room to move.

    Example:
        >>> moving_digits(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 5, 32, 32])

    Reference: Srivastava et al., "Unsupervised Learning of Video Representations using LSTMs",
    2015, section 3 (moving digits); Denton and Fergus, "Stochastic Video Generation with a Learned
    Prior", 2018, section 4.1 (random bounces).

    Deviations: one digit of half the size on a field of half the size; bounces are drawn
    separately for each axis.
    """
    frames, side = (
        int(check_number("frames", frames, low=1)),
        int(check_number("side", side, low=1)),
    )
    if images.ndim != 4 or images.shape[1] != 1 or images.shape[2] % 2 or images.shape[3] % 2:
        raise ValueError(
            f"images: expected grey images (N, 1, H, W) with even sides, got {tuple(images.shape)}"
        )
    small = avg_pool2d(images, 2)[:, 0]
    room = torch.tensor([side - small.shape[1], side - small.shape[2]])
    # One step away from a wall must not leave the field at the opposite wall.
    if int(room.min()) < 2 * FASTEST - 1:
        raise ValueError(
            f"side: expected room for images of {tuple(small.shape[1:])} to move, got {side}"
        )
    places = _paths(len(small), frames, room, torch.Generator().manual_seed(seed))
    return torch.stack([_frame(small, place, side) for place in places], 1)


def _paths(n: int, frames: int, room: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Return the upper left corners (n, 2) of the digits in each frame."""
    place = (torch.rand(n, 2, generator=generator) * (room + 1)).long()
    towards = 2 * torch.randint(2, (n, 2), generator=generator) - 1
    speed = torch.randint(1, FASTEST + 1, (n, 2), generator=generator)
    path = [place]
    for _ in range(frames - 1):
        reached = place + towards * speed
        wall = (reached < 0) | (reached > room)
        speed = torch.where(wall, torch.randint(1, FASTEST + 1, (n, 2), generator=generator), speed)
        towards = torch.where(wall, -towards, towards)
        place = place + towards * speed
        path.append(place)
    return path


def _frame(small: Tensor, place: Tensor, side: int) -> Tensor:
    """Draw one frame (n, side, side) with each image at its place."""
    frame = small.new_full((len(small), side, side), -1.0)
    each = torch.arange(len(small))[:, None, None]
    rows = place[:, 0, None] + torch.arange(small.shape[1])
    columns = place[:, 1, None] + torch.arange(small.shape[2])
    frame[each, rows[:, :, None], columns[:, None, :]] = small
    return frame
