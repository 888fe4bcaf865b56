"""Noise that a generator draws itself, in addition to its latent vector."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core import distributed


@final
class OwnNoise(nn.Module):
    """Draw the noise of one layer: new in each call, or fixed.

    Attributes:
        seed: Seed of fixed noise, which all samples share; None draws new noise for each sample.

    Example:
        >>> noise = OwnNoise()
        >>> noise.seed = 0
        >>> like = torch.zeros(1)
        >>> bool((noise.normal(2, 3, like=like) == noise.normal(2, 3, like=like)).all())
        True
    """

    def __init__(self) -> None:
        super().__init__()
        self.seed: int | None = None

    def normal(self, *shape: int, like: Tensor) -> Tensor:
        """Draw standard normal numbers of a shape, samples first."""
        if self.seed is None:
            return distributed.randn(*shape, like=like)
        return torch.randn(1, *shape[1:], generator=self._generator()).to(like).expand(shape)

    def uniform(self, *shape: int, like: Tensor) -> Tensor:
        """Draw uniform numbers in [0, 1) of a shape, samples first."""
        if self.seed is None:
            return distributed.rand(*shape, like=like)
        return torch.rand(1, *shape[1:], generator=self._generator()).to(like).expand(shape)

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(0 if self.seed is None else self.seed)


@contextmanager
def fixed_noise(module: nn.Module, seed: int | None) -> Iterator[None]:
    """Fix the noise that a generator draws itself, so that samples are a function of the latents.

    Args:
        module: The generator.
        seed: Seed of the noise; None leaves it random.
    """
    layers = [m for m in module.modules() if isinstance(m, OwnNoise)]
    before = [layer.seed for layer in layers]
    try:
        for k, layer in enumerate(layers):
            layer.seed = None if seed is None else seed + 7919 * k
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.seed = value
