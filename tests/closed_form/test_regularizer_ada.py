"""ADA: its pipeline against one written by hand, its controller against arithmetic by hand."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.critic_batch import CriticBatch
from advlearn.functional.image_transforms import recolour, warp
from advlearn.regularizers.ada import Ada, AdaPipeline, colour_maps, positions
from tests.closed_form.regularizer_cases import check_compiled, samples


class Seen(nn.Module):
    """A critic that returns what it was given."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def draws(n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return (
        torch.rand(n, 21, generator=generator, dtype=torch.float64),
        torch.randn(n, 7, generator=generator, dtype=torch.float64),
    )


def positions_by_hand(p: float, u: list[float], g: list[float], height: int, width: int) -> Tensor:
    """Inverse maps of one image, in the order and with the constants of the published code."""

    def matrix(*rows: tuple[float, float, float]) -> Tensor:
        return torch.tensor(rows, dtype=torch.float64)

    def scale_inverse(x: float, y: float) -> Tensor:
        return matrix((1 / x, 0, 0), (0, 1 / y, 0), (0, 0, 1))

    def rotate_inverse(t: float) -> Tensor:
        c, s = math.cos(t), math.sin(t)
        return matrix((c, s, 0), (-s, c, 0), (0, 0, 1))

    def translate_inverse(x: float, y: float) -> Tensor:
        return matrix((1, 0, -x), (0, 1, -y), (0, 0, 1))

    gates, v = u[:8], u[8:]
    either = 1 - math.sqrt(1 - min(p, 1))
    a = torch.eye(3).double()
    if gates[0] < p:
        a = a @ scale_inverse(1 - 2 * (v[0] < 0.5), 1)
    if gates[1] < p:
        a = a @ rotate_inverse(-math.pi / 2 * math.floor(v[1] * 4))
    if gates[2] < p:
        across, down = ((2 * v[k] - 1) * 0.125 for k in (2, 3))
        a = a @ translate_inverse(round(across * width), round(down * height))
    if gates[3] < p:
        a = a @ scale_inverse(2 ** (0.2 * g[0]), 2 ** (0.2 * g[0]))
    if gates[4] < either:
        a = a @ rotate_inverse(-(2 * v[4] - 1) * math.pi)
    if gates[6] < p:
        a = a @ scale_inverse(2 ** (0.2 * g[1]), 2 ** (-0.2 * g[1]))
    if gates[5] < either:
        a = a @ rotate_inverse(-(2 * v[5] - 1) * math.pi)
    if gates[7] < p:
        a = a @ translate_inverse(g[2] * 0.125 * width, g[3] * 0.125 * height)
    return a


def colours_by_hand(p: float, u: list[float], g: list[float], pixel: Tensor) -> Tensor:
    """Colour of one pixel (3,): brightness, contrast, luma flip, hue, saturation."""
    axis = torch.full((3,), 3**-0.5, dtype=torch.float64)
    gates, v = u[:5], u[5:]
    if gates[4] < p:
        pixel = pixel + 0.2 * g[2]
    if gates[3] < p:
        pixel = pixel * 2 ** (0.5 * g[1])
    if gates[2] < p and v[1] < 0.5:
        pixel = pixel - 2 * axis * (axis @ pixel)
    if gates[1] < p:
        t = (2 * v[0] - 1) * math.pi
        turned = pixel * math.cos(t) + torch.linalg.cross(axis, pixel) * math.sin(t)
        pixel = turned + axis * (axis @ pixel) * (1 - math.cos(t))
    if gates[0] < p:
        grey = axis * (axis @ pixel)
        pixel = grey + (pixel - grey) * 2 ** g[0]
    return pixel


@pytest.mark.parametrize("p", [0.0, 0.3, 0.7, 1.0, 1.4])
def test_the_pipeline_equals_one_written_by_hand(p: float) -> None:
    u, g = draws(40)
    strength = torch.tensor(p, dtype=torch.float64)
    geometry = positions(strength, u[:, :14], g[:, :4], 24, 16)
    colours = colour_maps(strength, u[:, 14:], g[:, 4:])
    pixel = torch.tensor([0.3, -0.7, 0.1], dtype=torch.float64)
    for k in range(len(u)):
        row, normal = u[k].tolist(), g[k].tolist()
        by_hand = positions_by_hand(p, row[:14], normal[:4], 24, 16)
        torch.testing.assert_close(geometry[k], by_hand)
        found = recolour(pixel.view(1, 3, 1, 1), colours[k : k + 1]).flatten()
        torch.testing.assert_close(found, colours_by_hand(p, row[14:], normal[4:], pixel))


def test_the_critic_sees_the_pipelines_output_of_the_joint_draw() -> None:
    critic = Ada(p=0.8).wrap(Seen())
    x = samples(5, 3, 8, 6)
    torch.manual_seed(4)
    found = critic(x)
    torch.manual_seed(4)
    u, g = torch.rand(5, 21, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    p = torch.tensor(0.8).double()
    moved = warp(x, positions(p, u[:, :14], g[:, :4], 8, 6))
    torch.testing.assert_close(found, recolour(moved, colour_maps(p, u[:, 14:], g[:, 4:])))
    assert not torch.allclose(found, x)


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (3, 3, 7, 9), (2, 2, 4, 4)])
def test_images_are_as_they_are_at_p_zero_and_in_evaluation_mode(shape: tuple[int, ...]) -> None:
    x = samples(*shape)
    torch.testing.assert_close(Ada().wrap(Seen())(x), x)
    assert torch.equal(Ada(p=1.0).wrap(Seen()).eval()(x), x)


def test_brightness_is_in_units_of_the_value_range() -> None:
    x = samples(4, 3, 8, 8)
    torch.manual_seed(2)
    plain = Ada(p=1.0).wrap(Seen())(x)
    torch.manual_seed(2)
    scaled = Ada(p=1.0, value_range=(0, 1)).wrap(Seen())((x + 1) / 2)
    torch.testing.assert_close(scaled, (plain + 1) / 2)


def test_the_gradient_and_its_derivative_pass_the_check() -> None:
    critic = Ada(p=0.9).wrap(Seen())

    def augmented(x: Tensor) -> Tensor:
        torch.manual_seed(4)
        return critic(x).square()

    x = samples(1, 3, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(augmented, x)
    assert torch.autograd.gradgradcheck(augmented, x)


def moved(p: float, steps: list[list[float]], **settings: Any) -> list[float]:
    """p after each critic step whose real scores are given."""
    regularizer = Ada(p=p, **settings)
    critic = regularizer.wrap(Seen())
    found = []
    for scores in steps:
        real = torch.tensor(scores, dtype=torch.float64)
        batch = CriticBatch(critic, real, real, real, torch.zeros_like(real))
        assert regularizer.penalty(batch) is None
        regularizer.after_step(critic)
        found.append(float(critic.transform.p))
    return found


def test_the_controller_moves_p_every_fourth_step_by_the_images_seen() -> None:
    winning, even = [3.0, 0.1, 2.0, 1.0, -1.0], [1.0, -1.0, 2.0, -2.0, 0.0]  # mean signs 0.6 and 0
    steps = [[1.0] * 5] * 4 + [winning] * 4 + [even] * 5
    found = moved(0.1, steps, target=0.59, images=1000)
    # Five images a step, four steps a move: 0.02 up for 1 and for 0.6, then down for 0.
    expected = [0.1] * 3 + [0.12] * 4 + [0.14] * 4 + [0.12] * 2
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_controller_uses_the_mean_over_the_interval_and_forgets_it() -> None:
    up, down = [1.0] * 2, [-1.0] * 2
    # 3 of 4 steps up: mean 0.5, below the target. Then 4 of 4: above.
    assert moved(0.5, [up, down, up, up] + [up] * 4, target=0.6, images=80) == pytest.approx(
        [0.5] * 3 + [0.4] * 4 + [0.5]
    )
    assert moved(0.05, [down] * 2, interval=1, images=10) == [0.0, 0.0]


def test_batches_of_several_sizes_count_by_their_images() -> None:
    assert moved(0.0, [[1.0], [1.0] * 3], interval=2, images=10) == pytest.approx([0.0, 0.4])


def test_every_score_of_a_sample_has_its_sign() -> None:
    regularizer = Ada(interval=1, target=0.0, images=10)
    critic = regularizer.wrap(Seen())
    real = torch.tensor([[-9.0, 1.0, 1.0], [2.0, 3.0, -9.0]])
    regularizer.penalty(CriticBatch(critic, real, real, real, real))
    assert critic.transform.sign == pytest.approx(1 / 3)
    regularizer.after_step(critic)
    assert critic.transform.p == pytest.approx(0.2)


def test_relative_signs_compare_a_real_score_with_the_fake_one_of_its_place() -> None:
    regularizer = Ada(boundary="fake", interval=1, images=30, target=0.0)
    critic = regularizer.wrap(Seen())
    real, fake = torch.tensor([-5.0, -5.0, -5.0]), torch.tensor([-6.0, -6.0, 0.0])
    regularizer.penalty(CriticBatch(critic, real, fake, real, fake))
    assert critic.transform.sign == pytest.approx(1 / 3)
    regularizer.after_step(critic)
    assert critic.transform.p == pytest.approx(0.1)


def test_p_grows_only_with_steps_and_not_with_reports() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    nn.init.constant_(net[1].bias, 100.0)
    adversary = Adversary(net, "nsgan + ada(images=64, interval=1)")
    real, fake = torch.rand(8, 1, 8, 8), torch.rand(8, 1, 8, 8)
    adversary.update(real, fake)
    p = adversary.critic.transform.p
    assert p == 0.125
    adversary.health()
    adversary.player_loss(real, fake.requires_grad_())
    assert adversary.critic.transform.p == 0.125
    adversary.update(real, fake.detach())
    assert adversary.critic.transform.p is p and p == 0.25


def test_training_resumes_bit_for_bit() -> None:
    def adversary() -> Adversary:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Flatten(), nn.Linear(36, 1))
        return Adversary(net, "nsgan + ada(p=0.3, target=0, images=200, interval=3) + r1")

    def train(head: Adversary, steps: range) -> list[Tensor]:
        for step in steps:
            torch.manual_seed(step)
            head.update(torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8))
        return [v.clone() for v in head.state_dict().values() if torch.is_tensor(v)]

    whole = train(adversary(), range(8))
    first, second = adversary(), adversary()
    train(first, range(4))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    resumed = train(second, range(4, 8))
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    assert second.critic.transform.p != pytest.approx(0.3)


def test_the_state_dict_holds_p_and_what_the_controller_counts() -> None:
    names = AdaPipeline(0.2).state_dict().keys()
    assert names == {"p", "signs", "seen", "steps"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"target": 2}, r"^target: expected a finite number of at least -1 and at most 1, got 2"),
        ({"images": 0}, r"^images: expected a whole number of at least 1, got 0"),
        ({"interval": 0}, r"^interval: expected a whole number of at least 1, got 0"),
        ({"p": 1.1}, r"^p: expected a finite number of at least 0 and at most 1, got 1.1"),
        ({"boundary": "real"}, r"^boundary: expected one of zero, fake, got 'real'"),
    ],
)
def test_bad_arguments_are_one_line(arguments: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        Ada(**arguments)


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(lambda: Ada(p=0.7), shape=(3, 4, 5))
