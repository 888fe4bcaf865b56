import math

import pytest
import torch

from advlearn.metrics import mmd, precision_recall
from advlearn.metrics.posterior import mutual_information, posterior_report


def draw(n: int, d: int = 2, seed: int = 0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_equal_distributions_reach_the_lowest_values():
    report = posterior_report(draw(1000), draw(1000, seed=1))
    assert abs(report.mmd) < 3e-3 and report.holes < 0.05 and report.strays < 0.05


def test_holes_are_prior_mass_without_codes_and_strays_are_codes_off_the_prior():
    prior = draw(1500)
    half = draw(1500, seed=1)
    half[:, 0] = half[:, 0].abs()
    one_sided = posterior_report(half, prior)
    assert one_sided.holes.item() == pytest.approx(0.5, abs=0.07) and one_sided.strays < 0.05
    wide = posterior_report(draw(1500, seed=1) * 4, prior)
    # Probability of N(0, 16 I) outside the radius of all draws of the prior: 1 - exp(-r^2 / 32).
    reach = prior.norm(dim=1).max().item()
    assert (
        wide.strays.item() == pytest.approx(math.exp(-(reach**2) / 32), abs=0.1)
        and wide.holes < 0.3
    )
    assert wide.mmd > 0.05 and one_sided.mmd > 0.05


def test_the_report_equals_its_metrics():
    codes, prior = draw(60) + 0.5, draw(50, seed=1)
    report = posterior_report(codes, prior, k=2)
    precision, recall = precision_recall(prior, codes, 2)
    assert (report.holes, report.strays) == (1 - recall, 1 - precision)
    median = torch.pdist(prior).median().item()
    lengths = [median * factor for factor in (0.25, 0.5, 1, 2, 4)]
    assert report.mmd.item() == pytest.approx(
        mmd(codes, prior, bandwidths=lengths).item() / len(lengths), rel=1e-6
    )


def test_information_is_zero_for_independent_codes_and_the_entropy_for_equal_ones():
    labels = torch.arange(12) % 3
    equal = torch.eye(3, dtype=torch.float64)[labels]
    assert mutual_information(equal, labels).item() == pytest.approx(math.log(3))
    assert mutual_information(equal.roll(1, 1), labels).item() == pytest.approx(math.log(3))
    assert mutual_information(torch.full((12, 4), 0.25), labels).item() == pytest.approx(
        0, abs=1e-9
    )


def test_information_of_a_noisy_channel_has_its_closed_form():
    labels = torch.tensor([0, 1]).repeat(50)
    right = 0.9
    p = torch.where(labels[:, None] == torch.arange(2), right, 1 - right)
    entropy = -(right * math.log(right) + (1 - right) * math.log(1 - right))
    assert mutual_information(p, labels).item() == pytest.approx(math.log(2) - entropy, rel=1e-5)
    # Labels may be any integers.
    assert mutual_information(p, labels * 7 + 3) == mutual_information(p, labels)


def test_bad_input_is_named():
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="codes: expected at least 4 samples, got float32"):
        posterior_report(x, x)
    with pytest.raises(ValueError, match="posterior: expected rows of probabilities that sum to 1"):
        mutual_information(x, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"labels: expected 3 integers, got \(2,\) torch.int64"):
        mutual_information(x + 0.5, torch.zeros(2, dtype=torch.int64))
