import pytest
import torch
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from advlearn.metrics.memorisation import memorisation, nearest, nearest_k


def draw(n: int, d: int = 3, seed: int = 0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("d", [3, 80])
def test_the_nearest_agree_with_scikit_learn(d, monkeypatch):
    samples, train = draw(30, d), draw(70, d, seed=1)
    distances, indices = (
        NearestNeighbors(n_neighbors=1).fit(train.numpy()).kneighbors(samples.numpy())
    )
    for block in (1 << 20, 500):
        monkeypatch.setattr("advlearn.functional.distances._BLOCK", block)
        result = nearest(samples, train)
        assert result.indices.tolist() == indices[:, 0].tolist()
        torch.testing.assert_close(result.distances, torch.from_numpy(distances[:, 0]))


@pytest.mark.parametrize("block", [1 << 20, 500])
def test_the_k_nearest_agree_with_scikit_learn(block, monkeypatch):
    monkeypatch.setattr("advlearn.functional.distances._BLOCK", block)
    samples, train = draw(30), draw(70, seed=1)
    distances, indices = (
        NearestNeighbors(n_neighbors=5).fit(train.numpy()).kneighbors(samples.numpy())
    )
    result = nearest_k(samples, train, 5)
    assert result.indices.tolist() == indices.tolist()
    torch.testing.assert_close(result.distances, torch.from_numpy(distances))
    with pytest.raises(ValueError, match="k: expected from 1 to the 70 training samples, got 71"):
        nearest_k(samples, train, 71)


def test_the_first_of_equally_near_training_samples_is_returned(monkeypatch):
    monkeypatch.setattr("advlearn.functional.distances._BLOCK", 2)
    train = torch.tensor([[9.0], [0.0], [2.0], [0.0], [2.0]])
    assert nearest(torch.tensor([[1.0]]), train).indices.tolist() == [1]


def test_copies_are_detected():
    train, held_out = draw(400), draw(300, seed=1)
    copied = memorisation(train[:100] + 1e-6, train, held_out)
    assert (
        copied.copies == 1
        and copied.nearer == 1
        and copied.nearest.indices.tolist() == list(range(100))
    )
    half = memorisation(torch.cat([train[:150], draw(150, seed=2)]), train, held_out)
    assert half.copies.item() == pytest.approx(0.5, abs=0.02) and 0.7 < half.nearer < 0.8


def test_new_samples_of_the_distribution_are_not_copies():
    fresh = memorisation(draw(2000, seed=2), draw(500), draw(2000, seed=1), level=0.05)
    assert fresh.copies.item() == pytest.approx(
        0.05, abs=0.02
    ) and fresh.nearer.item() == pytest.approx(0.5, abs=0.03)
    far = memorisation(draw(100, seed=2) + 50, draw(500), draw(100, seed=1))
    assert far.copies == 0 and far.nearer == 0


@pytest.mark.filterwarnings("ignore:held_out")
def test_the_statistic_equals_that_of_mann_and_whitney_with_ties():
    train = torch.arange(0.0, 40, 4)[:, None]
    samples, held_out = torch.arange(0.0, 20)[:, None], torch.arange(3.0, 33)[:, None]
    result = memorisation(samples, train, held_out)
    of_samples, of_held_out = (
        nearest(part, train).distances.numpy() for part in (samples, held_out)
    )
    pairs = len(samples) * len(held_out)
    assert result.nearer.item() == pytest.approx(
        stats.mannwhitneyu(of_held_out, of_samples).statistic / pairs
    )


@pytest.mark.parametrize("d", [3, 80, 2048])
def test_copies_have_distance_zero_in_every_dimension(d):
    train = draw(60, d)
    repeated = train.repeat(3, 1)[torch.randperm(180)]
    result = nearest(train, repeated)
    assert result.distances.tolist() == [0.0] * 60
    first = [(repeated == row).all(1).nonzero()[0].item() for row in train]
    assert result.indices.tolist() == first
    assert nearest_k(train, repeated, 3).distances.unique().tolist() == [0.0]


@pytest.mark.parametrize("d", [3, 300])
def test_duplicates_in_the_data_do_not_hide_or_feign_copies(d):
    train, fresh = draw(100, d), draw(180, d, seed=1)
    # A tenth of the data are duplicates, and so are a tenth of an honest generator's samples.
    held_out, honest = torch.cat([train[:9], fresh[:81]]), torch.cat([train[50:59], fresh[90:171]])
    with pytest.warns(UserWarning, match="held_out: expected under 5% .* got 10.0%"):
        result = memorisation(honest, train, held_out, level=0.05)
    assert result.duplicates.item() == pytest.approx(0.1)
    assert result.copies.item() == pytest.approx(0.05)
    with pytest.warns(UserWarning, match="held_out"):
        copied = memorisation(train, train, held_out, level=0.05)
    # Copies equal the tenth of the held-out data that are duplicates, and are nearer than the rest.
    assert copied.nearer.item() == pytest.approx(0.95) and copied.copies.item() == 0.5


def test_the_held_out_data_has_as_many_copies_as_the_level():
    train, held_out = torch.zeros(1, 1), torch.tensor([[1.0]] * 4 + [[2.0]] * 6)
    for level in (0.1, 0.4, 0.7, 1.0):
        result = memorisation(held_out, train, held_out, level)
        assert result.copies.item() == pytest.approx(level)
        assert result.nearer.item() == pytest.approx(0.5)


def test_bad_input_is_named():
    x = torch.zeros(3, 2)
    with pytest.raises(
        ValueError, match="level: expected a finite number above 0 and at most 1, got 0"
    ):
        memorisation(x, x, x, level=0)
    with pytest.raises(
        ValueError, match=r"held_out: expected 2 columns like samples, got float32 \(3, 1\)"
    ):
        memorisation(x, x, x[:, :1])
    with pytest.raises(TypeError, match="samples: expected a float tensor"):
        memorisation(x.long(), x, x)
