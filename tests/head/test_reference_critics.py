"""A head trains the reference critics that return several outputs with feature maps."""

import pytest
import torch
from torch import nn

from advlearn import Adversary
from advlearn.nets import (
    MultiPeriodCritic,
    MultiScaleCritic,
    MultiScalePatchCritic,
    SpectrogramBandCritic,
    UNetCritic,
)

WAVE, IMAGE = (1, 256), (3, 32, 32)
CRITICS = {
    "periods": (lambda: MultiPeriodCritic(periods=(2, 3), base_channels=2), WAVE),
    "scales": (lambda: MultiScaleCritic(scales=2, base_channels=16), WAVE),
    "bands": (lambda: SpectrogramBandCritic(fft_sizes=(64, 32), base_channels=2), WAVE),
    "patches": (lambda: MultiScalePatchCritic(3, scales=2, base_channels=2), IMAGE),
    "pixels": (lambda: UNetCritic(3, base_channels=2), IMAGE),
}


def built(name: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    make, shape = CRITICS[name]
    torch.manual_seed(0)
    fake = torch.randn(4, *shape)
    return make(), torch.randn(4, *shape), fake + fake.roll(1, -1) + 0.5


@pytest.mark.parametrize("name", CRITICS)
def test_the_critics_loss_is_the_mean_over_outputs(name: str) -> None:
    critic, real, fake = built(name)
    adversary = Adversary(critic, "least-squares")
    critic.eval()  # spectral norm moves in training mode
    found = adversary.critic_loss(real, fake)
    outputs = [critic(side) for side in (real, fake)]
    logits = [out[0] if isinstance(out, tuple) else [out] for out in outputs]
    by_hand = [((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2 for r, f in zip(*logits, strict=True)]
    torch.testing.assert_close(found, torch.stack(by_hand).mean())


@pytest.mark.parametrize("name", CRITICS)
def test_a_penalty_and_both_steps_run_and_the_fakes_get_a_gradient(name: str) -> None:
    critic, real, fake = built(name)
    before = {name: p.detach().clone() for name, p in critic.named_parameters()}
    adversary = Adversary(critic, "hinge2 + r1 + lecam")
    for _ in range(2):
        adversary.update(real, fake)
    assert adversary.last_losses["R1"] > 0 and adversary.last_losses["LeCam"] > 0
    assert not [name for name, p in critic.named_parameters() if torch.equal(p, before[name])]
    fake.requires_grad_()
    adversary.player_loss(real, fake).backward()
    assert fake.grad is not None and bool(fake.grad.isfinite().all()) and bool(fake.grad.any())


@pytest.mark.parametrize("spec", ["nsgan + diff_augment + r1", "nsgan + ada(p=0.5) + r1"])
def test_critics_of_several_outputs_see_augmented_images(spec: str) -> None:
    critic, real, fake = built("patches")
    adversary = Adversary(critic, spec)
    adversary.update(real, fake)
    first = adversary.critic(real)[0]
    assert [scores.shape for scores in first] == [scores.shape for scores in critic(real)[0]]
    assert not torch.equal(first[0], critic(real)[0][0])
