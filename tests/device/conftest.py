from collections.abc import Iterator

import pytest
import torch

from advlearn.imitation.sb3 import algorithms
from advlearn.training import device, launch
from tests.device.second import DEVICE, NAME, REAL, RealDevice, SecondDevice


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecondDevice | RealDevice]:
    """Provide the second device under a name that every ``device=`` accepts."""
    if REAL:
        yield RealDevice()
        return
    known = device.pick

    def pick(name: str | torch.device = "auto") -> torch.device:
        return DEVICE if str(name).startswith(NAME) else known(name)

    for module in (device, launch, algorithms):
        monkeypatch.setattr(module, "pick", pick)
    with SecondDevice() as active:
        yield active
