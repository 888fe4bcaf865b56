import math

import pytest
import torch
from torch import Tensor, nn

from advlearn.data import ArrayDataset
from advlearn.metrics import (
    density_coverage,
    frechet_distance,
    inception_score,
    kid,
    memorisation,
    precision_recall,
)
from advlearn.metrics.image_report import CAVEATS, image_report, per_class_frechet, sampled_report


def images(n: int, seed: int = 0, shift: float = 0.0) -> Tensor:
    return torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed)) + shift


def halves(x: Tensor) -> Tensor:
    return x.flatten(1)[:, :8]


def test_every_number_equals_that_of_its_function():
    fake, real = images(40), images(30, 1, 0.5)
    report = image_report(fake, real, halves)
    a, b = halves(real), halves(fake)
    assert report.frechet == frechet_distance(a, b).item()
    assert (report.kid, report.kid_std) == tuple(v.item() for v in kid(a, b, 100, 15))
    assert (report.precision, report.recall) == tuple(v.item() for v in precision_recall(a, b))
    assert (report.density, report.coverage) == tuple(v.item() for v in density_coverage(a, b))
    assert report.per_class == () and report.inception is None


def test_the_protocol_is_printed_with_the_numbers():
    text = str(image_report(images(40), images(30, 1), halves, split="test", side=6))
    assert "40 samples against 30 real images, split test" in text
    assert "8 features of halves; resized to 6 x 6, bilinear, antialiased" in text
    assert "100 subsets of 15" in text and "inception" not in text
    assert "split not stated; 16 features of Flatten; not resized" in str(
        image_report(images(9), images(9), nn.Flatten())
    )


def test_the_inception_score_comes_with_its_caveats():
    classifier = nn.Linear(16, 5)
    report = image_report(images(40), images(30, 1), nn.Flatten(), classifier=classifier)
    expected = inception_score(classifier(images(40).flatten(1)), 10)
    assert (
        report.inception == pytest.approx(expected.mean.item())
        and report.inception_std == expected.std.item()
    )
    assert CAVEATS in str(report)


def test_images_are_resized_before_the_extractor():
    shapes = []

    def extractor(x: Tensor) -> Tensor:
        shapes.append(tuple(x.shape[1:]))
        return x.flatten(1)

    # A constant image is the same at every size.
    flat = torch.linspace(-1, 1, 12).view(12, 1, 1, 1).expand(12, 1, 4, 4)
    report = image_report(flat, flat, extractor, side=3)
    assert (
        set(shapes) == {(1, 3, 3)}
        and report.frechet == pytest.approx(0, abs=1e-9)
        and report.dimensions == 9
    )


def test_an_extractor_that_resizes_states_it():
    class Own(nn.Flatten):
        resized = "resized to 2 x 2 by its own"

    assert str(image_report(images(9), images(9), Own())).endswith(
        "16 features of Own; resized to 2 x 2 by its own"
    )
    both = image_report(images(9), images(9), Own(), side=3)
    assert (
        both.resized == "resized to 3 x 3, bilinear, antialiased, then resized to 2 x 2 by its own"
    )


def test_copies_of_training_images_are_reported():
    train, real = images(60), images(40, 1)
    report = image_report(train[:20], real, halves, train=train)
    result = memorisation(halves(train[:20]), halves(train), halves(real))
    assert (
        (report.copies, report.nearer) == (result.copies.item(), result.nearer.item()) == (1.0, 1.0)
    )
    assert "nearest of 60 training images" in str(
        report
    ) and "copies, nearer    1.000, 1.000" in str(report)
    plain = image_report(train[:20], real, halves)
    assert plain.copies is None and plain.train == 0 and "copies" not in str(plain)


def test_a_run_is_compared_with_test_images_and_copies_with_training_images():
    train, test = (
        ArrayDataset(images(60), None, "few"),
        ArrayDataset(images(40, 1), None, "few-test"),
    )
    report = sampled_report(images(20, 2), train, test)
    expected = image_report(images(20, 2), test.x, nn.Flatten(), train=train.x)
    assert report.frechet == pytest.approx(expected.frechet) and report.nearer == expected.nearer
    assert (report.split, report.real, report.train, report.extractor) == (
        "few-test",
        40,
        60,
        "pixels",
    )
    assert sampled_report(images(20, 2), train).split == "training part of few"


def test_a_module_runs_in_evaluation_mode_and_does_not_change():
    model = nn.Sequential(nn.Dropout(), nn.Flatten())
    report = image_report(images(20), images(20), model, side=4)
    assert report.frechet == pytest.approx(0, abs=1e-9)
    assert model.training and model[0].training


def test_the_distance_by_class_is_the_distance_of_the_subsets():
    real, fake = halves(images(40)).double(), halves(images(60, 1, 1.0)).double()
    y, z = torch.arange(40) % 3, torch.arange(60) % 4
    result = per_class_frechet(real, fake, y, z)
    assert result.shape == (4,)
    for k in range(3):
        assert result[k] == frechet_distance(real[y == k], fake[z == k])
    assert math.isnan(result[3])  # no real image is of the fourth class
    report = image_report(images(60, 1, 1.0), images(40), halves, labels=(z, y))
    torch.testing.assert_close(torch.tensor(report.per_class), result.float(), equal_nan=True)
    assert "Frechet by class" in str(report)


def test_swapped_classes_are_detected_only_by_class():
    x = torch.cat([halves(images(50)), halves(images(50, 1, 4.0))])
    y = torch.arange(100) // 50
    assert frechet_distance(x, x).item() == pytest.approx(0, abs=1e-6)
    assert per_class_frechet(x, x, y, y).max() < 1e-6
    assert per_class_frechet(x, x, y, 1 - y).min() > 50


def test_8_bit_images_are_scaled_and_mixed_ranges_are_reported():
    levels = torch.randint(0, 256, (20, 1, 4, 4), dtype=torch.uint8)
    small = levels / 127.5 - 1
    assert image_report(levels, small, halves).frechet == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match=r"^samples: expected values in the range of real, -1 to"):
        image_report(levels.float(), small, halves)
    with pytest.raises(ValueError, match=r"^samples: .* got -1 to .*; scale both to one range"):
        image_report(small, levels.float(), halves)
    with pytest.warns(UserWarning, match=r"^samples: expected values in the range of real"):
        image_report(levels / 255, small, halves)
    with pytest.warns(UserWarning, match=r"^train: expected values in the range of real"):
        image_report(small, small, halves, train=levels / 255)


def test_the_spread_of_kid_is_that_of_different_subsets():
    report = image_report(images(400), images(400, 1), halves)
    assert report.subset_size == 200 and report.kid_std > 1e-3


def test_bad_input_is_one_line():
    with pytest.raises(
        ValueError,
        match=r"^samples: expected more than 5 images \(N, C, H, W\), got float32 \(5, 1",
    ):
        image_report(images(5), images(9), halves)
    with pytest.raises(
        TypeError, match=r"^real: expected float or uint8 images \(N, C, H, W\), got int64"
    ):
        image_report(images(9), images(9).long(), halves)
    with pytest.raises(ValueError, match=r"^side: expected a whole number of at least 1, got 0; "):
        image_report(images(9), images(9), halves, side=0)
    x, y = torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(
        TypeError, match=r"^fake_labels: expected an integer tensor of shape \(3,\), got float32"
    ):
        per_class_frechet(x, x, y, y.float())
    with pytest.raises(
        ValueError,
        match=r"^real_labels: expected an integer tensor of shape \(3,\), got int64 \(2,\)",
    ):
        per_class_frechet(x, x, y[:2], y)
