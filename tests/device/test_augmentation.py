"""Augmentation and mixing of images on a device that is not the host's: nothing waits for it."""

import pytest
import torch
from torch import nn

from advlearn import Adversary
from advlearn.testing.no_sync import NoSync
from tests.device.second import DEVICE, SecondDevice, devices

SPECS = (
    "nsgan + diff_augment + r1",
    "nsgan + ada(p=0.5) + r1",
    "hinge + lecam",
    "hinge2 + cutmix",
)


def critic() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.LeakyReLU(), nn.Flatten(), nn.Linear(36, 1))


@pytest.mark.parametrize("spec", SPECS)
def test_training_on_images_is_all_there_and_waits_for_nothing(
    spec: str, second: SecondDevice
) -> None:
    adversary = Adversary(critic().to(DEVICE), spec)
    real, fake = torch.rand(4, 3, 8, 8, device=DEVICE), torch.rand(4, 3, 8, 8, device=DEVICE)
    adversary.update(real, fake)
    second.waits.clear()
    for _ in range(4):
        adversary.update(real, fake)
    adversary.player_loss(real, fake.requires_grad_()).backward()
    assert not second.waits
    assert devices(adversary) == {DEVICE}


@pytest.mark.parametrize("spec", SPECS)
def test_no_value_is_read_on_the_host(spec: str) -> None:
    adversary = Adversary(critic(), spec)
    real, fake = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
    adversary.update(real, fake)  # the first call checks what the critic returns
    with NoSync():
        adversary.update(real, fake)
        adversary.player_loss(real, fake.requires_grad_()).backward()
