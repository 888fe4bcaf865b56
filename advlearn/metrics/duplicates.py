"""Near-duplicates among images, found by the distance of short binary codes."""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.nn.utils import skip_init

from advlearn.core.arguments import Count, Natural, Seed, Share, checked
from advlearn.core.checks import describe_value
from advlearn.data.folder import FolderImages
from advlearn.metrics.extract import features

_SIDE = 32  # images of a folder are cropped and resized to this side
_BLOCK = 2**24  # distances held at once


@checked
def binary_codes(
    images: Tensor, *, bits: Count = 128, steps: Natural = 500, seed: Seed = 0
) -> Tensor:
    """Encode images as bits such that similar images have similar codes (semantic hashing).

    A denoising autoencoder, d - bits - d with a rectifier, is trained on the images. A bit states
    whether an input of a rectifier is above its median over the images. The brightness and the
    contrast of an image do not matter.

    Args:
        images: Float or uint8 (N, ...); large images are best reduced to 32 pixels.
        bits: Length of the codes.
        steps: Training steps of at most 128 images; 0: a random projection.
        seed: Seed of the autoencoder.

    Returns:
        Codes, bool (N, bits).

    Raises:
        ValueError: No images, or values that are not finite.

    Example:
        >>> binary_codes(torch.rand(5, 1, 8, 8), bits=16, steps=3).shape
        torch.Size([5, 16])

    Reference: Salakhutdinov and Hinton, "Semantic Hashing", 2009, section 3; Radford et al. 2016,
    section 4.1 (this autoencoder on 32 x 32 pixels, for a data set without duplicates).

    Deviations: the threshold of a bit is the median and not 0, so that each bit halves the images.
    """
    x = _standardised(images)
    x = (x - x.mean(0)) / (x - x.mean(0)).std(unbiased=False).clamp(min=1e-6)
    encoder = _trained(x, bits, steps, torch.Generator().manual_seed(seed))
    before = features(encoder, x)
    ordered = before.sort(0).values
    # Between the two samples in the middle, so that no sample lies on the threshold.
    low = (len(x) - 1) // 2
    middle = (ordered[low] + ordered[min(low + 1, len(x) - 1)]) / 2
    return before > middle


@checked
def near_duplicates(
    images: Tensor | str | Path,
    *,
    largest_distance: Natural = 16,
    least_correlation: Share = 0.97,
    bits: Count = 128,
    steps: Natural = 500,
    seed: Seed = 0,
) -> list[list[int]] | list[list[Path]]:
    """Find groups of images that are equal or nearly equal, by `binary_codes`.

    Two images are near-duplicates if their codes differ in few bits and their pixels correlate;
    codes of unrelated images differ in about half of the bits. A group is what a chain of
    near-duplicates connects.

    Args:
        images: Float or uint8 (N, ...), or a folder of images, with or without sub-folders.
        largest_distance: The largest number of bits in which near-duplicates differ; 0 finds equal
            codes only.
        least_correlation: The smallest correlation of their pixels; 0 trusts the codes.
        bits: As in `binary_codes`.
        steps: As in `binary_codes`.
        seed: As in `binary_codes`.

    Returns:
        Groups of at least two, in the order of the images: their indices, or the paths of the
        files of a folder.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: No images, values that are not finite, or a file that is not an image of 8 bits.

    Example:
        >>> images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> images[7] = images[3]
        >>> near_duplicates(images)
        [[3, 7]]
    """
    files = None
    if not isinstance(images, Tensor):
        files = FolderImages(images, size=(_SIDE, _SIDE))
        read = (files[i] for i in range(len(files)))
        images = torch.stack([torch.as_tensor(x[0] if files.targets else x) for x in read])
    codes = binary_codes(images, bits=bits, steps=steps, seed=seed)
    groups = _groups(codes, _standardised(images), largest_distance, least_correlation)
    return groups if files is None else [[files.paths[i] for i in group] for group in groups]


def _standardised(images: Tensor) -> Tensor:
    """Check images and return them as vectors (N, d) of mean 0 and deviation 1."""
    x = images.detach().cpu().float().flatten(1)
    if images.ndim < 2 or not x.numel() or not bool(x.isfinite().all()):
        raise ValueError(
            f"images: expected finite values (N, ...), N at least 1, got {describe_value(images)}"
        )
    x = x - x.mean(1, keepdim=True)
    return x / x.std(1, keepdim=True, unbiased=False).clamp(min=1e-6)


def _trained(x: Tensor, bits: int, steps: int, generator: torch.Generator) -> nn.Linear:
    """Return the encoder of a denoising autoencoder."""
    # Without PyTorch's own start, which draws from the global generator.
    encoder = cast(nn.Linear, skip_init(nn.Linear, x.shape[1], bits))
    decoder = cast(nn.Linear, skip_init(nn.Linear, bits, x.shape[1]))
    with torch.no_grad():
        for layer in (encoder, decoder):
            layer.bias.zero_()
            deviation = layer.in_features**-0.5
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * deviation)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    with torch.enable_grad():
        for _ in range(steps):
            batch = x[torch.randint(len(x), (min(128, len(x)),), generator=generator)]
            kept = torch.rand(batch.shape, generator=generator) > 0.2
            optimizer.zero_grad()
            mse_loss(decoder(encoder(batch * kept / 0.8).relu()), batch).backward()
            optimizer.step()
    return encoder.requires_grad_(False)


def _groups(codes: Tensor, x: Tensor, largest: int, least: float) -> list[list[int]]:
    """Return the connected groups of images.

    Args:
        codes: Codes, bool (N, bits).
        x: Images as vectors (N, d) of deviation 1.
        largest: The largest number of bits in which two of them differ.
        least: The smallest correlation of their vectors.
    """
    signs = codes.float() * 2 - 1
    first = list(range(len(codes)))

    def root(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    height = max(1, _BLOCK // len(codes))
    for start in range(0, len(codes), height):
        distances = (codes.shape[1] - signs[start : start + height] @ signs.T) / 2
        one, other = (distances <= largest).nonzero(as_tuple=True)
        one = one + start
        # Not a product, which is 0 for two images of one colour.
        correlation = 1 - (x[one] - x[other]).square().mean(1) / 2
        alike = (one < other) & (correlation >= least)
        for i, j in zip(one[alike].tolist(), other[alike].tolist(), strict=True):
            low, high = sorted((root(i), root(j)))
            first[high] = low
    members: dict[int, list[int]] = {}
    for i in range(len(codes)):
        members.setdefault(root(i), []).append(i)
    return [group for group in members.values() if len(group) > 1]
