"""LeCam against its formula written out over a sequence of steps."""

import copy

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.critic_batch import CriticBatch
from advlearn.regularizers.lecam import LeCam
from tests.closed_form.regularizer_cases import check_compiled, critic_batch, samples, smooth


def batch(real: list[float], fake: list[float], weights: list[float] | None = None) -> CriticBatch:
    x, y = (torch.tensor(values, dtype=torch.float64) for values in (real, fake))
    w = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    return CriticBatch(nn.Identity(), x, y, x, y, w)


def test_the_penalty_equals_the_formula_over_three_steps() -> None:
    lecam = LeCam(weight=0.5, decay=0.9)
    steps = [([1.0, 3.0], [-1.0, 0.0]), ([2.0, 2.0], [-3.0, 1.0]), ([0.0, 5.0], [2.0, -1.0])]
    reals: list[float] = []
    fakes: list[float] = []
    for k, (real, fake) in enumerate(steps):
        found = lecam.penalty(batch(real, fake))
        if k == 0:
            assert found == 0
        else:
            shares = [0.9 ** (k - 1 - i) for i in range(k)]
            alpha_r, alpha_f = (
                sum(s * v for s, v in zip(shares, means, strict=True)) / sum(shares)
                for means in (reals, fakes)
            )
            by_hand = sum((d - alpha_f) ** 2 for d in real) / 2
            by_hand += sum((d - alpha_r) ** 2 for d in fake) / 2
            assert float(found) == pytest.approx(0.5 * by_hand, rel=1e-6)
        lecam.after_step(nn.Identity())
        reals.append(sum(real) / 2)
        fakes.append(sum(fake) / 2)


def test_a_report_between_steps_moves_no_anchor() -> None:
    lecam = LeCam()
    for _ in range(3):
        lecam.penalty(batch([1.0], [0.0]))
    assert lecam.mass == 0
    lecam.penalty(batch([4.0], [2.0]))
    lecam.after_step(nn.Identity())
    assert [float(a) for a in lecam.anchors()] == pytest.approx([4.0, 2.0])


def test_weights_count_in_the_anchors_and_in_the_penalty() -> None:
    lecam = LeCam(weight=1.0)
    first = batch([1.0, 5.0], [0.0], [3.0, 1.0])
    lecam.penalty(first)
    lecam.after_step(nn.Identity())
    assert float(lecam.anchors()[0]) == pytest.approx(2.0)
    # (3 * 1 + 1 * 25) / 4 for the real side, 4 for the fake one.
    assert float(lecam.penalty(first)) == pytest.approx(11.0)


def test_the_gradient_passes_the_check_and_anchors_carry_none() -> None:
    lecam, critic = LeCam(), smooth()
    real, fake = samples(4, 2), samples(4, 2, seed=1)
    lecam.penalty(critic_batch(critic, real, fake))
    lecam.after_step(critic)
    lecam.double()

    def value(*_: Tensor) -> Tensor:
        return lecam.penalty(critic_batch(critic, real, fake))

    assert torch.autograd.gradcheck(value, tuple(critic.parameters()))
    assert torch.autograd.gradgradcheck(value, tuple(critic.parameters()))


def test_training_resumes_bit_for_bit() -> None:
    def adversary() -> Adversary:
        torch.manual_seed(0)
        return Adversary(nn.Linear(3, 1), "hinge + lecam(decay=0.5)")

    def train(head: Adversary, steps: range) -> list[Tensor]:
        for step in steps:
            torch.manual_seed(step)
            head.update(torch.randn(4, 3), torch.randn(4, 3))
        return [v.clone() for v in head.state_dict().values() if torch.is_tensor(v)]

    whole = train(adversary(), range(6))
    first, second = adversary(), adversary()
    train(first, range(3))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    resumed = train(second, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


def test_bad_arguments_are_one_line() -> None:
    with pytest.raises(ValueError, match=r"^decay: expected a number below 1, got 1"):
        LeCam(decay=1)
    with pytest.raises(
        ValueError, match=r"^weight: expected a finite number of at least 0, got -1"
    ):
        LeCam(weight=-1)


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(LeCam)
