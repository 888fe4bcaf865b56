import pytest
import torch
from torch import nn

from advlearn.core.critic_batch import mixes_samples
from advlearn.nets import GaussianNoise, MinibatchDiscrimination, ReferenceBatch, VirtualBatchNorm

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_minibatch_discrimination_is_the_sum_of_the_paper() -> None:
    layer = MinibatchDiscrimination(4, outputs=3, dimensions=2).double()
    m = (X @ layer.weight).view(6, 3, 2)
    expected = torch.zeros(6, 3, dtype=torch.float64)
    for i in range(6):
        for j in range(6):
            if i != j:
                expected[i] += torch.exp(-(m[i] - m[j]).abs().sum(1))
    torch.testing.assert_close(layer(X), torch.cat([X, expected], 1))
    assert mixes_samples(nn.Sequential(layer))


@pytest.mark.parametrize("shape", [(), (5, 3)])
def test_virtual_batch_norm_of_the_reference_is_batch_norm(shape: tuple[int, ...]) -> None:
    x = torch.randn(6, 4, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    plain = nn.BatchNorm1d(4).double() if not shape else nn.BatchNorm2d(4).double()
    torch.testing.assert_close(VirtualBatchNorm(4, reference=6).double()(x), plain(x))


def test_virtual_batch_norm_counts_the_sample_and_the_reference() -> None:
    layer = VirtualBatchNorm(4, reference=5).double()
    with_it = nn.BatchNorm1d(4).double()(X)
    torch.testing.assert_close(layer(X)[5], with_it[5])


def test_no_sample_depends_on_the_others() -> None:
    net = ReferenceBatch(
        nn.Sequential(nn.Linear(4, 3), VirtualBatchNorm(3, reference=2)).double(), X[:2]
    )
    torch.testing.assert_close(net(X[2:])[:1], net(X[2:3]))
    assert not mixes_samples(net)


def test_too_few_samples_for_the_reference_are_one_line() -> None:
    with pytest.raises(
        ValueError, match=r"^x: expected 9 reference samples of 4 features first, got \(6, 4\)$"
    ):
        VirtualBatchNorm(4, reference=9)(X.float())


def test_noise_is_added_only_in_training() -> None:
    layer = GaussianNoise(0.5)
    assert torch.equal(layer.eval()(X), X)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        spread = (layer.train()(torch.zeros(20_000)) / 0.5).std()
    assert abs(spread - 1) < 0.03
    with pytest.raises(ValueError, match=r"^sigma: expected a number of at least 0, got -1$"):
        GaussianNoise(-1)
