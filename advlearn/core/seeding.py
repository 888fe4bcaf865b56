"""Seed torch's generators without work for devices that do not exist."""

from typing import Any

import torch


def seed_torch(seed: int) -> None:
    """Seed torch's generators as `torch.manual_seed` does.

    Only the CPU and the accelerator at hand are seeded. `torch.manual_seed` also formats a stack
    trace for each type of device that does not exist, which takes longer than a step of a small
    network.

    Args:
        seed: An integer from 0 to 2^64 - 1.

    Example:
        >>> seed_torch(3)
        >>> first = torch.rand(2)
        >>> _ = torch.manual_seed(3)
        >>> bool((torch.rand(2) == first).all())
        True
    """
    torch.default_generator.manual_seed(seed)
    device = torch.accelerator.current_accelerator(check_available=True)
    backends: list[Any] = [] if device is None else [torch.get_device_module(device)]
    # The backend of another package takes precedence over CUDA.
    if torch.cuda.is_available() and torch.cuda not in backends:
        backends.append(torch.cuda)
    for backend in backends:
        # MPS has one device and no function for all of them.
        seed_devices = getattr(backend, "manual_seed_all", None) or backend.manual_seed
        seed_devices(seed)
