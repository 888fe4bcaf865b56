"""Test critics of packs: the input of the network, and training with packs."""

import pytest
import torch
from torch import nn

from advlearn import Adversary
from advlearn.core.critic_batch import mixes_samples
from advlearn.nets import DCGANCritic
from advlearn.nets.adapters.pac_critic import PacCritic


def test_a_pack_is_stacked_on_the_first_axis_and_its_samples_share_its_score() -> None:
    net, x = nn.Linear(6, 1), torch.randn(4, 3)
    expected = net(torch.stack([torch.cat([x[0], x[1]]), torch.cat([x[2], x[3]])]))
    torch.testing.assert_close(PacCritic(net, 2)(x), expected.repeat_interleave(2, 0))
    images = torch.randn(6, 3, 16, 16)
    critic = DCGANCritic((9, 16, 16), base_channels=2)
    expected = critic(torch.stack([torch.cat([*images[:3]]), torch.cat([*images[3:]])]))
    torch.testing.assert_close(PacCritic(critic, 3)(images), expected.repeat_interleave(3, 0))


def test_a_pack_of_one_is_the_critic() -> None:
    net, x = nn.Linear(3, 1), torch.randn(4, 3)
    torch.testing.assert_close(PacCritic(net, 1)(x), net(x), rtol=0, atol=0)


def test_a_pack_critic_distinguishes_repeated_from_independent_samples() -> None:
    # Single samples of both sides are standard normal; only pairs differ.
    adversary = Adversary(
        PacCritic(nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 1)), 2), "nsgan", lr=1e-2
    )
    for _ in range(200):
        adversary.update(torch.randn(64, 1), torch.randn(32, 1).repeat_interleave(2, 0))
    real, fake = (
        adversary.score(torch.randn(400, 1)),
        adversary.score(torch.randn(200, 1).repeat_interleave(2, 0)),
    )
    assert real.mean() > fake.mean() + 1


def test_the_critic_is_marked_as_mixing_samples_and_refuses_incomplete_packs() -> None:
    assert mixes_samples(PacCritic(nn.Linear(4, 1)))
    with pytest.raises(ValueError, match=r"^x: expected a multiple of 2 samples \(pack\), got 3$"):
        PacCritic(nn.Linear(4, 1))(torch.zeros(3, 2))
    with pytest.raises(
        ValueError,
        match=r"^pack: expected a whole number of at least 1, got 0; ",
    ):
        PacCritic(nn.Linear(4, 1), 0)
