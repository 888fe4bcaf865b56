"""CutMix consistency against its formula, on critics for which it is known."""

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.critic_batch import CriticBatch
from advlearn.regularizers.cut_mix import CutMix, mask_of_scores, random_boxes
from tests.closed_form.regularizer_cases import check_compiled, critic_batch, samples


class Pixels(nn.Module):
    """A logit per pixel that is a function of that pixel: consistent by construction."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum(1, keepdim=True) - 1


class Blurred(nn.Module):
    """A logit per pixel that depends on the pixels around."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(2, 1, 3, padding=1).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).tanh()


class MeanSquare(nn.Module):
    """One score per image, the mean of a function of its pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square().mean((1, 2, 3))


def penalty(critic: nn.Module, real: Tensor, fake: Tensor, weight: float = 1.0) -> Tensor:
    torch.manual_seed(5)
    found = CutMix(weight).penalty(critic_batch(critic, real, fake))
    assert found is not None
    return found


def sides(n: int = 6) -> tuple[Tensor, Tensor]:
    return samples(n, 2, 6, 8), samples(n, 2, 6, 8, seed=1)


def test_a_critic_of_single_pixels_has_no_penalty() -> None:
    assert penalty(Pixels(), *sides()) == pytest.approx(0, abs=1e-30)


def test_the_penalty_equals_the_formula_pixel_by_pixel() -> None:
    critic = Blurred()
    real, fake = sides()
    torch.manual_seed(5)
    inside = random_boxes(real).double()
    of_mixed = critic(inside * real + (1 - inside) * fake)
    mixed_scores = inside * critic(real) + (1 - inside) * critic(fake)
    expected = 0.7 * ((of_mixed - mixed_scores) ** 2).mean()
    assert expected > 1e-3
    torch.testing.assert_close(penalty(critic, real, fake, 0.7), expected)


def test_one_score_of_an_image_is_mixed_by_area() -> None:
    real, fake = torch.ones(5, 2, 6, 8).double(), 2 * torch.ones(5, 2, 6, 8).double()
    assert penalty(MeanSquare(), real, fake) == pytest.approx(0, abs=1e-25)


class Two(nn.Module):
    """A critic with two outputs."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.first(x), self.second(x)]


def test_outputs_are_averaged_each_with_its_own_grid() -> None:
    real, fake = sides()
    both = penalty(Two(Blurred(), MeanSquare()), real, fake)
    expected = (penalty(Blurred(), real, fake) + penalty(MeanSquare(), real, fake)) / 2
    torch.testing.assert_close(both, expected)


def test_masks_are_averaged_to_the_grid_of_the_scores() -> None:
    inside = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    inside[..., :2, :3] = True
    grid = mask_of_scores(inside, torch.zeros(1, 1, 2, 2))
    assert torch.equal(grid, torch.tensor([[[[1.0, 0.5], [0.0, 0.0]]]]))
    assert torch.equal(mask_of_scores(inside, torch.zeros(1, 4, 4, 4))[0, 0], inside[0, 0].float())
    assert torch.equal(mask_of_scores(inside, torch.zeros(1, 7)), torch.tensor([[0.375]]))
    assert torch.equal(mask_of_scores(inside, torch.zeros(1)), torch.tensor([0.375]))


def test_a_box_is_one_rectangle_or_its_complement_and_sizes_vary() -> None:
    torch.manual_seed(0)
    masks = random_boxes(torch.zeros(200, 1, 12, 16))[:, 0]
    for mask in masks:
        rows, columns = mask.any(1), mask.any(0)
        other_rows, other_columns = (~mask).any(1), (~mask).any(0)
        area = int(mask.sum())
        assert area in (
            int(rows.sum() * columns.sum()),
            mask.numel() - int(other_rows.sum() * other_columns.sum()),
        )
    shares = masks.double().mean((1, 2))
    assert shares.min() < 0.05 and shares.max() > 0.95 and 0.4 < shares.mean() < 0.6


def test_sides_of_two_sizes_are_paired_as_far_as_they_go() -> None:
    real, fake = sides()
    torch.testing.assert_close(
        penalty(Blurred(), real, fake[:4]), penalty(Blurred(), real[:4], fake[:4])
    )


def test_the_gradient_passes_the_check_and_fakes_get_none() -> None:
    critic = Blurred()
    real, fake = sides(2)

    def value(*_: Tensor) -> Tensor:
        return penalty(critic, real, fake)

    assert torch.autograd.gradcheck(value, tuple(critic.parameters()))
    live = fake.clone().requires_grad_()
    scored = critic_batch(critic, real, fake)
    found = CutMix().penalty(CriticBatch(critic, real, live, *scored.scores))
    assert found is not None
    assert torch.autograd.grad(found, live, allow_unused=True) == (None,)


def test_vectors_have_no_penalty() -> None:
    critic = nn.Linear(2, 1).double()
    assert CutMix().penalty(critic_batch(critic, samples(4, 2), samples(4, 2, seed=1))) is None


@pytest.mark.parametrize("spec", ["hinge + cutmix + ada", "hinge + diff_augment + cutmix"])
def test_an_augmentation_of_the_same_critic_is_refused(spec: str) -> None:
    adversary = Adversary(Blurred(), spec)
    with pytest.raises(ValueError, match=r"^cut_mix: expected a critic that does not augment"):
        adversary.update(*sides())


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(CutMix, shape=(2, 4, 4))
