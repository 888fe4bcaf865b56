"""Test the second device: it refuses mixed operations, counts copies, and agrees with the CPU."""

import pytest
import torch
from torch import nn

from tests.device.second import DEVICE, NAME, REAL, SecondDevice

pytestmark = pytest.mark.skipif(bool(REAL), reason="the device is a real one")


def test_mixing_tensors_of_both_devices_is_refused(second: SecondDevice) -> None:
    on_device, on_host = torch.ones(2, device=DEVICE), torch.ones(2)
    for mixed in (
        lambda: on_device + on_host,
        lambda: on_host[torch.zeros(1, dtype=torch.long, device=DEVICE)],
    ):
        with pytest.raises(RuntimeError, match=f"tensors on {NAME} and on the CPU"):
            mixed()
    with pytest.raises(RuntimeError, match="a generator on the CPU"):
        torch.randn(2, device=DEVICE, generator=torch.Generator())
    drawn = torch.randn(2, device=DEVICE, generator=torch.Generator(DEVICE).manual_seed(1))
    assert torch.equal(drawn.cpu(), torch.randn(2, generator=torch.Generator().manual_seed(1)))
    assert not second.waits.keys() - {"?"}


def test_numbers_and_indices_on_the_host_are_accepted(second: SecondDevice) -> None:
    on_device = torch.ones(2, device=DEVICE)
    found = (on_device + torch.tensor(1.0))[torch.tensor([0])]
    assert found.device == DEVICE and not second.waits
    assert found.tolist() == [2.0] and second.waits.total() == 1


def test_copies_in_either_direction_are_counted(second: SecondDevice) -> None:
    on_device = torch.zeros(2).to(DEVICE)
    on_device.copy_(torch.ones(2))
    torch._foreach_copy_([on_device], [torch.ones(2)])
    assert second.waits.total() == 3
    assert torch.ones(2).copy_(on_device).device.type == on_device.cpu().device.type == "cpu"
    assert float(on_device.sum()) == 2 and bool(on_device.any())
    assert second.waits.total() == 7


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("settings", [{"foreach": True}, {"fused": True}])
def test_training_agrees_with_the_host(settings: dict[str, bool]) -> None:
    weights = []
    for device in ("cpu", DEVICE):
        torch.manual_seed(0)
        layer, x = nn.Linear(3, 2).to(device), torch.randn(4, 3).to(device)
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.1, **settings)
        for _ in range(3):
            optimizer.zero_grad()
            layer(x).square().sum().backward()
            optimizer.step()
        assert layer.weight.device == torch.device(device)
        weights.append(layer.weight.detach().cpu())
    torch.testing.assert_close(*weights)
