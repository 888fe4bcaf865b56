import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from advlearn.nets import data_dependent_init


def test_every_layer_starts_with_standardised_outputs() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(weight_norm(nn.Conv2d(2, 5, 3)), nn.ReLU(), nn.Flatten()),
        *(weight_norm(nn.Linear(20, 7)), nn.ReLU(), weight_norm(nn.Linear(7, 3))),
    ).double()
    x = 3 + 2 * torch.randn(200, 2, 4, 4, dtype=torch.float64)
    data_dependent_init(net, x)
    outputs = x
    for part in net:
        outputs = part(outputs)
        if not isinstance(part, nn.ReLU | nn.Flatten):
            over = [d for d in range(outputs.ndim) if d != 1]
            torch.testing.assert_close(outputs.mean(over), torch.zeros(outputs.shape[1]).double())
            torch.testing.assert_close(
                outputs.var(over, correction=0), torch.ones(outputs.shape[1]).double()
            )


def test_the_directions_are_kept_and_no_hook_is_left() -> None:
    layer = weight_norm(nn.Linear(4, 2))
    before = layer.weight / layer.weight.norm(dim=1, keepdim=True)
    data_dependent_init(layer, torch.randn(50, 4))
    torch.testing.assert_close(layer.weight / layer.weight.norm(dim=1, keepdim=True), before)
    once = layer(torch.ones(1, 4))
    torch.testing.assert_close(layer(torch.ones(1, 4)), once)
    assert not layer._forward_hooks


def test_a_constant_output_keeps_its_scale() -> None:
    layer = weight_norm(nn.Linear(2, 2))
    data_dependent_init(layer, torch.ones(10, 2))
    torch.testing.assert_close(layer(torch.ones(1, 2)), torch.zeros(1, 2))
    assert torch.isfinite(layer.weight).all()


def test_a_network_with_unsuitable_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="net: expected layers under weight_norm, got none"):
        data_dependent_init(nn.Linear(2, 2), torch.ones(3, 2))
    with pytest.raises(
        ValueError, match="net: expected a bias in every weight-normalised layer, got none in '0'"
    ):
        data_dependent_init(
            nn.Sequential(weight_norm(nn.Linear(2, 2, bias=False))), torch.ones(3, 2)
        )
    transposed = weight_norm(nn.ConvTranspose2d(3, 5, 2))
    with pytest.raises(
        ValueError, match=r"net: expected a scale for each of 5 outputs, got \(3, 1, 1, 1\)"
    ):
        data_dependent_init(transposed, torch.randn(8, 3, 2, 2))
