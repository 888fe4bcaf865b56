"""Affine maps, shifts, boxes and colour maps against PyTorch, scipy and by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from advlearn.functional.image_transforms import (
    boxes,
    brighten,
    contrast,
    flip_luma,
    recolour,
    rotate2d,
    rotate_hue,
    saturate,
    scale2d,
    shifted,
    translate2d,
    warp,
)


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).double() * 2 - 1


def one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (4, 3, 7, 10), (2, 2, 1, 5)])
def test_warp_is_grid_sample_with_reflection(shape: tuple[int, ...]) -> None:
    x = images(*shape)
    a = torch.randn(shape[0], 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    size = torch.tensor([shape[3], shape[2]], dtype=torch.float64)
    # grid_sample's positions run from -1 to 1 over the image, ours are pixels from its centre.
    theta = a * torch.cat([size, torch.tensor([2.0])]) / size[:, None]
    expected = grid_sample(
        x, affine_grid(theta, list(shape), False), padding_mode="reflection", align_corners=False
    )
    inverse = torch.cat([a, torch.tensor([[[0.0, 0, 1]]]).expand(len(a), 1, 3)], 1)
    torch.testing.assert_close(warp(x, inverse), expected)


def test_warp_by_the_identity_mirrors_quarter_turns_and_shifts() -> None:
    x = images(1, 3, 6, 6)
    eye = torch.eye(3).double()[None]
    torch.testing.assert_close(warp(x, eye), x)
    torch.testing.assert_close(warp(x, scale2d(one(-1), one(1))), x.flip(3))
    torch.testing.assert_close(warp(x, rotate2d(one(math.pi / 2))), x.rot90(1, (2, 3)))
    moved = warp(x, translate2d(one(-2), one(1)))
    torch.testing.assert_close(moved[:, :, :5, 2:], x[:, :, 1:, :4])


def test_warp_turns_as_scipy_does() -> None:
    from scipy.ndimage import rotate

    x = images(1, 1, 21, 21)
    expected = rotate(x[0, 0].numpy(), 30.0, reshape=False, order=1, mode="reflect")
    found = warp(x, rotate2d(one(math.radians(30))))[0, 0]
    torch.testing.assert_close(found, torch.from_numpy(expected), atol=1e-6, rtol=0)


def test_warp_scales_as_scipy_does() -> None:
    from scipy.ndimage import affine_transform

    x = images(1, 1, 9, 12)
    scale = torch.tensor([0.7, 1.3])  # rows, columns; input per output
    centre = torch.tensor([4.0, 5.5])
    # SciPy below 1.13 warns of a diagonal that is given as a vector.
    matrix, offset = scale.diag().numpy(), (centre * (1 - scale)).numpy()
    expected = affine_transform(x[0, 0].numpy(), matrix, offset, order=1, mode="reflect")
    found = warp(x, scale2d(one(1.3), one(0.7)))[0, 0]
    torch.testing.assert_close(found, torch.from_numpy(expected), atol=1e-6, rtol=0)


def test_warp_has_derivatives_of_first_and_second_order_and_its_backward_is_the_adjoint() -> None:
    x, y = images(2, 2, 4, 5).requires_grad_(), images(2, 2, 4, 5, seed=1)
    inverse = rotate2d(torch.tensor([0.4, -2.0]).double()) @ scale2d(one(1.2), one(0.8))
    assert torch.autograd.gradcheck(lambda x: warp(x, inverse), x)
    assert torch.autograd.gradgradcheck(lambda x: warp(x, inverse).square(), x)
    moved = warp(x, inverse)
    (adjoint,) = torch.autograd.grad(moved, x, y)
    torch.testing.assert_close((moved * y).sum(), (x * adjoint).sum())
    torch.testing.assert_close(adjoint.sum((1, 2, 3)), y.sum((1, 2, 3)))  # a constant stays


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_warp_does_not_depend_on_the_layout(layout: torch.memory_format) -> None:
    x = images(2, 3, 6, 5)
    inverse = rotate2d(torch.tensor([0.3, 1.0]).double())
    assert torch.equal(warp(x.contiguous(memory_format=layout), inverse), warp(x, inverse))


def test_determinants() -> None:
    a, b = torch.tensor([0.5, 2.0]), torch.tensor([3.0, -1.0])
    torch.testing.assert_close(torch.det(scale2d(a, b)), a * b)
    torch.testing.assert_close(torch.det(rotate2d(a) @ translate2d(a, b)), torch.ones(2))
    torch.testing.assert_close(torch.det(contrast(a)), a**3)
    torch.testing.assert_close(torch.det(saturate(a)), a**2)  # two axes are orthogonal to grey
    torch.testing.assert_close(torch.det(brighten(a) @ rotate_hue(b)), torch.ones(2))
    torch.testing.assert_close(
        torch.det(flip_luma(torch.tensor([0.0, 1.0]))), torch.tensor([1.0, -1])
    )


def test_shift_fills_with_the_value_and_equals_padding_by_hand() -> None:
    x = images(2, 3, 4, 5)
    moved = shifted(x, torch.tensor([1, 0]), torch.tensor([-2, 9]), fill=7.0)
    expected = torch.full_like(x, 7.0)
    expected[0, :, 1:, :3] = x[0, :, :3, 2:]
    assert torch.equal(moved, expected)
    assert torch.autograd.gradcheck(
        lambda x: shifted(x, torch.tensor([1, 0]), torch.tensor([-2, 1])), x.requires_grad_()
    )


def test_boxes_are_cut_off_at_the_edges() -> None:
    inside = boxes(
        torch.zeros(2, 3, 4, 5), *(torch.tensor(v) for v in ([-1, 2], [3, 1], [3, 2], [9, 2]))
    )
    expected = torch.zeros(2, 1, 4, 5, dtype=torch.bool)
    expected[0, 0, :2, 3:] = True
    expected[1, 0, 2:4, 1:3] = True
    assert torch.equal(inside, expected)


def test_colour_maps_of_one_pixel_by_hand() -> None:
    x = torch.tensor([0.2, -0.4, 0.8], dtype=torch.float64).view(1, 3, 1, 1)
    mean = x.mean(1, keepdim=True)
    torch.testing.assert_close(recolour(x, brighten(one(0.3))), x + 0.3)
    torch.testing.assert_close(recolour(x, contrast(one(1.5))), 1.5 * x)
    torch.testing.assert_close(recolour(x, saturate(one(2.0))), mean + 2 * (x - mean))
    torch.testing.assert_close(recolour(x, flip_luma(one(1.0))), x - 2 * mean)
    torch.testing.assert_close(recolour(x, flip_luma(one(0.0))), x)
    # A third of a turn about the grey axis exchanges the channels in a circle.
    torch.testing.assert_close(recolour(x, rotate_hue(one(2 * math.pi / 3))), x.roll(1, 1))
    assert torch.autograd.gradcheck(
        lambda x: recolour(x, saturate(one(2.0)) @ brighten(one(0.1))), x.requires_grad_()
    )


@pytest.mark.parametrize("channels", [1, 2])
def test_colours_of_grey_images_are_those_of_grey_colour_images(channels: int) -> None:
    grey = images(3, 1, 2, 2)
    maps = (
        rotate_hue(torch.tensor([0.1, 2, 3]))
        @ flip_luma(torch.tensor([0.0, 1, 1]))
        @ contrast(torch.tensor([1.0, 2, 0.5]))
        @ brighten(torch.tensor([0.3, -0.2, 0.1]))
    ).double()
    expected = recolour(grey.expand(-1, 3, -1, -1), maps)[:, :1].expand(-1, channels, -1, -1)
    torch.testing.assert_close(recolour(grey.expand(-1, channels, -1, -1), maps), expected)
