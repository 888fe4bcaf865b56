"""Test that torch's generators are seeded as `torch.manual_seed` seeds them."""

from types import SimpleNamespace

import pytest
import torch

from advlearn.core.seeding import seed_torch


def test_the_same_numbers_are_drawn_as_after_manual_seed() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    seed_torch(7)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", ["manual_seed_all", "manual_seed"])
def test_devices_of_the_accelerator_and_of_cuda_are_seeded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[tuple[str, int]] = []
    other = SimpleNamespace(**{name: lambda seed: seeds.append(("other", seed))})
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("mps"))
    monkeypatch.setattr(torch, "get_device_module", lambda device: {"mps": other}[device.type])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: seeds.append(("cuda", seed)))
    seed_torch(7)
    assert sorted(seeds) == [("cuda", 7), ("other", 7)]
