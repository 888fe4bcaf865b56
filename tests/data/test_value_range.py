import numpy as np
import pytest
import torch

from advlearn.data import load


def images(low: float, high: float, dtype=np.float32, shape=(4, 3, 16, 16)) -> np.ndarray:
    """Return evenly spaced values from low to high."""
    values = np.linspace(low, high, int(np.prod(shape))).reshape(shape)
    return values.round().astype(dtype) if np.dtype(dtype).kind in "iu" else values.astype(dtype)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 1, np.float32),
        (0, 1, np.float64),
        (0, 1, np.float16),
        (0, 255, np.float32),
        (0, 255, np.uint8),
        (0, 255, np.int64),
        (0, 65535, np.uint16),
        (-1, 1, np.float32),
    ],
)
def test_each_range_is_scaled_to_minus_one_and_one(low, high, dtype):
    data = load(images(low, high, dtype))
    expected = (images(low, high, dtype).astype(np.float64) - low) / (high - low) * 2 - 1
    np.testing.assert_allclose(data.x.numpy(), expected, atol=2e-6)
    assert data.bounded


def test_standardised_values_stay_and_are_not_bounded():
    values = images(-2.5, 3.0)
    data = load(values)
    np.testing.assert_array_equal(data.x.numpy(), values)
    assert not data.bounded and data.notes == ("values unscaled",)


def test_the_user_is_told_what_was_scaled():
    assert load(images(0, 1)).notes == ("values in [0, 1] scaled to [-1, 1]",)
    assert load(images(0, 255, np.uint8)).notes == ("values in [0, 255] scaled to [-1, 1]",)
    last = np.moveaxis(images(0, 1), 1, -1)
    assert load(last).notes == ("channels last", "values in [0, 1] scaled to [-1, 1]")


@pytest.mark.parametrize(
    ("values", "one", "other"),
    [
        (images(0, 16), r"value_range=\(0, 255\)", "'unscaled'"),
        (images(0, 3000), r"value_range=\(0, 3000\)", "'unscaled'"),
        (images(-20, 20), r"value_range=\(-20, 20\)", "'unscaled'"),
        (images(0, 255, np.uint16), r"value_range=\(0, 65535\)", r"\(0, 255\)"),
        (images(0, 4095, np.uint16), r"value_range=\(0, 65535\)", r"\(0, 4095\)"),
        (images(0, 1, np.uint8), r"value_range=\(0, 255\)", r"\(0, 1\)"),
        (images(0, 16, np.int64), r"value_range=\(0, 255\)", ""),
        (images(-5, 300, np.int32), r"value_range=\(-5, 300\)", ""),
    ],
)
def test_a_range_with_two_readings_is_refused_with_the_argument_that_chooses(values, one, other):
    with pytest.raises(ValueError, match=f"data: expected images in .*{one}.*{other}") as caught:
        load(values)
    assert "\n" not in str(caught.value)


def test_the_argument_chooses_a_range():
    values = images(0, 16)
    scaled = load(values, value_range=(0, 16)).x
    np.testing.assert_allclose(scaled.numpy(), values / 8 - 1, atol=1e-6)
    np.testing.assert_array_equal(load(values, value_range="unscaled").x.numpy(), values)
    ones = images(0, 1, np.uint8)
    assert set(load(ones, value_range=(0, 1)).x.unique().tolist()) == {-1.0, 1.0}
    with pytest.raises(ValueError, match=r"value_range: expected values in \[0, 8\], got 0 to 16"):
        load(values, value_range=(0, 8))
    with pytest.raises(ValueError, match=r"value_range: expected \(low, high\)"):
        load(values, value_range=(8, 8))


def test_booleans_become_black_and_white():
    mask = np.zeros((4, 16, 16), dtype=bool)
    mask[:, 3] = True
    data = load(mask)
    assert data.shape == (1, 16, 16) and data.stored.dtype == torch.uint8
    assert set(data.x.unique().tolist()) == {-1.0, 1.0} and bool((data.x[:, 0, 3] == 1).all())


def test_an_array_is_never_changed():
    values = images(0, 1)
    before = values.copy()
    load(values)
    tensor = torch.from_numpy(values.copy())
    load(tensor)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(tensor.numpy(), before)


def test_vectors_and_series_are_not_scaled():
    for values in (images(0, 1, shape=(8, 5)), images(0, 300, shape=(8, 3, 100))):
        np.testing.assert_array_equal(load(values).x.numpy(), values)


def test_integers_of_tables_become_floats():
    assert load(np.array([[1, 2], [3, 400]])).x.tolist() == [[1.0, 2.0], [3.0, 400.0]]
