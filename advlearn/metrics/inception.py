"""Inception-v3 as a feature extractor, with torchvision's weights or those of the published FID."""

from pathlib import Path
from typing import Any, Final, Literal, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from advlearn import _optional_imports
from advlearn.core.arguments import checked
from advlearn.core.checks import check_choice, describe_value
from advlearn.core.files import RefusedFileError
from advlearn.metrics._ranges import check_symmetric, scaled

SIDE: Final = 299
FEATURES = 2048
CLASSES_OF_2015 = 1008

Protocol = Literal["torchvision", "pytorch-fid", "torch-fidelity"]
RESIZED: Final = {
    "torchvision": f"resized to {SIDE} x {SIDE}, bilinear, antialiased",
    "pytorch-fid": f"resized to {SIDE} x {SIDE} as by pytorch-fid, bilinear, not antialiased",
    "torch-fidelity": f"resized to {SIDE} x {SIDE} as by torch-fidelity and TensorFlow 1",
}


@checked
@final
class Inception(nn.Module):
    """Compute the 2048 features before the last layer of Inception-v3, in evaluation mode.

    Images are resized to 299 x 299 and grey ones repeated over the three channels. The weights of
    2015, which published Frechet distances (FID) use, have 1008 classes and other pooling layers;
    ``pt_inception-2015-12-05-6726825d.pth`` of pytorch-fid and
    ``weights-inception-2015-12-05-6726825d.pth`` of torch-fidelity hold them.

    Args:
        weights: File of a state dict of ``torchvision.models.inception_v3`` or of the weights of
            2015; None takes torchvision's ImageNet weights, from its cache or by a download.
        protocol: How images are resized: ``"pytorch-fid"`` (bilinear) or ``"torch-fidelity"``
            (rounded to 8 bits, then resized as by TensorFlow 1) for the weights of 2015, and
            ``"torchvision"`` (bilinear, antialiased) for the others; None takes ``"pytorch-fid"``
            or ``"torchvision"``, by the number of classes.

    Raises:
        FileNotFoundError: There is no such file, or the weights cannot be downloaded.
        ValueError: The file does not contain such a state dict, or does not fit the protocol.

    Reference: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR
    2016; Parmar et al., "On Aliased Resizing and Surprising Subtleties in GAN Evaluation", CVPR
    2022 (the effect of the resizing).

    Deviations: with torchvision's weights, results are comparable only with results of this class.
    """

    def __init__(self, weights: str | Path | None = None, protocol: Protocol | None = None) -> None:
        super().__init__()
        models = _optional_imports.torchvision().models
        state = _state(weights, models)
        of_2015 = _has_classes_of_2015(state)
        self.protocol = _protocol(protocol, of_2015=of_2015)
        self.resized = RESIZED[self.protocol]
        # Its transformation maps ImageNet's scale to [-1, 1], which our images already have.
        net = models.inception_v3(
            weights=None,
            transform_input=False,
            init_weights=False,
            aux_logits=False,
            **({"num_classes": CLASSES_OF_2015} if of_2015 else {}),
        )
        try:
            net.load_state_dict(_without_auxiliary(state))
        except (RuntimeError, AttributeError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                f"weights: expected a state dict of inception_v3, got {weights}: {reason}"
            ) from None
        self.head = net.fc
        if of_2015:
            _pool_as_in_2015(net)
            # The published inception score leaves out the bias.
            self.head.bias = None
        net.fc = nn.Identity()
        self.net = net.requires_grad_(False).eval()
        self.head.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Compute features (N, 2048) of images (N, 1 or 3, H, W), in [-1, 1] or uint8."""
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                f"images: expected (N, 1 or 3, H, W) in [-1, 1], got {describe_value(images)}"
            )
        pixels = scaled(images).float()
        if images.dtype != torch.uint8:
            check_symmetric("images", pixels)
        return self.net(_resize(pixels, self.protocol).expand(-1, 3, -1, -1))

    def logits(self, features: Tensor) -> Tensor:
        """Compute logits (N, 1000 or 1008) of the classes from features (N, 2048)."""
        return self.head(features)


def _resize(pixels: Tensor, protocol: str) -> Tensor:
    """Resize images in [-1, 1] and scale them as the network expects."""
    if protocol == "torch-fidelity":
        levels = ((pixels + 1.0) * 127.5).round().clamp(0.0, 255.0)
        return (resize_as_tensorflow(levels, SIDE) - 128.0) / 128.0
    return interpolate(
        pixels,
        (SIDE, SIDE),
        mode="bilinear",
        align_corners=False,
        antialias=protocol == "torchvision",
    )


def resize_as_tensorflow(images: Tensor, side: int) -> Tensor:
    """Resize images (N, C, H, W) to side x side bilinearly, with the pixels of TensorFlow 1.

    Pixel i of the result is at i * H / side of the input: the corners are aligned at the top left
    only, and the last rows repeat the edge.

    Example:
        >>> resize_as_tensorflow(torch.tensor([[[[0.0, 3.0]]]]), 3)[0, 0, 0]
        tensor([0., 2., 3.])
    """
    for axis in (2, 3):
        length = images.shape[axis]
        place = torch.arange(side, device=images.device, dtype=torch.float32) * (length / side)
        low = place.long()
        high = (low + 1).clamp_max(length - 1)
        part = (place - low).view(-1, *[1] * (3 - axis))
        first, second = images.index_select(axis, low), images.index_select(axis, high)
        images = first + (second - first) * part
    return images


@final
class _Pooled(nn.Module):
    """Replace the pooling of a block of Inception, whose branch is the last of its channels."""

    def __init__(self, block: nn.Module, *, largest: bool) -> None:
        super().__init__()
        self.block = block
        self.largest = largest

    def forward(self, x: Tensor) -> Tensor:
        """Compute the block with the other pooling."""
        pooled = (
            max_pool2d(x, 3, stride=1, padding=1)
            if self.largest
            else avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        )
        branch = cast(Any, self.block).branch_pool(pooled)
        return torch.cat([self.block(x)[:, : -branch.shape[1]], branch], 1)


def _pool_as_in_2015(net: Any) -> None:
    """Leave padding out of the averages, and take the largest value in the last block."""
    for name in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b", "7c"):
        block = getattr(net, f"Mixed_{name}")
        setattr(net, f"Mixed_{name}", _Pooled(block, largest=name == "7c"))


def _has_classes_of_2015(state: Any) -> bool:
    last = state.get("fc.weight") if isinstance(state, dict) else None
    return isinstance(last, Tensor) and last.shape == (CLASSES_OF_2015, FEATURES)


def _without_auxiliary(state: Any) -> Any:
    """Leave out the auxiliary classifier, which is for training."""
    if not isinstance(state, dict):
        return state
    named = cast(dict[str, Tensor], state)
    return {name: value for name, value in named.items() if not name.startswith("AuxLogits.")}


def _protocol(protocol: str | None, *, of_2015: bool) -> str:
    if protocol is None:
        return "pytorch-fid" if of_2015 else "torchvision"
    check_choice("protocol", protocol, tuple(RESIZED))
    if (protocol == "torchvision") == of_2015:
        fitting = "pytorch-fid or torch-fidelity" if of_2015 else "torchvision"
        classes = CLASSES_OF_2015 if of_2015 else 1000
        raise ValueError(
            f"protocol: expected {fitting} for weights of {classes} classes, got {protocol}; "
            "leave it out, or pass a file of the other weights"
        )
    return protocol


def _state(weights: str | Path | None, models: Any) -> dict[str, Tensor]:
    if weights is not None:
        if not Path(weights).is_file():
            raise FileNotFoundError(
                f"weights: expected a file with Inception's weights, got {str(weights)!r}"
            )
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
        except OSError:
            raise
        except Exception:  # a damaged file can fail in any way
            raise RefusedFileError(
                f"weights: expected a file with Inception's weights, got {str(weights)!r}, which "
                "is damaged or of another kind; download it again"
            ) from None
        return cast(dict[str, Tensor], state)
    try:
        return models.Inception_V3_Weights.IMAGENET1K_V1.get_state_dict(
            progress=False, check_hash=True
        )
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise FileNotFoundError(
            "weights: expected torchvision's Inception-v3 in its cache, got no file, and "
            f"downloading it failed ({reason}); pass a file"
        ) from None
