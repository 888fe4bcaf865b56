import math

import numpy as np
import pytest
import torch
from torch import Tensor

from advlearn.metrics import (
    accuracy,
    information_maximisation,
    per_class_accuracy,
    proxy_a_distance,
    reverse_validation,
    soft_neighbourhood_density,
    transfer,
)


def draw(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_proxy_a_distance_of_two_gaussians_has_its_closed_form(shift):
    # The best linear classifier of N(0, I) and N(m, I) errs with probability Phi(-|m| / 2). The
    # sizes differ, and the tolerance is above four standard errors of 2 (1 - 2 e) with 5,000
    # held-out samples of the smaller domain.
    source, target = draw(20_000, 3), draw(10_000, 3, seed=1) + shift / math.sqrt(3)
    error = 0.5 * math.erfc(shift / 2 / math.sqrt(2))
    tolerance = 4 * 4 * math.sqrt(error * (1 - error) / 5000) / math.sqrt(2)
    assert proxy_a_distance(source, target) == pytest.approx(2 * (1 - 2 * error), abs=tolerance)


def test_proxy_a_distance_is_seeded_and_ignores_scale_and_the_global_state():
    source, target = draw(60, 2), draw(40, 2, seed=1) + 0.5
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    values = [proxy_a_distance(source, target, seed=seed) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert (np.random.get_state()[1] == before).all()
    assert proxy_a_distance(source.numpy() * 1e3 + 7, target.numpy() * 1e3 + 7) == pytest.approx(
        values[0], abs=0.1
    )


def test_accuracy_by_hand():
    labels = torch.tensor([0, 0, 1, 2])
    scores = torch.tensor([[3.0, 1, 0, 0], [0, 1, 0, 0], [0, 5, 2, 0], [1, 0, 2, 0]])
    assert accuracy(scores, labels) == accuracy(scores.argmax(1), labels) == 0.75
    assert accuracy(scores.numpy(), labels.numpy().astype(np.uint8)) == 0.75
    assert per_class_accuracy(scores, labels).nan_to_num(-1).tolist() == [0.5, 1.0, 1.0, -1.0]
    assert per_class_accuracy(scores.argmax(1), labels).tolist() == [0.5, 1.0, 1.0]
    assert per_class_accuracy(torch.tensor([3, 0]), torch.tensor([0, 0])).nan_to_num(
        -1
    ).tolist() == [0.5, -1, -1, -1]


def test_information_maximisation_by_hand():
    sure = 50.0 * torch.eye(3)
    assert information_maximisation(sure) == pytest.approx(math.log(3))
    assert information_maximisation(torch.zeros(5, 3)) == pytest.approx(0.0, abs=1e-12)  # uncertain
    assert information_maximisation(sure[[1, 1, 1]]) == pytest.approx(0.0, abs=1e-12)  # collapsed
    p = torch.tensor([[0.8, 0.2], [0.2, 0.8]])
    assert information_maximisation(p.log()) == pytest.approx(
        math.log(2) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2)
    )
    assert information_maximisation(p.log().numpy() + 4.0) == pytest.approx(
        information_maximisation(p.log())
    )
    assert information_maximisation(1e4 * torch.eye(3)) == pytest.approx(math.log(3))


def neighbourhood(logits: Tensor, temperature: float) -> float:
    """Compute the definition pair by pair."""
    z = [p / p.norm() for p in logits.double().softmax(1)]
    entropies = []
    for n in range(len(z)):
        weights = [math.exp(float(z[n] @ z[m]) / temperature) for m in range(len(z)) if m != n]
        entropies.append(-sum(w / sum(weights) * math.log(w / sum(weights)) for w in weights))
    return sum(entropies) / len(entropies)


@pytest.mark.parametrize("block", [1, 30, 10_000])
def test_soft_neighbourhood_density_is_its_definition_in_blocks_of_any_size(block, monkeypatch):
    monkeypatch.setattr(transfer, "_BLOCK", block)
    logits = draw(11, 4).float()
    for temperature in (0.05, 0.5):
        value = soft_neighbourhood_density(logits, temperature)
        assert value == pytest.approx(neighbourhood(logits, temperature), rel=1e-9)


def test_soft_neighbourhood_density_by_hand():
    # Two samples at one corner and one at another. From the pair the weights are 1 and exp(-1 / t);
    # from the third 1/2.
    logits = 200.0 * torch.eye(3)[[0, 0, 2]]
    q = 1 / (1 + math.exp(-1 / 0.5))
    pair = -q * math.log(q) - (1 - q) * math.log(1 - q)
    assert soft_neighbourhood_density(logits, 0.5) == pytest.approx((2 * pair + math.log(2)) / 3)
    clusters, spread = 200.0 * torch.eye(4).repeat(8, 1), draw(32, 4)
    assert soft_neighbourhood_density(clusters) > soft_neighbourhood_density(spread)


def test_reverse_validation_distinguishes_correct_from_wrong_labels():
    y = torch.arange(90) % 3
    centres = 6.0 * torch.eye(3, dtype=torch.float64)
    source, target = centres[y] + draw(90, 3), centres[y] + draw(90, 3, seed=1) + 0.5
    assert reverse_validation(source, y, target, y) == 1.0
    swapped = torch.tensor([1, 0, 2])[y]  # two classes swapped
    assert reverse_validation(source, y, target, swapped) == pytest.approx(1 / 3)
    assert reverse_validation(source, y, target.numpy(), torch.eye(3)[y]) == 1.0
    collapsed = torch.full_like(y, 2)
    assert reverse_validation(source, y, target, collapsed) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: proxy_a_distance(draw(3, 2), draw(9, 2)),
            ValueError,
            "source: expected at least 4 samples",
        ),
        (
            lambda: proxy_a_distance(draw(9, 2), draw(9, 3)),
            ValueError,
            "target: expected 2 columns",
        ),
        (
            lambda: proxy_a_distance([1.0], draw(9, 3)),
            TypeError,
            "source: expected a Tensor",
        ),
        (
            lambda: accuracy(torch.tensor([1, 0]), torch.tensor([1])),
            ValueError,
            r"predictions: .*\(1,\), got int64 \(2,\)",
        ),
        (
            lambda: accuracy(torch.zeros(2, 3), torch.tensor([0, 3])),
            ValueError,
            r"labels: .*\[0, 3\), the columns of the scores, got 3",
        ),
        (
            lambda: accuracy(torch.tensor([0, 1]), torch.tensor([0, -1])),
            ValueError,
            "labels: .*of at least 0, got -1",
        ),
        (
            lambda: accuracy(torch.tensor([0, 1]), torch.tensor([0.0, 1.0])),
            TypeError,
            "labels: expected integers",
        ),
        (
            lambda: information_maximisation(torch.full((2, 2), math.nan)),
            ValueError,
            "logits: expected finite",
        ),
        (
            lambda: information_maximisation(torch.zeros(4)),
            ValueError,
            r"logits: .*\(N, K\), got float32 \(4,\)",
        ),
        (
            lambda: soft_neighbourhood_density(torch.zeros(1, 2)),
            ValueError,
            "logits: expected at least 2 samples",
        ),
        (
            lambda: soft_neighbourhood_density(torch.zeros(4, 2), 0.0),
            ValueError,
            "temperature: .*above 0",
        ),
        (
            lambda: reverse_validation(
                draw(4, 2), torch.tensor([0, 1]), draw(4, 2), torch.zeros(4, dtype=torch.int64)
            ),
            ValueError,
            r"source_labels: expected integers of shape \(4,\)",
        ),
        (
            lambda: reverse_validation(
                draw(4, 2), torch.tensor([0, 1, 0, 1]), draw(4, 2), torch.tensor([0])
            ),
            ValueError,
            r"target_predictions: expected integers of shape \(4,\)",
        ),
    ],
)
def test_bad_input_is_one_line_that_names_it(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_one_label_beyond_the_columns_of_the_scores_is_refused():
    with pytest.raises(ValueError, match=r"^labels: expected classes in \[0, 3\), .*, got 5$"):
        accuracy(torch.eye(3), torch.tensor([0, 5, 1]))
