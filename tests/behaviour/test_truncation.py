"""Test truncated latents: their distribution, extreme bounds, and a generator's own method."""

import math

import pytest
import torch
from torch import nn

from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.tasks.generate import Generate, truncated_normal


def phi(x: torch.Tensor) -> torch.Tensor:
    return torch.special.ndtr(x)


@pytest.mark.parametrize("bound", [0.3, 1.0, 2.5])
def test_truncated_draws_follow_the_truncated_normal_distribution(bound: float) -> None:
    z = truncated_normal(20_000, 10, bound).flatten().double().sort().values
    within = torch.tensor(bound, dtype=torch.float64)
    expected = (phi(z) - phi(-within)) / (phi(within) - phi(-within))
    found = torch.arange(1, len(z) + 1) / len(z)
    # Kolmogorov's distance exceeds 2.2 / sqrt(n) with probability 1e-4.
    assert (expected - found).abs().max() < 2.2 / math.sqrt(len(z))
    assert z.abs().max() <= bound


def test_a_large_bound_truncates_nothing() -> None:
    z = truncated_normal(1000, 100, 40.0)
    assert z.isfinite().all()
    assert abs(float(z.std()) - 1) < 0.02


def linear(classes: int = 0) -> Generate:
    net = Plain() if not classes else Conditional(classes)
    return Generate(net, latent=3, shape=(2,), classes=classes)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.linear(z)


class Conditional(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.table = nn.Embedding(classes, 2)
        self.linear = nn.Linear(3, 2)

    def forward(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.linear(z) + self.table(y)


class Own(nn.Module):
    """A generator with its own method `truncated`."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2, bias=False)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.linear(z)

    def truncated(self, z: torch.Tensor, y: torch.Tensor | None, psi: float) -> torch.Tensor:
        assert y is None and not self.training
        return psi * self.linear(z)


def test_bound_zero_gives_the_sample_of_the_zero_latent() -> None:
    task = linear()
    assert torch.equal(task.sample(4, truncation=0.0), task.generator.linear.bias.expand(4, 2))
    task = linear(classes=3)
    labels = torch.tensor([2, 0])
    expected = task.generator.linear.bias + task.generator.table.weight[labels]
    assert torch.equal(task.sample(2, labels, truncation=0.0), expected)


def test_without_truncation_the_draws_do_not_change() -> None:
    task = linear()
    torch.manual_seed(3)
    drawn = task.sample(4)
    torch.manual_seed(3)
    assert torch.equal(drawn, task.generator(torch.randn(4, 3)))


def test_the_method_truncated_of_a_generator_is_used() -> None:
    task = Generate(Own(), latent=3, shape=(2,))
    torch.manual_seed(3)
    whole = task.sample(4)
    torch.manual_seed(3)
    torch.testing.assert_close(task.sample(4, truncation=0.5), whole / 2)


@pytest.mark.parametrize("bad", [-1.0, float("inf"), float("nan"), "much"])
def test_a_bad_bound_is_one_line(bad: float) -> None:
    with pytest.raises(ValueError, match="truncation: expected a finite number of at least 0"):
        linear().sample(2, truncation=bad)


class Penalised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.linear(z)

    def penalty(self) -> torch.Tensor:
        return self.linear.weight.square().sum()


def test_the_penalty_of_a_generator_is_the_cooperative_loss() -> None:
    task = Generate(Penalised(), latent=3, shape=(2,))
    loss = task((torch.randn(4, 2),)).loss
    assert loss is not None
    torch.testing.assert_close(loss, task.generator.linear.weight.square().sum())
    assert linear()((torch.randn(4, 2),)).loss is None


def test_a_run_truncates_or_refuses_for_its_task() -> None:
    data = ArrayDataset(torch.randn(16, 2), torch.arange(16) % 2, "points", classes=2)
    run = fit("generate(latent=2)", "nsgan", data, steps=1, device="cpu", callbacks=())
    torch.testing.assert_close(
        run.sample(4, truncation=0.0)[0], run.sample(1, truncation=0.0, seed=3)[0]
    )
    assert not torch.allclose(*run.sample(2, truncation=0.5))
    with pytest.raises(ValueError, match="truncation: "):
        run.sample(4, truncation=-1.0)
    other = fit("ac_gan(latent=2)", "nsgan", data, steps=1, device="cpu", callbacks=())
    with pytest.raises(TypeError, match=r"truncation: expected None, ac_gan does not truncate"):
        other.sample(4, truncation=0.5)
