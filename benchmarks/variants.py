"""Ablated variants of the architectures, for rows that measure what one part contributes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from advlearn.nets.blocks.residual import grids, normalise
from advlearn.nets.families.biggan import BigGANCritic, BigGANGenerator
from advlearn.nets.families.dcgan import DCGANCritic, DCGANGenerator
from advlearn.nets.families.progan import ProGANCritic
from advlearn.nets.families.sagan import SAGANCritic, SAGANGenerator
from advlearn.nets.families.sngan import SNGANCritic, SNGANGenerator
from advlearn.nets.families.stylegan import StyleGANGenerator

LATENT, CLASSES = 64, 10
Shape = tuple[int, ...]
Nets = tuple[nn.Module, nn.Module]


def without_attention(shape: Shape, width: int) -> Nets:
    """Return SAGAN's networks without attention."""
    generator = SNGANGenerator(LATENT, shape, width, CLASSES)
    normalise(generator)
    return generator, SNGANCritic(shape, base_channels=width, classes=CLASSES)


def without_spectral_norm(shape: Shape, width: int) -> Nets:
    """Return SAGAN's networks without spectral norm in the generator."""
    critic = SAGANCritic(shape, base_channels=width, classes=CLASSES)
    return SAGANGenerator(LATENT, shape, width, CLASSES, spectral=False), critic


def without_hierarchy(shape: Shape, width: int) -> Nets:
    """Return BigGAN's networks with the latent in the first layer only."""
    return FirstLayerOnly(shape, width), BigGANCritic(shape, base_channels=width, classes=CLASSES)


def without_orthogonal_term(shape: Shape, width: int) -> Nets:
    """Return BigGAN's networks without orthogonal regularization; they still start orthogonal."""
    critic = BigGANCritic(shape, base_channels=width, classes=CLASSES)
    return BigGANGenerator(LATENT, shape, width, CLASSES, orthogonal=0.0), critic


def without_mixing(shape: Shape, width: int) -> Nets:
    """Return StyleGAN's networks without style mixing."""
    critic = ProGANCritic(shape, base_channels=width, classes=CLASSES)
    return StyleGANGenerator(LATENT, shape, width, CLASSES, mixing=0.0), critic


def concatenated(shape: Shape, width: int) -> Nets:
    """Return DCGAN's networks with the class concatenated to the critic's input, as in CGAN."""
    critic = DCGANCritic(shape, base_channels=width, classes=CLASSES, conditioning="concat")
    return DCGANGenerator(LATENT, shape, width, CLASSES), critic


class FirstLayerOnly(nn.Module):
    """Build BigGAN's generator with the latent in its first layer only."""

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.empty = LATENT * (len(grids(shape)) - 1)
        self.net = BigGANGenerator(LATENT + self.empty, shape, width, CLASSES)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Map latents (N, LATENT) and classes (N,) to images."""
        return self.net(torch.cat([z, z.new_zeros(len(z), self.empty)], 1), y)

    def penalty(self) -> Tensor:
        """Return BigGAN's orthogonal regularization."""
        return self.net.penalty()


VARIANTS: Mapping[str, Callable[[Shape, int], Nets]] = MappingProxyType(
    {
        "sagan without attention": without_attention,
        "sagan without generator's spectral norm": without_spectral_norm,
        "biggan without hierarchy": without_hierarchy,
        "biggan without orthogonal term": without_orthogonal_term,
        "stylegan without mixing": without_mixing,
        "dcgan, class concatenated": concatenated,
    }
)
