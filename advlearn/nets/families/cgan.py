"""Conditional GAN: the condition is concatenated to the input of both networks."""

from collections.abc import Sequence

from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.families.dcgan import ARCHITECTURE as DCGAN
from advlearn.nets.families.dcgan import DCGANCritic


def critic(
    shape: Sequence[int], out_features: int = 1, *, base_channels: int = 64, classes: int = 0
) -> DCGANCritic:
    """Return a `DCGANCritic` that concatenates a plane of the class to the image.

    Args:
        shape: Shape (C, H, W) of an image, as for `DCGANCritic`.
        out_features: Scores per sample.
        base_channels: Channels at half the full resolution.
        classes: Number of classes; 0 for an unconditional critic.

    Returns:
        The critic.

    Raises:
        ValueError: As for `DCGANCritic`.

    Example:
        >>> critic((1, 28, 28), base_channels=4, classes=10).conditioning
        'concat'

    Reference: Mirza, Osindero, "Conditional Generative Adversarial Nets", 2014, section 3.2 and
        figure 1; the plane as in Denton et al. 2015, section 3.2 (class conditional LAPGAN).

    Deviations: DCGAN's convolutions instead of maxout and linear layers.
    """
    return DCGANCritic(shape, out_features, base_channels, classes, conditioning="concat")


ARCHITECTURE = Architecture(
    DCGAN.generator,
    critic,
    DCGAN.sides,
    any_size=True,
    summary="Concatenate the class to the input of DCGAN's generator and critic.",
    reference=Reference(
        "Conditional Generative Adversarial Nets",
        "Mirza and Osindero 2014",
        "section 3.2, figure 1",
        "https://arxiv.org/abs/1411.1784",
    ),
)
