import importlib
import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor, nn

from advlearn import _optional_imports
from advlearn.metrics import frechet_distance, frechet_from_moments, inception_score, kid

_MODULES = {
    "FrechetInceptionDistance": "fid",
    "InceptionScore": "inception",
    "KernelInceptionDistance": "kid",
}


def draw(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def peer(name: str) -> Callable[..., object]:
    """Return a metric of torchmetrics that takes features as images, without its warnings."""
    # torchmetrics imports torchvision, which fails with a CPU build of torch.
    _optional_imports.torchvision()
    module = importlib.import_module(f"torchmetrics.image.{_MODULES[name]}")

    def build(**arguments: object) -> object:
        extractor = nn.Flatten()
        extractor.num_features = 6
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return getattr(module, name)(feature=extractor, **arguments)

    return build


def test_the_inception_score_agrees_with_torchmetrics():
    logits = 3 * draw(60, 6)
    metric = peer("InceptionScore")(splits=1)
    metric.update(logits)
    # torchmetrics divides by splits - 1 and shuffles, so only the mean of one split agrees.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = metric.compute()[0]
    assert inception_score(logits, splits=1).mean.item() == pytest.approx(
        expected.item(), rel=1e-10
    )


def test_the_inception_score_of_splits_is_the_mean_and_population_deviation_of_its_parts():
    logits = 3 * draw(25, 4)
    parts = [
        inception_score(part, splits=1).mean.item()
        for part in (logits[:9], logits[9:17], logits[17:])
    ]
    score = inception_score(logits, splits=3)
    assert score.mean.item() == pytest.approx(np.mean(parts), rel=1e-12)
    assert score.std.item() == pytest.approx(np.std(parts), rel=1e-12)


def test_the_inception_score_runs_from_one_to_the_number_of_classes():
    assert inception_score(
        torch.eye(7), splits=1, kind="probabilities"
    ).mean.item() == pytest.approx(7, rel=1e-12)
    for same in (torch.ones(20, 7) / 7, torch.eye(7)[:1].repeat(20, 1)):
        score = inception_score(same, kind="probabilities")
        assert score.mean.item() == pytest.approx(
            1, rel=1e-6
        ) and score.std.item() == pytest.approx(0, abs=1e-12)


def test_logits_and_their_probabilities_have_one_score():
    logits = draw(30, 5)
    as_probabilities = inception_score(logits.softmax(1), kind="probabilities")
    torch.testing.assert_close(as_probabilities, inception_score(logits))


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean(0), torch.cov(x.T)


def test_the_frechet_distance_agrees_with_torchmetrics():
    real, fake = draw(50, 6), 1.5 * draw(70, 6, seed=1) + 0.3
    metric = peer("FrechetInceptionDistance")()
    metric.update(real, real=True)
    metric.update(fake, real=False)
    assert frechet_distance(real, fake).item() == pytest.approx(metric.compute().item(), rel=1e-9)


def test_the_frechet_distance_agrees_with_scipys_matrix_root():
    mix = draw(5, 5, seed=2)
    (m1, c1), (m2, c2) = moments(draw(40, 5)), moments(draw(40, 5, seed=1) @ mix + 1)
    root = scipy.linalg.sqrtm((c1 @ c2).numpy()).real
    expected = (m1 - m2).square().sum().item() + float(np.trace((c1 + c2).numpy() - 2 * root))
    assert frechet_from_moments(m1, c1, m2, c2).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(5, 9), (200, 6), (7, 200)])
def test_fewer_samples_than_features_give_the_distance_of_their_covariances(n, m):
    torch.manual_seed(n)
    x, y = torch.randn(n, 40).double(), 0.5 + 2 * torch.randn(m, 40).double()
    expected = frechet_from_moments(x.mean(0), x.T.cov(), y.mean(0), y.T.cov())
    torch.testing.assert_close(frechet_distance(x, y), expected, rtol=1e-6, atol=1e-6)


def test_the_frechet_distance_of_covariances_that_commute_has_its_closed_form():
    basis = torch.linalg.qr(draw(4, 4)).Q
    u, v = torch.tensor([1.0, 4.0, 9.0, 0.0]).double(), torch.tensor([4.0, 0.0, 1.0, 0.0]).double()
    m = torch.tensor([1.0, 2.0, 0.0, -2.0]).double()
    c1, c2 = (basis * u) @ basis.T, (basis * v) @ basis.T
    expected = 9.0 + (u.sqrt() - v.sqrt()).square().sum().item()  # 9 + 1 + 4 + 4
    assert frechet_from_moments(m, c1, 0 * m, c2).item() == pytest.approx(expected, rel=1e-7)


def test_singular_covariances_of_few_samples_give_the_distance_of_the_plane_they_span():
    # Three samples in 40 dimensions span a plane; a rotation does not change the distance.
    x, y = draw(3, 2), 2 * draw(3, 2, seed=1) + 1
    embed = torch.linalg.qr(draw(40, 40, seed=2)).Q[:2]
    expected = frechet_distance(x, y).item()
    assert frechet_distance(x @ embed, y @ embed).item() == pytest.approx(expected, rel=1e-6)


def test_the_frechet_distance_is_zero_for_equal_sets_symmetric_and_the_square_of_a_shift():
    x, y = draw(30, 4), draw(20, 4, seed=1)
    assert frechet_distance(x, x.flip(0)).item() == pytest.approx(0, abs=1e-12)
    assert frechet_distance(x, x + 3).item() == pytest.approx(36, rel=1e-12)
    assert frechet_distance(x, y).item() == pytest.approx(frechet_distance(y, x).item(), rel=1e-12)


def test_kid_agrees_with_torchmetrics_subset_by_subset():
    real, fake = draw(50, 6), draw(60, 6, seed=1) + 0.2
    metric = peer("KernelInceptionDistance")(subsets=7, subset_size=20)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    with torch.random.fork_rng():
        torch.manual_seed(5)  # torchmetrics draws from the global generator in the same order
        mean, std = metric.compute()
    result = kid(real, fake, subsets=7, subset_size=20, seed=5)
    assert result.mean.item() == pytest.approx(mean.item(), rel=1e-9)
    assert result.std.item() == pytest.approx(std.item(), rel=1e-9)


def test_kid_over_all_samples_is_the_sum_over_pairs():
    real, fake = draw(5, 3), draw(5, 3, seed=1)

    def k(a: Tensor, b: Tensor) -> float:
        return float((a @ b / 3 + 1) ** 2)

    own = (
        sum(k(z[i], z[j]) for z in (real, fake) for i in range(5) for j in range(5) if i != j) / 20
    )
    cross = sum(k(a, b) for a in real for b in fake) / 25
    result = kid(real, fake, subsets=3, subset_size=5, degree=2)
    assert result.mean.item() == pytest.approx(own - 2 * cross, rel=1e-10)
    assert result.std.isnan()  # every subset is the whole set


def mmd_by_pairs(x: np.ndarray, y: np.ndarray) -> float:
    """Compute the unbiased estimate with a cubic kernel by its formula."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    n = len(x)
    different = ~np.eye(n, dtype=bool)
    within = sum(kernel(z, z)[different].sum() for z in (x, y))
    return float(within / (n * (n - 1)) - 2 * kernel(x, y).mean())


@pytest.mark.parametrize(
    ("n", "m", "d", "subsets", "size"),
    [
        (40, 30, 30, 50, 20),  # from one kernel of all samples
        (600, 650, 3, 2, 510),  # in blocks
        (90, 700, 3, 40, 60),  # subset by subset
    ],
)
def test_kid_is_the_formula_in_each_way_of_computing_it(
    n: int, m: int, d: int, subsets: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fake = draw(n, d), draw(m, d, seed=1) + 0.4
    generator = torch.Generator().manual_seed(0)
    expected = []
    for _ in range(subsets):
        chosen = [torch.randperm(len(z), generator=generator)[:size] for z in (real, fake)]
        expected.append(mmd_by_pairs(real[chosen[0]].numpy(), fake[chosen[1]].numpy()))
    result = kid(real, fake, subsets, size)
    assert result.mean.item() == pytest.approx(np.mean(expected), rel=1e-10)
    assert result.std.item() == pytest.approx(np.std(expected), rel=1e-8)
    monkeypatch.setattr("advlearn.metrics._polynomial_mmd._KERNEL_VALUES", max(n, m) ** 2)
    parts = kid(real, fake, subsets, size)  # some subsets at a time
    torch.testing.assert_close(parts.mean, result.mean, rtol=1e-12, atol=0)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
@pytest.mark.parametrize("held", [0, 1])
def test_an_overflow_of_a_pair_is_only_in_the_subsets_that_hold_the_pair(held: int) -> None:
    # The sizes of the first case above, with which all subsets take their values from one kernel.
    real, fake, subsets, size = draw(40, 30), draw(30, 30, seed=1) + 0.4, 6, 20
    generator = torch.Generator().manual_seed(0)
    chosen = [
        [torch.randperm(len(z), generator=generator)[:size] for z in (real, fake)]
        for _ in range(subsets)
    ]
    holds = torch.zeros(subsets, 40).scatter_(1, torch.stack([i for i, _ in chosen]), 1.0)
    first, second = (holds.T @ holds == held).nonzero()[0].tolist()
    # The product of these two samples overflows in the third power, and no product of two others.
    real[:, 0] = fake[:, 0] = 0.0
    real[[first, second], 0] = 1e60
    expected = [mmd_by_pairs(real[i].numpy(), fake[j].numpy()) for i, j in chosen]
    assert np.isinf(expected).sum() == held and not np.isnan(expected).any()
    result = kid(real, fake, subsets, size)
    assert result.mean.item() == pytest.approx(np.mean(expected), rel=1e-10)
    assert result.std.item() == pytest.approx(np.std(expected), rel=1e-8, nan_ok=True)


def test_kid_has_a_spread_only_where_subsets_of_both_sets_differ():
    real, fake = draw(40, 3), draw(60, 3, seed=1)
    for size, subsets in ((40, 5), (20, 1)):
        assert kid(real, fake, subsets, size).std.isnan()
    assert kid(real, fake, 5, 39).std > 0


def test_the_spread_of_kid_is_close_to_that_of_new_draws():
    spread = kid(draw(400, 4), draw(400, 4, seed=1) + 0.3, 100, 100).std
    values = [
        kid(draw(100, 4, seed=2 * i + 2), draw(100, 4, seed=2 * i + 3) + 0.3, 1, 100).mean
        for i in range(60)
    ]
    assert 0.5 < spread / torch.stack(values).std() < 1.5


def test_probabilities_are_not_taken_for_logits():
    probabilities = torch.eye(4).repeat(5, 1)
    with pytest.raises(
        ValueError, match=r"predictions: expected logits, got rows of .*; pass kind='probabilities'"
    ):
        inception_score(probabilities, splits=2)
    assert inception_score(probabilities, 1, "probabilities").mean.item() == pytest.approx(4)
    # Logits may have a row that could be one of probabilities.
    inception_score(torch.tensor([[1.0, 0.0], [3.0, 0.0], [1.0, 0.0]]), splits=1)
    assert inception_score(torch.ones(10, 1), splits=2).mean == 1.0


def test_the_subsets_of_kid_depend_only_on_the_seed():
    real, fake = draw(40, 3), draw(40, 3, seed=1)
    before = torch.get_rng_state()
    first, again, other = (
        kid(real, fake, subsets=2, subset_size=10, seed=s).mean.item() for s in (1, 1, 2)
    )
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_predictions_are_named():
    with pytest.raises(
        ValueError, match=r"predictions: expected at least 10 samples, got float32 \(3, 2\)"
    ):
        inception_score(torch.zeros(3, 2))
    with pytest.raises(ValueError, match="got a smallest value of -1 and row sums from 2 to 2"):
        inception_score(torch.tensor([[-1.0, 3.0]]), splits=1, kind="probabilities")
    with pytest.raises(
        ValueError, match="kind: expected one of logits, probabilities, got 'softmax'"
    ):
        inception_score(torch.zeros(10, 2), kind="softmax")
    with pytest.raises(ValueError, match="splits: expected a whole number of at least 1, got 0"):
        inception_score(torch.zeros(10, 2), splits=0)


def test_bad_features_and_moments_are_named():
    x, one = draw(5, 2), torch.eye(2)
    with pytest.raises(
        ValueError, match=r"fake: expected at least 2 samples, got float64 \(1, 2\)"
    ):
        frechet_distance(x, x[:1])
    with pytest.raises(ValueError, match="real: expected finite values, got 1 NaN or infinite in"):
        frechet_distance(torch.tensor([[math.nan], [1.0]]), x[:, :1])
    with pytest.raises(
        ValueError, match=r"mean2: expected shape \(2,\) like mean1, got float32 \(3,\)"
    ):
        frechet_from_moments(torch.zeros(2), one, torch.zeros(3), one)
    with pytest.raises(
        ValueError,
        match=r"cov2: expected a float tensor of shape \(2, 2\) like the mean, got float32",
    ):
        frechet_from_moments(torch.zeros(2), one, torch.zeros(2), torch.eye(3))
    with pytest.raises(
        ValueError, match="cov1: expected a symmetric matrix, got differences up to 1"
    ):
        frechet_from_moments(
            torch.zeros(2), one + torch.tensor([[0.0, 1.0], [0.0, 0.0]]), torch.zeros(2), one
        )
    with pytest.raises(
        ValueError, match="cov2: expected a positive semi-definite matrix, got an eigenvalue of -1"
    ):
        frechet_from_moments(torch.zeros(2), one, torch.zeros(2), -one)
    with pytest.raises(
        ValueError, match=r"real: expected at least 1000 samples, got float64 \(5, 2\)"
    ):
        kid(x, x)
