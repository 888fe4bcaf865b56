import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from advlearn.metrics import class_report, mode_report

CENTRES = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])


def test_a_report_counted_by_hand():
    samples = torch.tensor(
        [
            [0.29, 0.0],  # mode 0
            [0.20, 0.20],  # mode 0, at distance 0.283
            [
                0.25,
                0.25,
            ],  # near mode 0, at distance 0.354: not of high quality, though within 0.3 per axis
            [4.0, 0.1],  # mode 1
            [2.0, 2.0],  # between all modes
            [-0.1, 4.0],  # mode 2
            [0.0, 3.8],  # mode 2
            [100.0, 0.0],  # far from all modes
        ]
    )
    report = mode_report(samples, CENTRES, sigma=0.1)
    assert report.counts.tolist() == [2, 1, 2, 0]
    assert report.modes == 3
    assert report.high_quality == 5 / 8
    expected = 0.4 * math.log(4 * 0.4) * 2 + 0.2 * math.log(4 * 0.2)
    assert report.reverse_kl == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("threshold", "counted"), [(1.0, 1), (2.0, 2), (3.0, 3), (100.0, 4)])
def test_the_threshold_counts_standard_deviations(threshold, counted):
    samples = torch.tensor([[0.05, 0.0], [0.15, 0.0], [0.25, 0.0], [0.35, 0.0]])
    report = mode_report(samples, CENTRES, sigma=0.1, threshold=threshold)
    assert report.high_quality == counted / 4 and report.counts[0] == counted


def test_one_mode_has_a_kl_of_log_k_and_equal_modes_have_none():
    assert mode_report(CENTRES[:1].repeat(9, 1), CENTRES, 0.1).reverse_kl == pytest.approx(
        math.log(4), rel=1e-12
    )
    report = mode_report(CENTRES.repeat(5, 1), CENTRES, 0.1)
    assert report == (4, 1.0, 0.0, report.counts) and report.counts.tolist() == [5] * 4


def test_no_sample_of_high_quality_gives_the_worst_kl_and_no_nan():
    report = mode_report(torch.full((6, 2), 2.0), CENTRES, 0.1)
    assert report[:3] == (0, 0.0, math.log(4)) and report.counts.tolist() == [0] * 4


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=4).filter(any), st.integers(0, 5))
def test_any_counts_agree_with_scipys_entropy(counts, bad):
    samples = torch.cat(
        [CENTRES.repeat_interleave(torch.tensor(counts), dim=0), torch.full((bad, 2), 2.0)]
    )
    report = mode_report(samples, CENTRES, 0.1)
    assert report.counts.tolist() == counts and report.modes == sum(c > 0 for c in counts)
    assert report.high_quality == sum(counts) / (sum(counts) + bad)
    assert report.reverse_kl == pytest.approx(stats.entropy(counts, [0.25] * 4), abs=1e-12)


def test_the_high_quality_of_a_perfect_generator_is_the_rayleigh_probability():
    noise = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0))
    report = mode_report(CENTRES.repeat(5000, 1) + 0.05 * noise, CENTRES, sigma=0.05)
    expected = 1 - math.exp(-4.5)  # 0.98889; the tolerance is five standard errors
    assert report.high_quality == pytest.approx(
        expected, abs=5 * math.sqrt(expected * (1 - expected) / 20_000)
    )


def test_a_class_report_counted_by_hand():
    report = class_report(torch.tensor([3, 3, 0, 1, 3, 0]), n_classes=5)
    assert report.modes == 3 and report.counts.tolist() == [2, 1, 0, 3, 0]
    assert report.reverse_kl == pytest.approx(stats.entropy([2, 1, 0, 3, 0], [1] * 5), rel=1e-12)


def test_a_class_report_against_a_target():
    labels, target = torch.tensor([0, 0, 1, 2]), torch.tensor([0.5, 0.25, 0.25])
    assert class_report(labels, 3, target).reverse_kl == 0.0
    assert class_report(labels, 3, target.flip(0)).reverse_kl == pytest.approx(
        0.25 * math.log(2), rel=1e-6
    )
    # A class missing from the real data gives an infinite KL; one missing from the samples does
    # not.
    assert class_report(labels, 3, torch.tensor([0.5, 0.5, 0.0])).reverse_kl == math.inf
    assert class_report(labels[:2], 3, target).reverse_kl == pytest.approx(math.log(2), rel=1e-6)


def test_bad_input_is_named():
    samples = torch.zeros(3, 2)
    with pytest.raises(
        ValueError, match=r"centres: expected 2 columns like samples, got float32 \(4, 3\)"
    ):
        mode_report(samples, torch.zeros(4, 3), 0.1)
    with pytest.raises(ValueError, match="samples: expected finite values, got 6 NaN"):
        mode_report(samples / 0, CENTRES, 0.1)
    with pytest.raises(ValueError, match="sigma: expected a finite number above 0, got 0"):
        mode_report(samples, CENTRES, 0)
    with pytest.raises(
        TypeError, match=r"labels: expected an integer tensor .* got float32 \(3, 2\)"
    ):
        class_report(samples, 3)
    with pytest.raises(
        ValueError, match=r"labels: expected an integer tensor .* got int64 \(3, 2\)"
    ):
        class_report(samples.long(), 3)
    with pytest.raises(ValueError, match=r"labels: expected classes in 0\.\.2, got -1\.\.2"):
        class_report(torch.tensor([-1, 2]), 3)
    with pytest.raises(ValueError, match=r"labels: expected classes in 0\.\.2, got 0\.\.3"):
        class_report(torch.tensor([0, 3]), 3)
    with pytest.raises(
        ValueError, match=r"target: expected a float tensor of shape \(3,\), got float32 \(2,\)"
    ):
        class_report(torch.tensor([0]), 3, torch.ones(2))
    with pytest.raises(
        ValueError, match="target: expected probabilities that sum to 1, got a sum of 3"
    ):
        class_report(torch.tensor([0]), 3, torch.ones(3))
