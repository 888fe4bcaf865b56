import copy

import pytest
import torch
from torch import nn

from advlearn.regularizers.spectral_norm import SpectralNorm
from tests.closed_form.regularizer_cases import check_compiled, critic_batch, samples


def largest(weight: torch.Tensor, out_dim: int = 0) -> float:
    return torch.linalg.matrix_norm(weight.detach().transpose(0, out_dim).flatten(1), ord=2).item()


@pytest.mark.parametrize(
    ("layer", "inputs", "out_dim"),
    [
        (nn.Linear(6, 4), torch.randn(2, 6), 0),
        (nn.Conv1d(3, 4, 3), torch.randn(2, 3, 8), 0),
        (nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8), 0),
        (nn.ConvTranspose2d(3, 4, 3), torch.randn(2, 3, 8, 8), 1),
        (nn.Embedding(5, 4), torch.tensor([0, 1]), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_largest_singular_value_is_one(
    layer: nn.Module, inputs: torch.Tensor, out_dim: int
) -> None:
    # Singular values 8, 4, 2, 1: power iteration is slow if two of them are close, as may happen
    # for random weights.
    with torch.no_grad():
        rows = layer.weight.transpose(0, out_dim)
        u, _, v = torch.linalg.svd(rows.flatten(1), full_matrices=False)
        rows.copy_((u * 2.0 ** torch.arange(3, 3 - u.shape[1], -1) @ v).view_as(rows))
    critic = SpectralNorm().wrap(nn.Sequential(layer))
    for _ in range(200):
        critic(inputs)
    critic.eval()
    assert largest(critic[0].weight, out_dim) == pytest.approx(1, abs=1e-5)
    assert critic[0].weight is not critic[0].parametrizations.weight.original


def test_the_norm_follows_the_weights_only_in_training() -> None:
    torch.manual_seed(0)
    critic = SpectralNorm(iterations=50).wrap(nn.Linear(6, 4))
    with torch.no_grad():
        critic.parametrizations.weight.original.copy_(torch.randn(4, 6))
    critic.eval()
    assert largest(critic.weight) != pytest.approx(1, abs=1e-3)
    critic.train()
    assert largest(critic.weight) == pytest.approx(1, abs=1e-4)


def test_a_second_wrap_changes_nothing() -> None:
    critic = SpectralNorm().wrap(nn.Linear(3, 2))
    names = list(critic.state_dict())
    assert list(SpectralNorm().wrap(critic).state_dict()) == names


def test_a_weight_normalised_layer_also_gets_norm_one() -> None:
    critic = SpectralNorm(iterations=50).wrap(
        nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    )
    critic(torch.randn(2, 3))
    assert largest(critic.eval().weight) == pytest.approx(1, abs=1e-4)


def test_the_optimiser_gets_the_same_parameter_objects() -> None:
    layer = nn.Linear(3, 2)
    before = {id(p) for p in layer.parameters()}
    assert {id(p) for p in SpectralNorm().wrap(layer).parameters()} == before


def test_copies_and_state_dicts_carry_the_singular_vectors() -> None:
    torch.manual_seed(0)
    critic = SpectralNorm().wrap(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)))
    twin = copy.deepcopy(critic)
    fresh = SpectralNorm().wrap(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)))
    fresh.load_state_dict(critic.state_dict())
    x = torch.randn(2, 3)
    expected = critic(x)
    assert torch.equal(twin(x), expected)
    assert torch.equal(fresh(x), expected)


@pytest.mark.parametrize(
    ("critic", "words"),
    [(nn.Identity(), "got Identity"), (nn.Sequential(nn.Linear(2, 1)), "layer '0'")],
    ids=["no layer", "zero weights"],
)
def test_bad_input_is_one_line(critic: nn.Module, words: str) -> None:
    for p in critic.parameters():
        nn.init.zeros_(p)
    with pytest.raises(ValueError, match=words) as error:
        SpectralNorm().wrap(critic)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("critic: expected")


def test_derivatives_with_fixed_vectors() -> None:
    torch.manual_seed(0)
    critic = SpectralNorm().wrap(nn.Linear(3, 2, dtype=torch.float64)).eval()
    x, inputs = samples(4, 3), tuple(critic.parameters())
    assert torch.autograd.gradcheck(lambda *_: critic_batch(critic, x, x).fake_scores, inputs)
    assert torch.autograd.gradgradcheck(lambda *_: critic_batch(critic, x, x).fake_scores, inputs)


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(SpectralNorm)
