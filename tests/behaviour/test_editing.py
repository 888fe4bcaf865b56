"""Test projection onto a generator's manifold against least squares for linear generators."""

import pytest
import torch
from torch import nn

from advlearn.editing import carry_over, project


def linear(inputs: int = 2, outputs: int = 5) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs, dtype=torch.float64)


def closed_form(
    net: nn.Linear, target: torch.Tensor, weights: torch.Tensor, c: float, start: torch.Tensor
):
    """Minimise sum_d w_d (A z + b - t)_d^2 / sum_d w_d + c |z - z_0|^2."""
    a = net.weight.detach()
    w = weights / weights.sum()
    left = a.T @ (w[:, None] * a) + c * torch.eye(a.shape[1], dtype=a.dtype)
    return torch.linalg.solve(left, a.T @ (w * (target - net.bias.detach())) + c * start)


@pytest.mark.parametrize("closeness", [0.0, 0.3])
@pytest.mark.parametrize("masked", [False, True])
def test_a_linear_generator_has_the_least_squares_solution(closeness: float, masked: bool) -> None:
    net = linear()
    target, start = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    mask = torch.tensor([[1.0, 0, 1, 0.5, 0]], dtype=torch.float64) if masked else None
    found = project(net, target, start, mask, steps=600, closeness=closeness)
    weights = torch.ones(5, dtype=torch.float64) if mask is None else mask[0]
    for row in range(3):
        expected = closed_form(net, target[row], weights, closeness, start[row])
        torch.testing.assert_close(found.codes[row], expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.samples, net(found.codes))
    error = (weights * (found.samples - target).square()).sum(1) / weights.sum()
    torch.testing.assert_close(found.errors, error)


def test_masked_pixels_do_not_count() -> None:
    net, start = linear(), torch.zeros(1, 2, dtype=torch.float64)
    mask = torch.tensor([1.0, 1, 1, 0, 0])
    target = torch.randn(1, 5, dtype=torch.float64)
    other = target + torch.tensor([0, 0, 0, 5.0, -5.0])
    first, second = (project(net, t, start, mask, steps=50).codes for t in (target, other))
    assert torch.equal(first, second)


def test_projection_recovers_an_image_of_the_generator() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 12), nn.Unflatten(1, (3, 2, 2)))
    z = torch.randn(4, 2)
    found = project(net, net(z).detach(), z + 0.3 * torch.randn(4, 2), steps=400, lr=0.05)
    assert found.errors.max() < 1e-5
    torch.testing.assert_close(found.codes, z, rtol=0, atol=0.02)


def test_projection_does_not_change_the_generator() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        project(net, torch.randn(4, 3), torch.zeros(4, 2), steps=3)
    assert net.training and all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_a_change_is_transferred_to_the_place_where_it_happened() -> None:
    image, before = torch.rand(2, 3, 6, 6), torch.rand(2, 3, 6, 6)
    torch.testing.assert_close(carry_over(image, before, before), image)
    torch.testing.assert_close(carry_over(image, before, before + 1.5), before + 1.5)
    after = before.clone()
    after[:, :, :3] += 0.25
    carried = carry_over(image, before, after, blur=0)
    torch.testing.assert_close(carried[:, :, 3:], image[:, :, 3:])
    torch.testing.assert_close(carried[:, :, :3], (after + 0.75 * (image - before))[:, :, :3])


def test_the_blur_spreads_a_change_and_keeps_its_sum() -> None:
    image = torch.zeros(1, 1, 21, 21)
    after = image.clone()
    after[..., 10, 10] = 1.0
    # y = a + (1 - M) (x - b) with b = x - 1 shows M itself: y = a + 1 - M.
    moved = after + 1 - carry_over(image, image - 1, image - 1 + after, blur=1.5) - 1
    assert moved.sum() == pytest.approx(1.0, abs=1e-4)
    assert moved[0, 0, 10, 10] == pytest.approx(1 / (2 * torch.pi * 1.5**2), rel=0.02)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"target": torch.zeros(3, 4)},
            r"target: expected the shape \(3, 5\) of the generator's samples, got \(3, 4\)",
        ),
        (
            {"start": torch.zeros(3, 7)},
            r"start: expected codes that the generator takes, got \(3, 7\)",
        ),
        (
            {"mask": torch.zeros(3, 5)},
            r"mask: expected weights of at least 0 with a positive one in each of 3 rows",
        ),
        (
            {"mask": torch.ones(3, 4)},
            r"mask: expected a shape that expands to \(3, 5\), got \(3, 4\)",
        ),
        ({"steps": 0}, "steps: expected a finite number of at least 1, got 0"),
        ({"lr": 0.0}, "lr: expected a finite number above 0, got 0.0"),
        ({"closeness": -1.0}, "closeness: expected a finite number of at least 0, got -1.0"),
    ],
)
def test_bad_input_is_one_line(change: dict, line: str) -> None:
    arguments = {"target": torch.zeros(3, 5), "start": torch.zeros(3, 2), **change}
    with pytest.raises(ValueError, match=line):
        project(nn.Linear(2, 5), **arguments)
