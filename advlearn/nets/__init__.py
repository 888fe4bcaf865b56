"""Reference networks, and the way to rebuild them from a checkpoint without pickles.

The networks of a paper are in `families`, one file per paper; `blocks` holds the layers that they
share, `adapters` the critics that rearrange their inputs. Import every class from here.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advlearn.nets.adapters.channel_concat_critic import ChannelConcatCritic
    from advlearn.nets.adapters.concat_critic import ConcatCritic, MultilinearMap
    from advlearn.nets.adapters.identity import IdentityCritic
    from advlearn.nets.adapters.pac_critic import PacCritic
    from advlearn.nets.adapters.pixels import PixelCritic
    from advlearn.nets.architecture import Architecture, architectures, build, find_architecture
    from advlearn.nets.autoencoder import AutoencoderCritic
    from advlearn.nets.blocks.attention import SelfAttention
    from advlearn.nets.blocks.conditional import ConditionalBatchNorm, ProjectionHead
    from advlearn.nets.blocks.equalized_lr import MinibatchDeviation, PixelNorm, equalized_lr
    from advlearn.nets.blocks.layers import (
        GaussianNoise,
        MinibatchDiscrimination,
        ReferenceBatch,
        VirtualBatchNorm,
    )
    from advlearn.nets.blocks.residual import DownBlock, UpBlock
    from advlearn.nets.blocks.weight_norm import data_dependent_init
    from advlearn.nets.classifier import ConvPredictor, MLPPredictor
    from advlearn.nets.density_critics import CategoricalCritic, MixtureDensityCritic
    from advlearn.nets.encoder import (
        ConvEncoder,
        MLPEncoder,
        PairCritic,
        encoder_for,
    )
    from advlearn.nets.families.biggan import BigGANCritic, BigGANGenerator
    from advlearn.nets.families.dac import SpectrogramBandCritic
    from advlearn.nets.families.dcgan import DCGANCritic, DCGANGenerator
    from advlearn.nets.families.gran import GRANGenerator
    from advlearn.nets.families.hifigan import MultiPeriodCritic, MultiScaleCritic
    from advlearn.nets.families.lapgan import LAPGANCritic, LAPGANGenerator
    from advlearn.nets.families.patchgan import PatchGANCritic
    from advlearn.nets.families.pix2pixhd import MultiScalePatchCritic
    from advlearn.nets.families.progan import ProGANCritic, ProGANGenerator
    from advlearn.nets.families.psgan import PSGANCritic, PSGANGenerator
    from advlearn.nets.families.pyramid import composed, doubled, halved, laplacian
    from advlearn.nets.families.r3gan import R3GANCritic, R3GANGenerator
    from advlearn.nets.families.sagan import SAGANCritic, SAGANGenerator
    from advlearn.nets.families.sngan import SNGANCritic, SNGANGenerator
    from advlearn.nets.families.stylegan import StyleGANGenerator
    from advlearn.nets.families.translators import ResidualTranslator, SRGANGenerator, enlarged
    from advlearn.nets.families.unet import UNetGenerator
    from advlearn.nets.families.unet_critic import UNetCritic
    from advlearn.nets.mlp import MLP, MLPCritic, MLPGenerator
    from advlearn.nets.network import Network
    from advlearn.nets.sizing import critic_for, generator_for, predictor_for

_EXPORTS = {
    "adapters.channel_concat_critic": "ChannelConcatCritic",
    "adapters.concat_critic": "ConcatCritic MultilinearMap",
    "adapters.identity": "IdentityCritic",
    "adapters.pac_critic": "PacCritic",
    "adapters.pixels": "PixelCritic",
    "architecture": "Architecture architectures build find_architecture",
    "autoencoder": "AutoencoderCritic",
    "blocks.attention": "SelfAttention",
    "blocks.conditional": "ConditionalBatchNorm ProjectionHead",
    "blocks.equalized_lr": "MinibatchDeviation PixelNorm equalized_lr",
    "blocks.layers": "GaussianNoise MinibatchDiscrimination ReferenceBatch VirtualBatchNorm",
    "blocks.residual": "DownBlock UpBlock",
    "blocks.weight_norm": "data_dependent_init",
    "classifier": "ConvPredictor MLPPredictor",
    "density_critics": "CategoricalCritic MixtureDensityCritic",
    "families.biggan": "BigGANCritic BigGANGenerator",
    "encoder": "ConvEncoder MLPEncoder PairCritic encoder_for",
    "families.dac": "SpectrogramBandCritic",
    "families.dcgan": "DCGANCritic DCGANGenerator",
    "families.gran": "GRANGenerator",
    "families.hifigan": "MultiPeriodCritic MultiScaleCritic",
    "families.lapgan": "LAPGANCritic LAPGANGenerator",
    "families.patchgan": "PatchGANCritic",
    "families.pix2pixhd": "MultiScalePatchCritic",
    "families.progan": "ProGANCritic ProGANGenerator",
    "families.psgan": "PSGANCritic PSGANGenerator",
    "families.pyramid": "composed doubled halved laplacian",
    "families.r3gan": "R3GANCritic R3GANGenerator",
    "families.sagan": "SAGANCritic SAGANGenerator",
    "families.sngan": "SNGANCritic SNGANGenerator",
    "families.stylegan": "StyleGANGenerator",
    "families.translators": "ResidualTranslator SRGANGenerator enlarged",
    "families.unet": "UNetGenerator",
    "families.unet_critic": "UNetCritic",
    "mlp": "MLP MLPCritic MLPGenerator",
    "network": "Network",
    "sizing": "critic_for generator_for predictor_for",
}
_HOMES = {name: module for module, names in _EXPORTS.items() for name in names.split()}

__all__ = [
    "MLP",
    "Architecture",
    "AutoencoderCritic",
    "BigGANCritic",
    "BigGANGenerator",
    "CategoricalCritic",
    "ChannelConcatCritic",
    "ConcatCritic",
    "ConditionalBatchNorm",
    "ConvEncoder",
    "ConvPredictor",
    "DCGANCritic",
    "DCGANGenerator",
    "DownBlock",
    "GRANGenerator",
    "GaussianNoise",
    "IdentityCritic",
    "LAPGANCritic",
    "LAPGANGenerator",
    "MLPCritic",
    "MLPEncoder",
    "MLPGenerator",
    "MLPPredictor",
    "MinibatchDeviation",
    "MinibatchDiscrimination",
    "MixtureDensityCritic",
    "MultiPeriodCritic",
    "MultiScaleCritic",
    "MultiScalePatchCritic",
    "MultilinearMap",
    "Network",
    "PSGANCritic",
    "PSGANGenerator",
    "PacCritic",
    "PairCritic",
    "PatchGANCritic",
    "PixelCritic",
    "PixelNorm",
    "ProGANCritic",
    "ProGANGenerator",
    "ProjectionHead",
    "R3GANCritic",
    "R3GANGenerator",
    "ReferenceBatch",
    "ResidualTranslator",
    "SAGANCritic",
    "SAGANGenerator",
    "SNGANCritic",
    "SNGANGenerator",
    "SRGANGenerator",
    "SelfAttention",
    "SpectrogramBandCritic",
    "StyleGANGenerator",
    "UNetCritic",
    "UNetGenerator",
    "UpBlock",
    "VirtualBatchNorm",
    "architectures",
    "build",
    "composed",
    "critic_for",
    "data_dependent_init",
    "doubled",
    "encoder_for",
    "enlarged",
    "equalized_lr",
    "find_architecture",
    "generator_for",
    "halved",
    "laplacian",
    "predictor_for",
]


def __getattr__(name: str) -> Any:
    # Late: the import of one network must not import all of them.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
