from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from advlearn import _optional_imports
from advlearn.metrics import features
from advlearn.metrics.inception import FEATURES, Inception, _Pooled, resize_as_tensorflow


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


@pytest.fixture(scope="module")
def file_of_2015(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state dict like that of pytorch-fid: 1008 classes and no auxiliary classifier."""
    net = _optional_imports.torchvision().models.inception_v3(
        weights=None, num_classes=1008, aux_logits=False, init_weights=False
    )
    path = tmp_path_factory.mktemp("weights") / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(net.state_dict(), path)
    return path


def pool_2015(x: Tensor) -> Tensor:
    """Average the 3 x 3 neighbours that are inside the image."""
    sums = functional.avg_pool2d(x, 3, 1, 1) * 9
    counts = functional.avg_pool2d(torch.ones_like(x), 3, 1, 1) * 9
    return sums / counts


def block_2015(block: nn.Module, x: Tensor, pooled: Tensor) -> Tensor:
    """Compute an Inception block from its branches, with this input of the last branch."""
    chains = {
        "InceptionA": [["1x1"], ["5x5_1", "5x5_2"], ["3x3dbl_1", "3x3dbl_2", "3x3dbl_3"]],
        "InceptionC": [
            ["1x1"],
            ["7x7_1", "7x7_2", "7x7_3"],
            ["7x7dbl_1", "7x7dbl_2", "7x7dbl_3", "7x7dbl_4", "7x7dbl_5"],
        ],
        "InceptionE": [
            ["1x1"],
            ["3x3_1", "3x3_2a"],
            ["3x3_1", "3x3_2b"],
            ["3x3dbl_1", "3x3dbl_2", "3x3dbl_3a"],
            ["3x3dbl_1", "3x3dbl_2", "3x3dbl_3b"],
        ],
    }[type(block).__name__]
    outputs = []
    for chain in chains:
        value = x
        for name in chain:
            value = getattr(block, f"branch{name}")(value)
        outputs.append(value)
    return torch.cat([*outputs, block.branch_pool(pooled)], 1)


def features_2015(file: Path, x: Tensor) -> Tensor:
    """Compute the features of pytorch-fid's network, from its description."""
    net = _optional_imports.torchvision().models.inception_v3(
        weights=None, num_classes=1008, aux_logits=False, init_weights=False
    )
    net.load_state_dict(torch.load(file, weights_only=True))
    net.eval()
    with torch.no_grad():
        for name, layer in net.named_children():
            if name == "dropout":
                break
            if not name.startswith("Mixed") or name in ("Mixed_6a", "Mixed_7a"):
                x = layer(x)
            elif name == "Mixed_7c":
                x = block_2015(layer, x, functional.max_pool2d(x, 3, 1, 1))
            else:
                x = block_2015(layer, x, pool_2015(x))
    return x.flatten(1)


def test_the_weights_of_2015_have_the_features_of_pytorch_fid(file_of_2015: Path) -> None:
    images = torch.randint(0, 256, (2, 3, 64, 48), dtype=torch.uint8)
    net = Inception(file_of_2015)
    assert net.protocol == "pytorch-fid" and "pytorch-fid, bilinear" in net.resized
    # pytorch-fid resizes in [0, 1], and scales afterwards.
    large = functional.interpolate(images / 255, (299, 299), mode="bilinear")
    expected = features_2015(file_of_2015, 2 * large - 1)
    torch.testing.assert_close(features(net, images), expected, rtol=1e-3, atol=1e-4)
    weight = torch.load(file_of_2015, weights_only=True)["fc.weight"]
    torch.testing.assert_close(net.logits(expected), expected @ weight.T)


def test_torch_fidelity_resizes_as_tensorflow_1(file_of_2015: Path) -> None:
    images = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8)
    net = Inception(file_of_2015, protocol="torch-fidelity")
    large = (resize_as_tensorflow(images.float(), 299) - 128) / 128
    expected = features_2015(file_of_2015, large)
    torch.testing.assert_close(features(net, images), expected, rtol=1e-3, atol=1e-4)
    # A generator's images are rounded to 8 bits, which the published code takes.
    torch.testing.assert_close(features(net, images / 127.5 - 1 + 1e-4), features(net, images))


def test_the_pixels_of_tensorflow_1_start_at_the_corner() -> None:
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    row = resize_as_tensorflow(ramp, 8)[0, 0, 0].tolist()
    assert row == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]
    column = resize_as_tensorflow(ramp.mT, 8)[0, 0, :, 0].tolist()
    assert column == row
    assert resize_as_tensorflow(ramp, 2)[0, 0].tolist() == [[0, 2], [0, 2]]


def test_a_file_without_the_auxiliary_classifier_is_taken(file: Path, tmp_path: Path) -> None:
    state = torch.load(file, weights_only=True)
    plain = {name: value for name, value in state.items() if not name.startswith("AuxLogits")}
    torch.save(plain, tmp_path / "plain.pt")
    x = 2 * torch.rand(1, 3, 80, 80) - 1
    assert features(Inception(tmp_path / "plain.pt"), x).equal(features(Inception(file), x))
    plain.pop("Mixed_7c.branch1x1.conv.weight")
    torch.save(plain, tmp_path / "part.pt")
    with pytest.raises(ValueError, match=r"Mixed_7c.branch1x1.conv.weight"):
        Inception(tmp_path / "part.pt")


def test_a_protocol_of_other_weights_is_refused(file: Path, file_of_2015: Path) -> None:
    with pytest.raises(ValueError, match=r"^protocol: expected torchvision for weights of 1000"):
        Inception(file, protocol="pytorch-fid")
    with pytest.raises(ValueError, match=r"^protocol: expected pytorch-fid or torch-fidelity"):
        Inception(file_of_2015, protocol="torchvision")


def test_the_range_of_images_is_checked_and_8_bits_are_scaled(file: Path) -> None:
    net = Inception(file)
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(net(images), net(images / 127.5 - 1))
    with pytest.raises(ValueError, match=r"^images: expected values in \[-1, 1\], got 0 to 255;"):
        net((images > 99) * 255.0)
    with pytest.warns(UserWarning, match=r"^images: .* scale images in \[0, 1\] with 2 \* x - 1"):
        net(images / 255)


@pytest.mark.parametrize(("largest", "pooled"), [(True, 9.0), (False, 3.0)])
def test_the_pooling_of_a_block_is_replaced_without_counting_the_padding(
    largest: bool, pooled: float
) -> None:
    class Block(nn.Module):
        branch_pool = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([-x, x], 1)

    x = torch.tensor([[0.0, 9.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]])[None, None]
    found = _Pooled(Block(), largest=largest)(x)
    torch.testing.assert_close(found[:, :1], -x)
    # The corner has four neighbours inside: 0, 9, 0 and 3.
    assert found[0, 1, 0, 0] == pooled
