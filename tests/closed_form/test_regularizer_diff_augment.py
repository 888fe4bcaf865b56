"""DiffAugment against loops written by hand, and what of a sample it augments."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from advlearn import Adversary
from advlearn.core.critic_batch import mixes_samples
from advlearn.regularizers.diff_augment import DRAWS, DiffAugment, cut_out, recoloured, translated
from tests.closed_form.regularizer_cases import check_compiled, samples


class Seen(nn.Module):
    """A critic that returns what it was given."""

    def forward(self, x: Tensor, *others: Any, **named: Any) -> Tensor:
        self.others, self.named = others, named
        return x


def draws(n: int) -> tuple[Tensor, ...]:
    u = torch.rand(n, DRAWS, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    u[0], u[-1] = 0.0, 1 - 1e-9  # both ends of every range
    return u.unbind(1)


@pytest.mark.parametrize("shape", [(6, 1, 8, 8), (6, 3, 9, 17), (6, 2, 5, 4)])
def test_every_augmentation_equals_a_loop_over_images(shape: tuple[int, ...]) -> None:
    x, u = samples(*shape), draws(shape[0])
    height, width = shape[2:]
    for k in range(shape[0]):
        image, v = x[k], [float(column[k]) for column in u]
        bright = image + v[0] - 0.5
        grey = bright.mean(0, keepdim=True)
        vivid = (bright - grey) * 2 * v[1] + grey
        strong = (vivid - vivid.mean()) * (v[2] + 0.5) + vivid.mean()
        torch.testing.assert_close(recoloured(x, u)[k], strong)

        most_down, most_right = height // 8, width // 8
        down = int(v[3] * (2 * most_down + 1)) - most_down
        right = int(v[4] * (2 * most_right + 1)) - most_right
        border = pad(image, (most_right, most_right, most_down, most_down))
        moved = border[:, most_down - down :, most_right - right :][:, :height, :width]
        assert torch.equal(translated(x, u)[k], moved)

        rows, columns = height // 2, width // 2
        top = int(v[5] * (height + 1 - rows % 2)) - rows // 2
        left = int(v[6] * (width + 1 - columns % 2)) - columns // 2
        kept = image.clone()
        kept[:, max(top, 0) : top + rows, max(left, 0) : left + columns] = 0
        assert torch.equal(cut_out(x, u)[k], kept)


def test_the_policy_is_applied_in_its_order_with_the_joint_draw() -> None:
    critic = DiffAugment(policy="cutout,color").wrap(Seen())
    x = samples(4, 3, 8, 8)
    torch.manual_seed(2)
    found = critic(x)
    torch.manual_seed(2)
    u = torch.rand(4, DRAWS, dtype=torch.float64).unbind(1)
    torch.testing.assert_close(found, recoloured(cut_out(x, u), u))


def test_the_value_range_changes_the_units_and_nothing_else() -> None:
    x = samples(4, 3, 8, 8)
    torch.manual_seed(2)
    plain = DiffAugment().wrap(Seen())(x)
    torch.manual_seed(2)
    scaled = DiffAugment(value_range=(0, 255)).wrap(Seen())((x + 1) * 127.5)
    torch.testing.assert_close(scaled, (plain + 1) * 127.5)


def test_evaluation_mode_vectors_and_labels_are_left_as_they_are() -> None:
    critic = DiffAugment().wrap(Seen())
    x, vectors, y = samples(4, 1, 8, 8), samples(4, 2), torch.arange(4)
    assert torch.equal(critic.eval()(x), x)
    assert torch.equal(critic.train()(vectors), vectors)
    assert not torch.equal(critic(x, vectors, y), x)
    assert critic.critic.others[0] is vectors and critic.critic.others[1] is y


def test_all_images_of_a_sample_are_transformed_alike() -> None:
    critic = DiffAugment().wrap(Seen())
    x = samples(4, 1, 8, 8)
    first = critic(x, [x, {"again": x, "none": None}])
    second, third = critic.critic.others[0]
    assert torch.equal(first, second) and torch.equal(first, third["again"])
    assert third["none"] is None and not torch.equal(first, x)


def test_conditions_stay_as_they_are() -> None:
    regularizer = DiffAugment()
    regularizer.conditions = frozenset({1, "z"})
    x = samples(4, 1, 8, 8)
    critic = regularizer.wrap(Seen())
    first = critic(x, x, z=x, w=x)
    assert not torch.equal(first, x)
    assert critic.critic.others[0] is x
    assert critic.critic.named["z"] is x and torch.equal(critic.critic.named["w"], first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_images_keep_their_precision_and_the_layout_does_not_matter(dtype: torch.dtype) -> None:
    critic = DiffAugment().wrap(Seen())
    x = samples(4, 3, 8, 6).to(dtype)
    outputs = []
    for given in (x, x.contiguous(memory_format=torch.channels_last)):
        torch.manual_seed(0)
        outputs.append(critic(given))
    assert outputs[0].dtype == dtype
    torch.testing.assert_close(*outputs)


def test_real_and_fake_are_augmented_in_both_steps_and_the_generator_gets_a_gradient() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 1, bias=False)).double()
    adversary = Adversary(copy.deepcopy(plain), "hinge + diff_augment(policy='cutout')")
    real, fake = samples(4, 1, 8, 8), samples(4, 1, 8, 8, seed=1)
    adversary.update(real, fake)
    weight = adversary.critic.critic[1].weight.detach().view(1, 8, 8)
    fake.requires_grad_()
    torch.manual_seed(1)
    adversary.player_loss(real, fake).backward()
    torch.manual_seed(1)
    kept = cut_out(torch.ones_like(real), torch.rand(4, DRAWS, dtype=torch.float64).unbind(1))
    torch.testing.assert_close(fake.grad, -weight * kept / 4)


def test_the_gradient_and_its_derivative_pass_the_check() -> None:
    critic = DiffAugment().wrap(Seen())

    def augmented(x: Tensor) -> Tensor:
        torch.manual_seed(4)
        return critic(x).square()

    x = samples(1, 2, 3, 8).requires_grad_()
    assert torch.autograd.gradcheck(augmented, x)
    assert torch.autograd.gradgradcheck(augmented, x)


def test_r1_is_the_penalty_of_the_augmented_critic() -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(64, 1)).double()
    adversary = Adversary(critic, "nsgan + diff_augment(policy='cutout') + r1(weight=2)")
    weight = critic[1].weight.detach()
    adversary.update(samples(1, 1, 8, 8), samples(1, 1, 8, 8, seed=1))
    # The penalty is that of a weight with at least four of its rows and columns left.
    assert 0 < adversary.last_losses["R1"] < weight.square().sum()


def test_sides_are_scored_apart_so_that_processes_share_one_draw() -> None:
    assert mixes_samples(DiffAugment().wrap(nn.Linear(2, 1)))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"policy": "color,blur"}, r"^policy: expected names from color, translation, cutout"),
        ({"policy": ""}, r"^policy: expected a text, got ''"),
        ({"value_range": (1, 0)}, r"^value_range: expected finite values low < high, got \(1, 0\)"),
        ({"value_range": (0,)}, r"^value_range: expected 2 values, got \(0,\)"),
    ],
)
def test_bad_arguments_are_one_line(arguments: dict[str, object], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        DiffAugment(**arguments)  # type: ignore[arg-type]


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(DiffAugment, shape=(3, 4, 8))
