import numpy as np
import pytest
import torch
from torch import Tensor, nn

from advlearn.regularizers.consistency import Consistency, flipped_and_shifted
from tests.closed_form.regularizer_cases import (
    Pair,
    check_compiled,
    check_gradients,
    critic_batch,
    linear,
    pairs,
    samples,
)


class Sum(nn.Module):
    """A critic that is invariant to flips and, on a constant image, to shifts."""

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        return x.flatten(1).sum(1)


def test_invariant_critic_costs_nothing() -> None:
    images = samples(6, 3, 4, 4)
    value = Consistency(shift=0).penalty(critic_batch(Sum(), images, images))
    assert value.item() == pytest.approx(0, abs=1e-20)
    constant = torch.ones(6, 3, 4, 4) * torch.arange(6.0).view(6, 1, 1, 1)
    assert Consistency(shift=3).penalty(critic_batch(Sum(), constant, constant)).item() == 0


def test_critic_of_left_minus_right_costs_the_change_under_a_flip() -> None:
    # D = left - right changes sign under a flip: the change is 2 D or nothing.
    images = samples(8, 1, 1, 2)
    critic = linear([1.0, -1.0])
    torch.manual_seed(4)
    value = Consistency(weight=3, shift=0).penalty(critic_batch(critic, images, images))
    torch.manual_seed(4)
    flip = torch.randint(2, (8,)).bool()
    assert 0 < flip.sum() < 8
    change = 2 * (images[:, 0, 0, 0] - images[:, 0, 0, 1]) * flip
    torch.testing.assert_close(value, 3 * change.square().mean())


def test_linear_critic_of_vectors_costs_the_change_under_noise() -> None:
    x, slope = samples(5, 2), torch.tensor([3.0, 4.0], dtype=torch.float64)
    batch = critic_batch(linear([3.0, 4.0]), x, x)
    assert Consistency(noise=0).penalty(batch).item() == 0
    torch.manual_seed(4)
    value = Consistency(weight=1, noise=0.5).penalty(batch)
    torch.manual_seed(4)
    torch.testing.assert_close(
        value, (0.5 * torch.randn(5, 2, dtype=torch.float64) @ slope).square().mean()
    )


def test_flip_and_shift_agree_with_numpy() -> None:
    images = torch.arange(4 * 2 * 3 * 5, dtype=torch.float32).view(4, 2, 3, 5)
    flip, down, right = [False, True, False, True], [0, 1, -2, 0], [0, -1, 2, 3]
    moved = flipped_and_shifted(images, torch.tensor(flip), torch.tensor(down), torch.tensor(right))
    for i in range(4):
        image = images[i].numpy()[..., ::-1] if flip[i] else images[i].numpy()
        padded = np.pad(image, ((0, 0), (3, 3), (3, 3)), mode="edge")
        expected = padded[:, 3 - down[i] : 6 - down[i], 3 - right[i] : 8 - right[i]]
        np.testing.assert_array_equal(moved[i].numpy(), expected)


def test_images_of_a_pair_move_together_and_labels_stay() -> None:
    class Difference(nn.Module):
        def forward(self, x: Tensor, y: Tensor, label: Tensor) -> Tensor:
            return (x - y).flatten(1).square().sum(1) + label

    image = samples(8, 1, 4, 4)
    pair = (image, image, torch.arange(8))
    assert Consistency().penalty(critic_batch(Difference(), pair, pair)).item() == 0
    assert Consistency().penalty(critic_batch(Pair(), pairs(), pairs())).item() > 0


def test_real_samples_count_by_their_weights_and_fakes_do_not_enter() -> None:
    real, weights = samples(3, 1, 1, 2), torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    fake = real.clone().requires_grad_()
    critic = linear([1.0, -1.0])
    torch.manual_seed(0)
    value = Consistency(weight=1, shift=0).penalty(critic_batch(critic, real, fake, weights))
    torch.manual_seed(0)
    flip = torch.randint(2, (3,)).bool()
    torch.testing.assert_close(
        value, (2 * (real[0, 0, 0, 0] - real[0, 0, 0, 1])).square() * flip[0]
    )
    value.backward()
    assert not fake.grad.any()


def test_vector_scores_are_compared_by_their_distance() -> None:
    images = samples(8, 1, 1, 2)
    torch.manual_seed(4)
    value = Consistency(weight=1, shift=0).penalty(critic_batch(nn.Flatten(), images, images))
    torch.manual_seed(4)
    flip = torch.randint(2, (8,)).bool()
    change = (images - images.flip(3))[flip].square().sum() / 8
    torch.testing.assert_close(value, change)


def test_derivatives() -> None:
    check_gradients(Consistency(noise=0.5))


@pytest.mark.parametrize("shape", [(4,), (1, 3, 3)])
@pytest.mark.slow
def test_compiled_equals_eager(shape: tuple[int, ...]) -> None:
    check_compiled(lambda: Consistency(noise=0.5), shape=shape)
