"""Small reference networks, and the way to rebuild them from a checkpoint without pickles.

The networks of a paper stand in a file of its name and are found there by `architectures`; import
their classes from it.
"""

from collections.abc import Mapping
from typing import Any

from advlearn.nets.architecture import Architecture, architectures, find_architecture, networks
from advlearn.nets.autoencoder import AutoencoderCritic
from advlearn.nets.classifier import ConvPredictor, MLPPredictor
from advlearn.nets.concat_critic import ConcatCritic, MultilinearMap
from advlearn.nets.dcgan import DCGANCritic, DCGANGenerator
from advlearn.nets.density_critics import CategoricalCritic, MixtureDensityCritic
from advlearn.nets.identity import IdentityCritic
from advlearn.nets.layers import (
    GaussianNoise,
    MinibatchDiscrimination,
    ReferenceBatch,
    VirtualBatchNorm,
)
from advlearn.nets.mlp import MLP, MLPCritic, MLPGenerator
from advlearn.nets.network import Network
from advlearn.nets.pac_critic import PacCritic
from advlearn.nets.pixels import PixelCritic
from advlearn.nets.sizing import critic_for, generator_for, predictor_for
from advlearn.nets.weight_norm import data_dependent_init

__all__ = [
    "MLP",
    "Architecture",
    "AutoencoderCritic",
    "CategoricalCritic",
    "ConcatCritic",
    "ConvPredictor",
    "DCGANCritic",
    "DCGANGenerator",
    "GaussianNoise",
    "IdentityCritic",
    "MLPCritic",
    "MLPGenerator",
    "MLPPredictor",
    "MinibatchDiscrimination",
    "MixtureDensityCritic",
    "MultilinearMap",
    "Network",
    "PacCritic",
    "PixelCritic",
    "ReferenceBatch",
    "VirtualBatchNorm",
    "architectures",
    "build",
    "critic_for",
    "data_dependent_init",
    "find_architecture",
    "generator_for",
    "predictor_for",
]


def build(config: Mapping[str, Any]) -> Network:
    """Build the network that a recipe describes, with new weights.

    Args:
        config: What `config()` of a network returned: its class name under "net", and its
            parameters.

    Returns:
        A network of the same architecture; load its weights with `load_state_dict`.

    Raises:
        ValueError: "net" is no class of `advlearn.nets`, or the parameters are not those of its
        constructor.

    Example:
        >>> build({"net": "MLPCritic", "shape": [2], "hidden": [8]}).config()["classes"]
        0
    """
    parameters = dict(config)
    name = parameters.pop("net", None)
    known = networks()
    if name not in known:
        raise ValueError(f"config: expected net to be one of {', '.join(known)}, got {name!r}")
    try:
        return known[name](**parameters)
    except TypeError as error:
        raise ValueError(f"config: {error}") from error
