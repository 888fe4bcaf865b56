"""The device itself: it refuses what a GPU refuses, counts what a GPU waits for, and computes what the CPU does."""

import pytest
import torch
from torch import nn

from tests.device.second import DEVICE, NAME, SecondDevice


def test_tensors_of_both_do_not_meet(second: SecondDevice) -> None:
    here, there = torch.ones(2, device=DEVICE), torch.ones(2)
    for mixed in (
        lambda: here + there,
        lambda: there[torch.zeros(1, dtype=torch.long, device=DEVICE)],
    ):
        with pytest.raises(RuntimeError, match=f"tensors on {NAME} and on the CPU"):
            mixed()
    with pytest.raises(RuntimeError, match="a generator on the CPU"):
        torch.randn(2, device=DEVICE, generator=torch.Generator())
    drawn = torch.randn(2, device=DEVICE, generator=torch.Generator(DEVICE).manual_seed(1))
    assert torch.equal(drawn.cpu(), torch.randn(2, generator=torch.Generator().manual_seed(1)))
    assert not second.waits.keys() - {"?"}


def test_numbers_and_indices_of_the_host_are_taken(second: SecondDevice) -> None:
    here = torch.ones(2, device=DEVICE)
    found = (here + torch.tensor(1.0))[torch.tensor([0])]
    assert found.device == DEVICE and not second.waits
    assert found.tolist() == [2.0] and second.waits.total() == 1


def test_copies_either_way_are_counted(second: SecondDevice) -> None:
    here = torch.zeros(2).to(DEVICE)
    here.copy_(torch.ones(2))
    torch._foreach_copy_([here], [torch.ones(2)])
    assert second.waits.total() == 3
    assert torch.ones(2).copy_(here).device.type == here.cpu().device.type == "cpu"
    assert float(here.sum()) == 2 and bool(here.any())
    assert second.waits.total() == 7


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("settings", [{"foreach": True}, {"fused": True}])
def test_training_gives_the_numbers_of_the_host(settings: dict[str, bool]) -> None:
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
