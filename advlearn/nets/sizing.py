"""Choose a reference network by the shape of the data."""

import math
from collections.abc import Sequence
from typing import Literal

from advlearn.core.arguments import Count, Natural, checked
from advlearn.nets.autoencoder import AutoencoderCritic
from advlearn.nets.blocks.resolution import fits
from advlearn.nets.classifier import ConvPredictor, MLPPredictor
from advlearn.nets.families.dcgan import DCGANCritic, DCGANGenerator
from advlearn.nets.mlp import MLPCritic, MLPGenerator
from advlearn.nets.network import sizes

SMALLEST_CONVOLUTIONAL = 16
"""Samples whose largest side is smaller get a multilayer perceptron."""

SMALLEST_TRANSLATED = 8
"""Images with a smaller side are translated as vectors."""

EMBEDDED = 16
"""Default size of the score of a critic that embeds (`output="vector"`)."""


@checked
def generator_for(
    shape: Sequence[int],
    latent: Count,
    classes: Natural = 0,
    base_channels: Count = 64,
    tanh_output: bool | None = None,
) -> MLPGenerator | DCGANGenerator:
    """Return a generator for samples of a shape.

    Images, series and volumes of any size from 16 pixels get `DCGANGenerator`, vectors and smaller
    samples `MLPGenerator`.

    Args:
        shape: Shape of one sample.
        latent: Size of the latent vector.
        classes: Number of classes; 0 for an unconditional generator.
        base_channels: Channels at half resolution; a perceptron has three hidden layers of
            4 * base_channels.
        tanh_output: End in tanh; None does so for images (C, H, W) only.

    Raises:
        ValueError: A size below 1.

    Example:
        >>> type(generator_for((1, 28, 28), 64)).__name__, type(generator_for((2,), 8)).__name__
        ('DCGANGenerator', 'MLPGenerator')
    """
    shape = sizes("shape", shape)
    tanh_output = len(shape) == 3 if tanh_output is None else tanh_output
    if is_convolutional(shape):
        return DCGANGenerator(latent, shape, base_channels, classes, tanh_output=tanh_output)
    return MLPGenerator(latent, shape, _hidden(base_channels), classes, tanh_output)


@checked
def critic_for(
    shape: Sequence[int],
    output: Literal["logit", "vector", "energy", "classes", "density"] = "logit",
    classes: Natural = 0,
    out_features: int | None = None,
    base_channels: Count = 64,
) -> MLPCritic | DCGANCritic | AutoencoderCritic:
    """Return a critic for samples of a shape and the output that an objective needs.

    Args:
        shape: Shape of one sample.
        output: "logit" (one score per sample), "vector" (an embedding), "classes" (class logits) or
            "energy" (`AutoencoderCritic`).
        classes: Number of classes to condition the critic on; 0 for none.
        out_features: Size of a "vector" (default 16) or number of logits for "classes" (no
            default).
        base_channels: Channels at half resolution; a perceptron has three hidden layers of
            4 * base_channels.

    Raises:
        ValueError: An unknown output, `out_features` missing or not applicable, or a size below 1.

    Example:
        >>> type(critic_for((2,), "energy")).__name__
        'AutoencoderCritic'
    """
    shape = sizes("shape", shape)
    features = _features(output, out_features)
    if output == "energy":
        # An autoencoder with a code as large as the data can copy any sample, real or fake.
        return AutoencoderCritic(
            shape, base_channels, min(32, max(1, math.prod(shape) // 2)), classes
        )
    if is_convolutional(shape):
        return DCGANCritic(shape, features, base_channels, classes)
    return MLPCritic(shape, features, _hidden(base_channels), classes)


@checked
def predictor_for(shape: Sequence[int], outputs: Count) -> MLPPredictor | ConvPredictor:
    """Return a classifier or regressor for samples of a shape.

    Images from 16 pixels a side get `ConvPredictor`, everything else `MLPPredictor`.

    Args:
        shape: Shape of one sample.
        outputs: Outputs per sample.

    Example:
        >>> type(predictor_for((3, 28, 28), 10)).__name__
        'ConvPredictor'
    """
    shape = sizes("shape", shape)
    if len(shape) == 3 and min(shape[1:]) >= SMALLEST_CONVOLUTIONAL:
        return ConvPredictor(shape, outputs)
    return MLPPredictor(shape, outputs)


def is_convolutional(shape: tuple[int, ...]) -> bool:
    """Return whether samples of a shape get convolutional networks by default.

    Example:
        >>> is_convolutional((3, 33, 128)), is_convolutional((2, 100)), is_convolutional((1, 8, 8))
        (True, True, False)
    """
    return fits(shape) and max(shape[1:]) >= SMALLEST_CONVOLUTIONAL


def is_image(*shapes: tuple[int, ...]) -> bool:
    """Return whether all shapes are of images, the last large enough for convolutions.

    Example:
        >>> is_image((3, 8, 8)), is_image((3, 4, 4)), is_image((8,))
        (True, False, False)
    """
    images = all(len(shape) == 3 for shape in shapes)
    return images and min(shapes[-1][1:]) >= SMALLEST_TRANSLATED


def _features(output: str, out_features: int | None) -> int:
    if output in ("logit", "energy"):
        if out_features not in (None, 1):
            raise ValueError(
                f"out_features: expected None or 1 for output {output!r}, got {out_features}"
            )
        return 1
    if output == "vector":
        return EMBEDDED if out_features is None else out_features
    if output != "classes":
        raise ValueError(f"output: expected logit, vector, energy or classes, got {output!r}")
    if out_features is None:
        raise ValueError(
            "out_features: expected the number of logits for output 'classes', got None"
        )
    return out_features


def _hidden(base_channels: int) -> tuple[int, int, int]:
    return (4 * base_channels, 4 * base_channels, 4 * base_channels)
