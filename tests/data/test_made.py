"""Test the generated data sets: classes, angles, biases and seeds."""

import pytest
import torch

from advlearn.core.optim import build_optimizer
from advlearn.data import ArrayDataset, load, open_pairs, open_table
from advlearn.data.made import biased_table, large_digits, rotated_digits, word_vectors

IMAGES = ArrayDataset(
    torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4), "x", 4
)


def test_a_quarter_turn_moves_every_pixel_to_its_place() -> None:
    assert torch.allclose(rotated_digits(IMAGES, 0.0).x, IMAGES.x, atol=1e-5)
    turned = rotated_digits(IMAGES, 90.0)
    directions = (torch.rot90(IMAGES.x, k, (2, 3)) for k in (1, -1))
    assert any(torch.allclose(turned.x, wanted, atol=1e-4) for wanted in directions)
    assert turned.y is IMAGES.y and turned.classes == 4


def test_enlarged_digits_keep_their_mean_and_range() -> None:
    large = large_digits(IMAGES)
    assert large.shape == (1, 32, 32)
    assert torch.allclose(large.x.mean((1, 2, 3)), IMAGES.x.mean((1, 2, 3)), atol=1e-4)


@pytest.mark.parametrize("attribute", ["group", "age"])
def test_features_and_labels_depend_on_the_attribute(attribute: str) -> None:
    table = biased_table(attribute)
    values = table.sensitive[attribute].float()
    high, low = values > values.median().clamp(max=0.5), values <= values.median().clamp(max=0.5)
    assert float((table.x[high].mean(0) - table.x[low].mean(0)).min()) > 0.5
    assert float(table.y[high].float().mean() - table.y[low].float().mean()) > 0.3
    assert torch.equal(table.x, biased_table(attribute).x)
    with pytest.raises(ValueError, match=r"^attribute: expected 'group' or 'age', got 'sex'$"):
        biased_table("sex")


def test_generated_data_sets_are_opened_by_name() -> None:
    assert load("digits-32").shape == (1, 32, 32)
    assert load("rotated-digits").classes == 10
    assert open_table("biased-groups").attributes == {"group": 2}
    assert open_table("biased-ages").attributes == {"age": 0}
    pairs = open_pairs("tags:digits")
    assert pairs.target_shape == (16,) and len(pairs.y.unique(dim=0)) == 10


def test_word_vectors_have_length_one() -> None:
    assert torch.allclose(word_vectors(7).norm(dim=1), torch.ones(7))


def test_an_optimizer_is_built_by_its_name() -> None:
    weights = [torch.nn.Parameter(torch.zeros(1))]
    sgd = build_optimizer("sgd", weights, lr=0.1, betas=(0.9, 0.999))
    assert sgd.param_groups[0]["momentum"] == 0.9 and sgd.param_groups[0]["lr"] == 0.1
    adam = build_optimizer("adam", weights, lr=0.1, betas=(0.0, 0.9))
    assert adam.param_groups[0]["betas"] == (0.0, 0.9)
    with pytest.raises(ValueError, match=r"^optimizer: expected one of adam, rmsprop, sgd"):
        build_optimizer("lion", weights, lr=0.1, betas=(0.0, 0.9))
