import pytest
import torch

from advlearn.data import load
from advlearn.data.layouts import layout_of


@pytest.mark.parametrize(
    ("shape", "integer", "layout"),
    [
        ((8, 5), False, "ND"),
        ((8, 3, 32, 32), False, "NCHW"),
        ((8, 32, 32, 3), False, "NHWC"),
        ((8, 32, 48, 3), False, "NHWC"),
        ((8, 32, 48, 4), True, "NHWC"),
        ((8, 32, 32, 2), True, "NHWC"),
        ((8, 4, 32, 32), True, "NCHW"),
        ((8, 1, 28, 4), False, "NCHW"),
        ((8, 4, 4, 3), True, "NHWC"),
        ((8, 13, 64, 64), False, "NCHW"),
        ((8, 64, 64, 13), False, "NHWC"),
        ((8, 28, 28), True, "NHW"),
        ((8, 2, 2), True, "NHW"),
        ((8, 3, 100), False, "NCL"),
        ((8, 64, 1000), False, "NCL"),
        ((8, 3, 5), False, "NCL"),
        ((8, 1, 16, 16, 16), False, "NCDHW"),
        ((8, 16, 16, 16, 1), False, "NDHWC"),
        ((8, 2, 3, 4, 5, 6), False, None),
    ],
)
def test_a_shape_with_one_reading_is_recognised(shape, integer, layout):
    assert layout_of(shape, integer=integer) == layout


@pytest.mark.parametrize(
    ("shape", "integer", "one", "other"),
    [
        ((8, 3, 100), True, "grey images of 3x100", "series of 3 channels and length 100"),
        ((8, 100, 3), True, "grey images of 100x3", "series of 3 channels and length 100"),
        ((8, 32, 32), False, "grey images of 32x32", "series of 32 channels and length 32"),
        ((8, 100, 3), False, "series of 100 channels", "series of 3 channels and length 100"),
        ((8, 3, 32, 3), False, "3 channels and 32x3", "3 channels and 3x32"),
        ((8, 32, 32, 32), False, "32 channels and 32x32", "32 channels and 32x32"),
        ((8, 64, 8, 8), False, "64 channels and 8x8", "8 channels and 64x8"),
    ],
)
def test_an_ambiguous_shape_is_refused_with_both_readings(shape, integer, one, other):
    with pytest.raises(ValueError, match=f"{one}.* or .*{other}.*choose with load") as caught:
        layout_of(shape, integer=integer)
    assert "\n" not in str(caught.value)


def test_the_argument_chooses_between_two_readings():
    x = torch.rand(8, 32, 16)
    as_images, as_series = load(x, layout="NHW"), load(x, layout="NCL")
    assert as_images.shape == (1, 32, 16) and as_series.shape == (32, 16)
    torch.testing.assert_close(as_images.x[:, 0], 2 * x - 1)
    assert torch.equal(as_series.x, x)
    assert torch.equal(load(x, layout="NLC").x, x.transpose(1, 2))


def test_a_choice_must_have_the_axes_of_the_data():
    with pytest.raises(ValueError, match=r"layout: expected 4 axes for 'NHWC', got .*\(8, 3\)"):
        load(torch.zeros(8, 3), layout="NHWC")
    with pytest.raises(ValueError, match=r"layout: expected one of ND, .*got 'HWC'"):
        load(torch.zeros(8, 3), layout="HWC")
