"""A linear probe of features, and the features of a critic."""

import pytest
import torch
from torch import nn

import advlearn
from advlearn.metrics import critic_features, linear_probe


def test_features_are_the_pooled_outputs_of_the_activation_functions() -> None:
    convolution, last = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(16, 2)
    nn.init.constant_(convolution.weight, 2.0)
    critic = nn.Sequential(
        convolution, nn.LeakyReLU(0.5), nn.Flatten(), last, nn.Tanh(), nn.Linear(2, 1)
    )
    x = torch.arange(-8.0, 8.0).view(1, 1, 4, 4)
    found = critic_features(critic, x, grid=2)
    # The largest of each quarter, times 2, and half of it below zero; then the second activation.
    quarters = [2 * -3 * 0.5, 2 * -1 * 0.5, 2 * 5.0, 2 * 7.0]
    second = last(torch.where(x > 0, 2 * x, x).flatten(1)).tanh()
    torch.testing.assert_close(found, torch.cat([torch.tensor([quarters]), second], 1))
    assert not found.requires_grad and critic.training


def test_activations_that_are_functions_count_too() -> None:
    class Functional(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.relu(x).sum(1, keepdim=True).tanh()

    x = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    expected = torch.cat([x.relu(), x.relu().sum(1, keepdim=True).tanh()], 1)
    torch.testing.assert_close(critic_features(Functional(), x), expected)


def test_a_linear_critic_has_no_features() -> None:
    with pytest.raises(ValueError, match=r"^critic: expected .* got Linear without one; use feat"):
        critic_features(nn.Linear(2, 1), torch.zeros(3, 2))


def test_separable_classes_are_read_and_unrelated_ones_are_guessed() -> None:
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(400, 5, generator=generator), torch.randn(400, 5, generator=generator)
    y = (x[:, 1] > 0).long() + 2 * (x[:, 3] > 0).long()
    assert linear_probe(x, y) > 0.9
    assert linear_probe(noise, y) == pytest.approx(0.25, abs=0.13)
    assert linear_probe(x[:300], y[:300], 100 * x[300:], y[300:]) > 0.9
    assert linear_probe(x, y, seed=1) == linear_probe(x.numpy(), y.numpy(), seed=1)


def test_of_a_class_of_two_samples_one_is_held_out() -> None:
    x = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    assert linear_probe(x, torch.tensor([0, 0, 1, 1])) == 1


def test_classes_on_a_ring_are_not_linear() -> None:
    """The inside of a circle has the accuracy of a constant, and the radius tells it."""
    x = torch.randn(600, 2, generator=torch.Generator().manual_seed(1))
    y = (x.norm(dim=1) < 1.1774).long()  # the median
    assert linear_probe(x, y) < 0.65 and linear_probe(x.norm(dim=1, keepdim=True), y) > 0.97


def test_features_of_a_trained_critic_are_probed() -> None:
    run = advlearn.fit("dcgan", data="digits", steps=2, batch_size=8, device="cpu", callbacks=())
    images, labels = torch.rand(40, 1, 8, 8) * 2 - 1, torch.arange(40) % 2
    images[labels == 1] *= 0.1
    found = critic_features(run.adversaries["data"].critic, images)
    assert len(found) == 40 and linear_probe(found, labels) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(4, 2), torch.zeros(4).long()), "labels: expected at least two classes"),
        ((torch.zeros(4, 2), torch.tensor([0, 0, 0, 1])), "labels: expected at least two samples"),
        ((torch.zeros(4, 2), torch.arange(3)), "labels: expected integers of shape"),
        ((torch.zeros(4, 2), torch.arange(4), torch.zeros(2, 2)), "test_labels: expected it tog"),
        ((torch.zeros(4, 2), torch.arange(4) % 2, torch.zeros(2, 3), torch.arange(2)), "test: exp"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[torch.Tensor, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear_probe(*arguments)
