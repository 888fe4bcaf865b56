"""Inception-v3 as a feature extractor, with torchvision's ImageNet weights."""

from pathlib import Path
from typing import Any, ClassVar, Final, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from advlearn import _optional_imports
from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value
from advlearn.core.files import RefusedFileError

SIDE: Final = 299
FEATURES = 2048


@checked
@final
class Inception(nn.Module):
    """Compute the 2048 features before the last layer of Inception-v3, in evaluation mode.

    Images are resized to 299 x 299 (bilinear, antialiased) and grey ones repeated over the three
    channels.

    Args:
        weights: File of a state dict of ``torchvision.models.inception_v3``; None takes
            torchvision's ImageNet weights, from its cache or by a download.

    Raises:
        FileNotFoundError: There is no such file, or the weights cannot be downloaded.
        ValueError: The file does not contain such a state dict.

    Reference: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR
    2016.

    Deviations: published Frechet distances (FID) and inception scores use TensorFlow's Inception of
        2015 with another resizing, so results are comparable only with results of this class.
    """

    resized: ClassVar[str] = f"resized to {SIDE} x {SIDE}, bilinear, antialiased"

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__()
        models = _optional_imports.torchvision().models
        # Its transformation maps ImageNet's scale to [-1, 1], which our images already have.
        net = models.inception_v3(weights=None, transform_input=False, init_weights=False)
        try:
            net.load_state_dict(_state(weights, models))
        except (RuntimeError, AttributeError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"weights: expected a state dict of inception_v3, got {weights}: {reason}"
            ) from None
        self.head = net.fc
        net.fc = nn.Identity()
        net.AuxLogits = None
        self.net = net.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Compute features (N, 2048) of images (N, 1 or 3, H, W) in [-1, 1]."""
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                f"images: expected (N, 1 or 3, H, W) in [-1, 1], got {describe_value(images)}"
            )
        large = interpolate(images.float(), (SIDE, SIDE), mode="bilinear", antialias=True)
        return self.net(large.expand(-1, 3, -1, -1))

    def logits(self, features: Tensor) -> Tensor:
        """Compute logits (N, 1000) of ImageNet's classes from features (N, 2048)."""
        return self.head(features)


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
