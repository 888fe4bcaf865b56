"""Small reference networks, and the way to rebuild them from a checkpoint without pickles.

The networks of a paper stand in a file of its name and are found there by `families`; import their classes from it.
"""

from collections.abc import Mapping
from typing import Any

from advlearn.nets.autoencoder import AutoencoderCritic
from advlearn.nets.classifier import ConvPredictor, MLPPredictor
from advlearn.nets.dcgan import DCGANCritic, DCGANGenerator
from advlearn.nets.density import GroupDensity, MixtureDensity
from advlearn.nets.family import Family, families, family, networks
from advlearn.nets.identity import IdentityCritic
from advlearn.nets.joined import Joined, Multilinear
from advlearn.nets.layers import GaussianNoise, MinibatchDiscrimination, Referenced, VirtualBatchNorm
from advlearn.nets.mlp import MLP, MLPCritic, MLPGenerator
from advlearn.nets.network import Network
from advlearn.nets.packed import Packed
from advlearn.nets.pixels import PixelCritic
from advlearn.nets.sizing import critic_for, generator_for, predictor_for
from advlearn.nets.weight_norm import data_dependent_init

__all__ = [
    "MLP",
    "AutoencoderCritic",
    "ConvPredictor",
    "DCGANCritic",
    "DCGANGenerator",
    "Family",
    "GaussianNoise",
    "GroupDensity",
    "IdentityCritic",
    "Joined",
    "MLPCritic",
    "MLPGenerator",
    "MLPPredictor",
    "MinibatchDiscrimination",
    "MixtureDensity",
    "Multilinear",
    "Network",
    "Packed",
    "PixelCritic",
    "Referenced",
    "VirtualBatchNorm",
    "build",
    "critic_for",
    "data_dependent_init",
    "families",
    "family",
    "generator_for",
    "predictor_for",
]


def build(recipe: Mapping[str, Any]) -> Network:
    """Build the network that a recipe describes, with new weights.

    Args:
        recipe: What `recipe()` of a network returned: its class name under "net", and its parameters.

    Returns:
        A network of the same architecture; load its weights with `load_state_dict`.

    Raises:
        ValueError: "net" is no class of `advlearn.nets`, or the parameters are not those of its constructor.

    Example:
        >>> build({"net": "MLPCritic", "shape": [2], "hidden": [8]}).recipe()["classes"]
        0
    """
    parameters = dict(recipe)
    name = parameters.pop("net", None)
    known = networks()
    if name not in known:
        raise ValueError(f"recipe: expected net to be one of {', '.join(known)}, got {name!r}")
    try:
        return known[name](**parameters)
    except TypeError as error:
        raise ValueError(f"recipe: {error}") from error
