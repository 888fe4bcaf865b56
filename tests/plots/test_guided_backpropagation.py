"""Guided gradients of critics, compared with values by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import advlearn
from advlearn.plots import guided_backpropagation, guided_gradients


def two_layers(activation: nn.Module) -> nn.Sequential:
    """Return w2 f(W1 x) with weights of both signs."""
    critic = nn.Sequential(
        nn.Flatten(), nn.Linear(2, 3, bias=False), activation, nn.Linear(3, 1, bias=False)
    )
    with torch.no_grad():
        critic[1].weight.copy_(torch.tensor([[1.0, 2.0], [3.0, -4.0], [-5.0, 6.0]]))
        critic[3].weight.copy_(torch.tensor([[-1.0, 2.0, 3.0]]))
    return critic


def test_a_linear_critic_gives_its_weights() -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    found = guided_gradients(critic, torch.randn(5, 3, 2, 2))
    torch.testing.assert_close(
        found, critic[1].weight.detach().view(1, 3, 2, 2).expand(5, -1, -1, -1)
    )


@pytest.mark.parametrize(
    "activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(0.2), nn.LeakyReLU(0.2, True)]
)
def test_only_positive_evidence_passes_a_rectifier(activation: nn.Module) -> None:
    # W1 x is 4, -5 and 7: the first has a negative weight above it, the second a negative input.
    x = torch.tensor([1.0, 2.0]).mul(torch.tensor([0.2, 0.9])).view(1, 1, 1, 2)
    critic = two_layers(activation)
    below = critic[1].weight.detach() @ x.flatten()
    assert (below > 0).tolist() == [True, False, True]
    expected = 3 * torch.tensor([-5.0, 6.0])
    torch.testing.assert_close(guided_gradients(critic, x).flatten(), expected)
    # The plain gradient differs, and a later one is plain again.
    again = x.clone().requires_grad_()
    critic(again).sum().backward()
    assert again.grad is not None and not torch.allclose(again.grad.flatten(), expected)


def test_a_feature_of_a_layer_is_explained_where_it_is_largest() -> None:
    critic = nn.Sequential(nn.Conv2d(1, 2, 2, bias=False), nn.Flatten(), nn.Linear(8, 1))
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 1:, 1:] = critic[0].weight[1, 0]  # the second feature is largest at the lower right
    found = guided_gradients(critic, x.detach(), "0", 1)
    expected = torch.zeros(1, 1, 3, 3)
    expected[0, 0, 1:, 1:] = critic[0].weight[1, 0]
    torch.testing.assert_close(found, expected.detach())


def test_the_critic_stays_as_it_was() -> None:
    critic = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
    critic.append(nn.Linear(32, 1))
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    guided_gradients(critic, torch.randn(2, 1, 6, 6), "2", 1)
    assert critic.training and all(p.grad is None for p in critic.parameters())
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())
    assert not critic[2]._forward_hooks


def test_the_picture_of_a_trained_critic_has_the_images_and_their_gradients(tmp_path: Path) -> None:
    run = advlearn.fit("dcgan", data="digits", steps=1, batch_size=8, device="cpu", callbacks=())
    critic = run.adversaries["data"].critic
    images = torch.rand(2, 1, 8, 8) * 2 - 1
    path = guided_backpropagation(critic, images, tmp_path / "guided.png")
    drawn = np.asarray(Image.open(path))
    assert drawn.shape[1] > 2 * 64 and drawn.std() > 10
    assert guided_gradients(critic, images).shape == images.shape


def test_wrong_layers_and_channels_are_named() -> None:
    critic = two_layers(nn.ReLU())
    with pytest.raises(ValueError, match=r"^layer: Sequential has no layer 'conv'"):
        guided_gradients(critic, torch.zeros(1, 2), "conv")
    with pytest.raises(ValueError, match=r"^channel: expected below 3, the features of '1', got 3"):
        guided_gradients(critic, torch.zeros(1, 2), "1", 3)
