from pathlib import Path

import pytest
import torch
from torch import Tensor

from advlearn import _optional_imports
from advlearn.metrics import features
from advlearn.metrics.inception import FEATURES, Inception


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state dict like torchvision's, with small random weights."""
    net = _optional_imports.torchvision().models.inception_v3(
        weights=None, transform_input=True, init_weights=False
    )
    path = tmp_path_factory.mktemp("weights") / "inception.pt"
    torch.save(net.state_dict(), path)
    return path


def torchvision_logits(file: Path, x: Tensor) -> Tensor:
    """Compute logits with torchvision's network and the normalisation of its weights."""
    models = _optional_imports.torchvision().models
    net = models.inception_v3(weights=None, transform_input=True, init_weights=False)
    net.load_state_dict(torch.load(file, weights_only=True))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = ((x + 1) / 2 - mean[:, None, None]) / std[:, None, None]
    with torch.no_grad():
        return net.eval()(normalised)


def test_features_agree_with_torchvision_up_to_the_last_layer(file: Path) -> None:
    x = 2 * torch.rand(2, 3, 299, 299) - 1
    net = Inception(file)
    result = features(net, x)
    assert result.shape == (2, FEATURES) and not result.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(
            net.logits(result), torchvision_logits(file, x), rtol=1e-3, atol=1e-4
        )


def test_small_and_grey_images_are_resized_and_repeated(file: Path) -> None:
    net, grey = Inception(file), 2 * torch.rand(2, 1, 28, 28) - 1
    torch.testing.assert_close(features(net, grey), features(net, grey.expand(-1, 3, -1, -1)))
    assert net.resized == "resized to 299 x 299, bilinear, antialiased"


def test_missing_weights_are_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        FileNotFoundError,
        match=r"^weights: expected a file with Inception's weights, got '.*none.pt'$",
    ):
        Inception(tmp_path / "none.pt")
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(
        ValueError, match=r"^weights: expected a state dict of inception_v3, got .*other.pt: .*"
    ) as error:
        Inception(tmp_path / "other.pt")
    assert "\n" not in str(error.value)
    # The cache is a file, so that torch fails before it downloads anything.
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    with pytest.raises(
        FileNotFoundError,
        match=r"^weights: expected torchvision's Inception-v3 in its cache, .*; pass a file$",
    ):
        Inception()


def test_images_of_a_wrong_shape_are_one_line(file: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"^images: expected \(N, 1 or 3, H, W\) in \[-1, 1\], got float32 \(2, 4, 8, 8\)",
    ):
        Inception(file)(torch.zeros(2, 4, 8, 8))
