import pytest
import torch
from torch import nn

from advlearn.regularizers.orthogonal_regularization import OrthogonalRegularization
from advlearn.regularizers.spectral_norm import SpectralNorm
from tests.closed_form.regularizer_cases import (
    check_compiled,
    check_gradients,
    critic_batch,
    samples,
)


def value(critic: nn.Module, regularizer: OrthogonalRegularization) -> torch.Tensor:
    x = torch.zeros(2, 3)
    return regularizer.penalty(critic_batch(nn.Identity(), x, x).__class__(critic, x, x, x, x))


@pytest.mark.parametrize("form", ["full", "off_diagonal"])
@pytest.mark.parametrize(
    "layer", [nn.Linear(5, 3), nn.Linear(4, 4), nn.Conv2d(2, 6, 3)], ids=["wide", "square", "conv"]
)
def test_orthogonal_rows_cost_nothing(layer: nn.Module, form: str) -> None:
    nn.init.orthogonal_(layer.weight)
    assert value(layer, OrthogonalRegularization(1, form)).item() == pytest.approx(0, abs=1e-10)


def test_orthonormal_columns_cost_nothing() -> None:
    layer = nn.Linear(3, 5)
    nn.init.orthogonal_(layer.weight)
    assert value(layer, OrthogonalRegularization(1)).item() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize(
    ("form", "expected"), [("full", 2 * (9 + 100 + 2 * 9)), ("off_diagonal", 2 * 2 * 9)]
)
def test_value_by_hand(form: str, expected: float) -> None:
    layer = nn.Linear(3, 2, bias=False)
    with torch.no_grad():  # rows of squared length 4 and 11, product 3
        layer.weight.copy_(torch.tensor([[2.0, 0.0, 0.0], [1.5, 8.75**0.5, 0.0]]))
    assert value(layer, OrthogonalRegularization(2, form)).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_gradient_of_a_tall_matrix_agrees_with_the_formula() -> None:
    layer = nn.Linear(2, 4, dtype=torch.float64)
    value(layer, OrthogonalRegularization(1)).backward()
    w = layer.weight.detach().clone().requires_grad_()
    ((w @ w.T - torch.eye(4)).square().sum() - 2).backward()
    torch.testing.assert_close(layer.weight.grad, w.grad)


def test_transposed_convolution_counts_its_outputs_as_rows() -> None:
    layer = nn.ConvTranspose2d(2, 3, 2)
    rows = layer.weight.detach().transpose(0, 1).flatten(1)
    products = rows @ rows.T
    expected = (products - torch.diag(products.diag())).square().sum()
    torch.testing.assert_close(
        value(layer, OrthogonalRegularization(1, "off_diagonal")).detach(), expected
    )


def test_layers_are_summed_and_biases_and_norms_do_not_count() -> None:
    one, two = nn.Linear(3, 2), nn.Linear(2, 1)
    norm = nn.LayerNorm(2)
    nn.init.constant_(norm.weight, 7)
    both = value(nn.Sequential(one, norm, two), OrthogonalRegularization(1))
    torch.testing.assert_close(
        both, value(one, OrthogonalRegularization(1)) + value(two, OrthogonalRegularization(1))
    )


def test_under_spectral_norm_the_learned_weights_count() -> None:
    layer = nn.Linear(3, 2)
    expected = value(layer, OrthogonalRegularization(1))
    torch.testing.assert_close(
        value(SpectralNorm().wrap(layer), OrthogonalRegularization(1)), expected
    )


def test_a_critic_without_layers_is_refused() -> None:
    with pytest.raises(
        ValueError, match="critic: expected a linear or convolution layer, got Identity"
    ):
        OrthogonalRegularization().penalty(
            critic_batch(nn.Identity(), samples(2, 3), samples(2, 3))
        )


@pytest.mark.parametrize("form", ["full", "off_diagonal"])
def test_derivatives(form: str) -> None:
    check_gradients(OrthogonalRegularization(0.1, form))


@pytest.mark.parametrize("form", ["full", "off_diagonal"])
@pytest.mark.slow
def test_compiled_equals_eager(form: str) -> None:
    check_compiled(lambda: OrthogonalRegularization(0.1, form))
