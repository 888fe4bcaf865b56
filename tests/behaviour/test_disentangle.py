"""Test InfoGAN: the likelihood of codes, their mutual information, and traversals."""

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.run import load
from advlearn.tasks.disentangle import LEAST_STD, Disentangle, Posterior, log_likelihoods

POINTS = ArrayDataset(
    torch.randn(32, 2, generator=torch.Generator().manual_seed(0)), None, "points"
)
NOISE, CODES, CONTINUOUS = 2, (3, 4), 1
LATENT = NOISE + sum(CODES) + CONTINUOUS


class Codes(nn.Module):
    """A generator whose samples are its latents, so that they contain the codes."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, z: Tensor) -> Tensor:
        return z * self.gain


class Reader(nn.Module):
    """Read the codes of such samples: logits `sure` times one-hot, exact means, small variance."""

    def __init__(self, sure: float) -> None:
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(sure))

    def forward(self, x: Tensor) -> Tensor:
        codes = x[:, NOISE : NOISE + sum(CODES)]
        return torch.cat([self.sure * codes, x[:, -CONTINUOUS:], -self.sure.expand(len(x), 1)], 1)


def task(sure: float = 0.0) -> Disentangle:
    return Disentangle(
        Codes(), Reader(sure), noise=NOISE, shape=(LATENT,), codes=CODES, continuous=CONTINUOUS
    )


def test_the_likelihood_is_that_of_torch_distributions() -> None:
    logits, mean, std = torch.randn(5, 3), torch.randn(5, 2), torch.rand(5, 2) + 0.1
    classes, values = torch.tensor([0, 1, 2, 1, 0]), torch.randn(5, 2)
    found = log_likelihoods(Posterior((logits.log_softmax(1),), mean, std), [classes], values)
    assert found.shape == (5, 3)
    torch.testing.assert_close(found[:, 0], Categorical(logits=logits).log_prob(classes))
    torch.testing.assert_close(found[:, 1:], Normal(mean, std).log_prob(values))


def test_the_loss_is_the_weighted_sum_and_moves_generator_and_recogniser() -> None:
    infogan = Disentangle(
        Codes(),
        Reader(1.0),
        noise=NOISE,
        shape=(LATENT,),
        codes=CODES,
        continuous=1,
        code_weight=0.5,
        continuous_weight=3.0,
    )
    round = infogan((torch.zeros(50, LATENT),))
    found = round.outputs["log_likelihood"]
    assert round.loss is not None
    torch.testing.assert_close(round.loss, -(0.5 * (found[0] + found[1]) + 3.0 * found[2]))
    round.loss.backward()
    gradients = [p.grad for p in infogan.trainable_parameters()]
    assert len(gradients) == 2 and all(g is not None and g.abs() > 0 for g in gradients)


def test_the_bound_is_zero_for_a_uniform_recogniser_and_the_entropy_for_an_exact_one() -> None:
    nothing, all_ = task(0.0).information(), task(50.0).information()
    torch.testing.assert_close(nothing[:2], torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        all_[:2], torch.tensor([math.log(k) for k in CODES]), atol=1e-6, rtol=0
    )
    # The code is known up to the smallest standard deviation: a Gaussian at its mean.
    expected = math.log(2) - math.log(LEAST_STD) - 0.5 * math.log(2 * math.pi)
    assert float(all_[2]) == pytest.approx(expected, rel=1e-5)


def test_the_bound_never_exceeds_the_entropy_of_a_discrete_code() -> None:
    infogan = Disentangle.from_data(POINTS, codes=(3, 4), continuous=0, noise=4)
    for p in infogan.q_network.parameters():
        nn.init.normal_(p)
    assert (infogan.information() <= torch.tensor([math.log(3), math.log(4)])).all()


def test_given_codes_are_used_and_drawn_ones_are_uniform() -> None:
    codes = torch.tensor([[2.0, 0.0, 0.25], [0.0, 3.0, -1.0]])
    x = task().sample(2, codes)
    assert x[:, NOISE:].tolist() == [[0, 0, 1, 1, 0, 0, 0, 0.25], [1, 0, 0, 0, 0, 0, 1, -1.0]]
    x = task().sample(3000)
    for first, size in ((NOISE, 3), (NOISE + 3, 4)):
        code = x[:, first : first + size]
        assert (code.sum(1) == 1).all()
        # Six standard errors of a proportion.
        assert (code.mean(0) - 1 / size).abs().max() < 6 * math.sqrt(
            1 / size * (1 - 1 / size) / 3000
        )
    assert x[:, -1].abs().max() <= 1 and x[:, -1].min() < -0.9 and x[:, -1].max() > 0.9


def test_noise_is_decoded_with_given_codes_or_with_fixed_ones() -> None:
    z = torch.randn(2, NOISE)
    fixed_codes = torch.tensor([1.0, 0, 0, 1, 0, 0, 0, 0])
    assert torch.equal(task().decode(z), torch.cat([z, fixed_codes.expand(2, -1)], 1))
    codes = torch.tensor([[2.0, 0.0, 0.25], [0.0, 3.0, -1.0]])
    expected = torch.tensor([[0, 0, 1, 1, 0, 0, 0, 0.25], [1, 0, 0, 0, 0, 0, 1, -1.0]])
    assert torch.equal(task().decode(z, codes), torch.cat([z, expected], 1))


def test_a_traversal_moves_its_code_and_nothing_else() -> None:
    infogan = task()
    classes = infogan.traverse(1, rows=3)
    assert classes.shape == (3, 4, LATENT)
    assert torch.equal(classes[:, :, 5:9], torch.eye(4).expand(3, 4, 4))
    numbers = infogan.traverse(2, torch.tensor([-2.0, 0.0, 2.0]), rows=3)
    assert torch.equal(numbers[:, :, -1], torch.tensor([[-2.0, 0.0, 2.0]]).expand(3, 3))
    for code, moved in ((classes, slice(5, 9)), (numbers, slice(9, 10))):
        rest = torch.cat([code[..., : moved.start], code[..., moved.stop :]], -1)
        assert torch.equal(rest, rest[:, :1].expand_as(rest))
        assert not torch.equal(rest[0], rest[1])
    assert infogan.traverse(2).shape == (5, 10, LATENT)


def test_the_posterior_of_samples_is_normalised() -> None:
    found = Disentangle.from_data(POINTS, codes=CODES, continuous=2, noise=2).codes(POINTS.x)
    assert [p.shape for p in found.discrete] == [(32, 3), (32, 4)]
    for p in found.discrete:
        torch.testing.assert_close(p.exp().sum(1), torch.ones(32))
    assert found.mean.shape == found.std.shape == (32, 2) and (found.std >= LEAST_STD).all()
    assert not found.mean.requires_grad


def test_a_loaded_run_samples_the_same(tmp_path: Any) -> None:
    form = "disentangle(codes=(3,), continuous=1, noise=2, continuous_weight=0.2)"
    run = fit(form, "nsgan", POINTS, steps=2, batch_size=8, device="cpu", callbacks=())
    again = load(run.save(tmp_path / "run.pt"))
    assert torch.equal(again.sample(4, seed=1), run.sample(4, seed=1))
    assert cast(Disentangle, again.ema_model).continuous_weight == 0.2


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"codes": (), "continuous": 0},
            r"^codes: expected one or more codes, of 2 or more classes each, got \(\)$",
        ),
        (
            {"codes": (1,)},
            r"^codes: expected one or more codes, of 2 or more classes each, got \(1,\)$",
        ),
        ({"noise": 0}, r"^noise: expected a whole number of at least 1, got 0;"),
        ({"code_weight": -1.0}, r"^code_weight: expected a finite number of at least 0, got -1.0;"),
    ],
)
def test_bad_settings_are_one_line(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        Disentangle.from_data(POINTS, **settings)


def test_modules_and_codes_that_do_not_fit_are_one_line() -> None:
    with pytest.raises(ValueError, match=r"^generator: expected a module of z of shape \(2, 14\)"):
        Disentangle(nn.Linear(3, 2), nn.Linear(2, 14), noise=2, shape=(2,))
    with pytest.raises(
        ValueError, match=r"^generator: expected samples of shape \(3,\), got \(2,\)$"
    ):
        Disentangle(nn.Linear(14, 2), nn.Linear(2, 14), noise=2, shape=(3,))
    with pytest.raises(ValueError, match=r"q_network: expected outputs \(N, 14\), got \(N, 5\)$"):
        Disentangle(nn.Linear(14, 2), nn.Linear(2, 5), noise=2, shape=(2,))
    with pytest.raises(
        ValueError, match=r"^codes: expected shape \(2, 3\), one column per code, got \(2,\)$"
    ):
        task().sample(2, torch.zeros(2))
    with pytest.raises(
        ValueError, match=r"^codes: expected classes below 3 in column 0, got \[3, 0\]$"
    ):
        task().sample(2, torch.tensor([[3.0, 0, 0], [0, 0, 0]]))
    with pytest.raises(ValueError, match=r"^code: expected one of 0 to 2, got 3$"):
        task().traverse(3)
