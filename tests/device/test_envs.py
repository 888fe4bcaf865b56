"""Test batches of environments on a second device."""

import pytest
import torch
from advlearn_envs import make
from advlearn_envs.catalogue import ENTRIES

from tests.device.second import DEVICE, SecondDevice
from tests.envs.test_batched import random_actions

# MuJoCo's are on the CPU or, by MuJoCo Warp, on CUDA.
NAMES = [name for name, entry in ENTRIES.items() if entry.needs is None]


@pytest.mark.parametrize("name", NAMES)
def test_steps_stay_on_the_device_and_do_not_synchronise(name: str, second: SecondDevice) -> None:
    env, host = make(name, 3, device=DEVICE, time_limit=2), make(name, 3, time_limit=2)
    assert torch.equal(env.reset(seed=1).cpu(), host.reset(seed=1))
    actions = random_actions(host, 0)
    device_actions = actions.to(DEVICE)
    for _ in range(5):
        second.waits.clear()
        step = env.step(device_actions)
        assert not second.waits
        assert {part.device for part in step} == {DEVICE}
        for part, expected in zip(step, host.step(actions), strict=True):
            assert torch.equal(part.cpu(), expected)
