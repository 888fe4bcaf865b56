"""Penalties that are computed every few critic steps."""

import copy

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary, resolve
from advlearn.testing import NoSync

LAZY = ["r1", "r2", "gradient_penalty", "one_sided_gradient_penalty", "dragan_penalty"]
REAL, FAKE = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(2))


def head(spec: str) -> Adversary:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    with torch.no_grad():
        critic[2].weight.mul_(20)  # steep enough for a one-sided penalty
    return Adversary(critic, spec, optimizer=lambda ps: torch.optim.SGD(ps, lr=0.0))


def penalties(adversary: Adversary, steps: int) -> list[Tensor]:
    """Return the penalty of each step: the loss without the objective's part."""
    found = []
    for _ in range(steps):
        torch.manual_seed(1)
        total = adversary.update(REAL, FAKE)
        found.append(total - adversary.last_losses["critic_loss"])
    return found


@pytest.mark.parametrize("name", LAZY)
def test_a_lazy_penalty_is_due_every_few_steps_with_its_weight_scaled(name: str) -> None:
    (always,) = penalties(head(f"hinge + {name}(weight=40)"), 1)
    lazy = penalties(head(f"hinge + {name}(weight=40, every=3)"), 7)
    assert always > 0.01
    expected = torch.stack([3 * always * (step % 3 == 0) for step in range(7)])
    torch.testing.assert_close(torch.stack(lazy), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4])
def test_the_count_resumes_from_a_state_dict_and_in_a_copy(steps: int) -> None:
    first = head("hinge + r1(every=3)")
    penalties(first, steps)
    loaded = head("hinge + r1(every=3)")
    penalties(loaded, 2)
    loaded.load_state_dict(copy.deepcopy(first.state_dict()))
    copied = copy.deepcopy(first)
    expected = penalties(first, 5)
    assert penalties(loaded, 5) == expected
    assert penalties(copied, 5) == expected


def test_the_count_is_a_tensor_of_the_state_and_only_of_a_lazy_penalty() -> None:
    lazy, always = head("hinge + r1(every=3)"), head("hinge + r1")
    penalties(lazy, 5)
    counts = [value for name, value in lazy.state_dict().items() if name.endswith("steps")]
    assert counts == [torch.tensor(5)]
    assert not [name for name in always.state_dict() if name.endswith("steps")]


def test_no_step_waits_for_the_device() -> None:
    adversary = head("hinge + r1(every=2) + gradient_penalty(every=3)")
    adversary.update(REAL, FAKE)  # the first call checks its arguments
    with NoSync():
        for _ in range(4):
            adversary.update(REAL, FAKE)


@pytest.mark.slow
def test_the_compiled_loss_has_the_penalty_at_the_same_steps() -> None:
    eager, compiled = head("hinge + r1(every=2)"), head("hinge + r1(every=2)")
    losses = compiled._losses
    losses.compiled = True
    losses._compiled["_critic"] = torch.compile(losses._critic, backend="aot_eager")
    try:
        found = penalties(compiled, 5)
    finally:
        torch._dynamo.reset()
    torch.testing.assert_close(torch.stack(found), torch.stack(penalties(eager, 5)))


@pytest.mark.parametrize("name", LAZY)
def test_an_interval_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="every: expected a whole number of at least 1, got 0"):
        resolve(f"hinge + {name}(every=0)")
