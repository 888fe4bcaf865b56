import pytest
import torch
from torch import Tensor, nn

from advlearn.metrics import features


def images(n: int = 7) -> Tensor:
    return torch.randn(n, 2, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_batches_give_the_same_features_as_one_call(batch_size):
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 5))
    result = features(model, images(), batch_size=batch_size)
    assert result.shape == (7, 5) and not result.requires_grad
    torch.testing.assert_close(result, model(images()).detach())


def test_the_model_runs_in_evaluation_mode_and_every_part_gets_its_mode_back():
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten())
    model[0].eval()  # frozen inside a model in training mode
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, again = features(model, images()), features(model, images())
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    torch.testing.assert_close(first, images().flatten(1), rtol=1e-4, atol=1e-4)
    assert [part.training for part in model.modules()] == [True, False, True, True]
    torch.testing.assert_close(dict(model.state_dict()), before)


def test_modes_are_restored_when_the_model_fails():
    model = nn.Sequential(nn.Dropout(), nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        features(model, images())
    assert all(part.training for part in model.modules())


def test_any_callable_works_and_wide_outputs_are_flattened():
    assert features(lambda x: x.mean(dim=(2, 3)), images(), batch_size=2).shape == (7, 2)
    torch.testing.assert_close(features(nn.Identity(), images()), images().flatten(1))


def test_the_images_go_to_the_requested_device():
    assert features(lambda x: x.flatten(1), images(), device="meta").device.type == "meta"
    assert features(nn.Flatten(), images()).device.type == "cpu"


def test_the_images_go_to_the_device_of_the_model():
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 3, device="meta"))
    assert features(model, images()).device.type == "meta"


def test_bad_input_is_named():
    with pytest.raises(TypeError, match=r"images: expected a Tensor, got"):
        features(nn.Flatten(), [1.0])
    with pytest.raises(
        ValueError, match=r"images: expected .* with N at least 1, got float32 \(0, 2, 4, 4\)"
    ):
        features(nn.Flatten(), images(0))
    with pytest.raises(
        TypeError, match=r"model: expected it to return one tensor \(B, d\), got tuple"
    ):
        features(lambda x: (x, x), images())
    with pytest.raises(
        ValueError, match=r"model: expected an output \(B, d\) with B = 7, got float32 \(\)"
    ):
        features(lambda x: x.sum(), images())
    with pytest.raises(
        ValueError, match="batch_size: expected a whole number of at least 1, got 0"
    ):
        features(nn.Flatten(), images(), batch_size=0)


def test_importing_the_metrics_loads_none_of_the_heavy_packages(torch_only):
    heavy = {"matplotlib", "ot", "scipy", "sklearn", "torchvision"}
    code = f"import sys, advlearn.metrics; print(sorted({heavy!r} & set(sys.modules)))"
    result = torch_only.python("-c", code)
    assert result.stdout.strip() == "[]", result.stderr
