"""Test PatchGAN: the pixels of one score, and the mean over patches."""

import pytest
import torch

from advlearn.nets import build
from advlearn.nets.adapters.channel_concat_critic import ChannelConcatCritic
from advlearn.nets.families.patchgan import PatchGANCritic


@pytest.mark.parametrize(("halvings", "patch"), [(0, 7), (1, 16), (2, 34), (3, 70)])
def test_one_logit_depends_on_one_patch(halvings: int, patch: int) -> None:
    side = 3 * patch
    critic = PatchGANCritic((1, side, side), base_channels=2, halvings=halvings, norm="none")
    assert critic.patch == patch
    x = torch.rand(1, 1, side, side).requires_grad_()
    logits = critic(x)
    grid = int(logits.shape[1] ** 0.5)
    assert grid == side // 2**halvings - 2
    middle = grid // 2 * grid + grid // 2
    logits[0, middle].backward()
    assert x.grad is not None
    result = (x.grad[0, 0] != 0).nonzero()
    assert (result.max(0).values - result.min(0).values + 1).tolist() == [patch, patch]


def test_the_mean_over_patches_is_the_mean_of_the_logits() -> None:
    each = PatchGANCritic((2, 12, 12), base_channels=4, halvings=1)
    mean = PatchGANCritic((2, 12, 12), 1, base_channels=4, halvings=1)
    weights = each.state_dict()
    weights["last.weight"] = weights["last.weight"].flatten(1)
    mean.load_state_dict(weights)
    x = torch.rand(3, 2, 12, 12)
    torch.testing.assert_close(mean(x), each(x).mean(1))


def test_samples_are_scored_independently_and_a_config_rebuilds_the_critic() -> None:
    critic = PatchGANCritic((2, 16, 16), 5, base_channels=4, halvings=2)
    x = torch.rand(4, 2, 16, 16)
    assert critic(x).shape == (4, 5)
    torch.testing.assert_close(critic(x)[:2], critic(x[:2]))
    twin = build(critic.config())
    twin.load_state_dict(critic.state_dict())
    assert torch.equal(twin(x), critic(x))


def test_stacked_images_are_enlarged_to_the_size_of_the_last() -> None:
    small, large = torch.rand(2, 1, 2, 2), torch.rand(2, 3, 4, 4)
    result = ChannelConcatCritic(torch.nn.Identity())(small, large)
    assert torch.equal(result[:, 1:], large)
    assert torch.equal(result[:, 0], small[:, 0].repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_bad_sizes_are_one_line() -> None:
    with pytest.raises(
        ValueError,
        match=r"^shape: expected \(C, H, W\) of at least 24 pixels a side, got \(1, 16, 16\)$",
    ):
        PatchGANCritic((1, 16, 16))
    with pytest.raises(ValueError, match=r"^out_features: expected an int of at least 1, got 0$"):
        PatchGANCritic((1, 32, 32), 0)
    with pytest.raises(ValueError, match=r"^norm: expected one of instance, none, got 'batch'$"):
        PatchGANCritic((1, 32, 32), norm="batch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^x: expected shape"):
        PatchGANCritic((1, 16, 16), halvings=1)(torch.zeros(2, 2, 16, 16))
