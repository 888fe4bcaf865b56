"""Critics of several outputs, and samples that are tuples, lists and dicts."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from advlearn import Adversary
from advlearn.core.objective import Objective
from advlearn.testing._found import objectives
from advlearn.testing._material import critic, sides


class Several(nn.Module):
    """Return the outputs of several critics as a list."""

    def __init__(self, *critics: nn.Module) -> None:
        super().__init__()
        self.critics = nn.ModuleList(critics)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [critic(x) for critic in self.critics]


def changed(network: nn.Module) -> nn.Module:
    other = copy.deepcopy(network)
    with torch.no_grad():
        for p in other.parameters():
            p.mul_(0.7).add_(0.05)
    return other


@pytest.mark.parametrize("objective", objectives(), ids=repr)
def test_losses_are_the_mean_over_the_outputs(objective: Objective) -> None:
    first = critic(objective.critic_output)
    both = [first, changed(first)]
    real, fake = sides()
    fake.requires_grad_()
    found = Adversary(Several(*copy.deepcopy(both)), objective)
    single = [Adversary(copy.deepcopy(c), objective) for c in both]
    expected = torch.stack([head.player_loss(real, fake) for head in single]).mean()
    loss = found.player_loss(real, fake)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss, fake, allow_unused=True),
        torch.autograd.grad(expected, fake, allow_unused=True),
    )
    torch.testing.assert_close(
        found.update(real, fake), torch.stack([h.update(real, fake) for h in single]).mean()
    )
    if objective.reward(single[0].critic_batch(real, fake)).shape == (len(fake),):
        rewards = torch.stack([h.reward(fake, real) for h in single]).mean(0)
        assert found.reward(fake, real).shape == rewards.shape


def test_the_balance_of_began_is_that_of_all_outputs() -> None:
    first = critic("energy")
    both = [first, changed(first)]
    real, fake = sides()
    found = Adversary(Several(*both), "began(gamma=0.9)", lr=1e-9)
    found.update(real, fake)
    alone = [Adversary(c, "began(gamma=0.9)", lr=1e-9) for c in both]
    for head in alone:
        head.update(real, fake)
    expected = torch.stack([h.objective.imbalance for h in alone]).mean()
    torch.testing.assert_close(found.objective.imbalance, expected, rtol=1e-6, atol=1e-9)


LOGITS, MAP = torch.zeros(6, 1), torch.zeros(6, 4)
FORMS: list[Any] = [
    ([LOGITS, LOGITS], 2, 0),
    ((LOGITS, LOGITS, LOGITS), 3, 0),
    ((LOGITS, [MAP, MAP]), 1, 1),
    (([LOGITS, LOGITS], [[MAP], [MAP, MAP]]), 2, 2),
    ([[MAP, LOGITS], [MAP, MAP, LOGITS]], 2, 2),
    ((LOGITS, []), 1, 0),
]


@pytest.mark.parametrize(("value", "outputs", "features"), FORMS)
def test_every_form_of_an_output_is_read(value: Any, outputs: int, features: int) -> None:
    from advlearn.core.scores import read

    found = read(value)
    assert len(found.scores) == outputs and len(found.features) == features
    assert all(scores.shape == (6,) for scores in found.scores)
    assert all(m is MAP for maps in found.features for m in maps)


@pytest.mark.parametrize(
    "value", [None, {"logits": LOGITS}, [], (LOGITS, None), (LOGITS, {}), [LOGITS, 1.0], "logits"]
)
def test_other_outputs_are_one_line(value: Any) -> None:
    class Wrong(nn.Module):
        def forward(self, _: Tensor) -> Any:
            return value

    with pytest.raises(TypeError, match=r"^critic: expected .*, got [^\n]*$"):
        Adversary(Wrong(), "nsgan").update(*sides())


class Conditional(nn.Module):
    """Score an image given a sketch; a mask may be missing."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1)).double()

    def forward(self, image: Tensor, sketch: Tensor, mask: Tensor | None = None) -> Tensor:
        image = image if mask is None else image * mask
        return self.body(torch.cat([image, sketch], 1))


def conditional() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real, fake = torch.randn(2, 6, 2, generator=generator, dtype=torch.float64)
    return real, fake, torch.randn(6, 3, generator=generator, dtype=torch.float64)


def test_a_dict_gives_keyword_arguments_and_none_is_passed_on() -> None:
    real, fake, sketch = conditional()
    by_place = Adversary(Conditional(), "hinge + r1").update((real, sketch), (fake, sketch))
    named = Adversary(Conditional(), "hinge + r1").update(
        {"sketch": sketch, "image": real, "mask": None},
        {"sketch": sketch, "image": fake, "mask": None},
    )
    torch.testing.assert_close(named, by_place)


@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_a_penalty_holds_conditions_fixed(form: str) -> None:
    real, fake, sketch = conditional()
    network = Conditional()
    x = real.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(x, sketch).sum(), x)
    expected = gradient.square().sum(1).mean() / 2
    head = Adversary(
        network, "hinge + r1(weight=1)", conditions=[1] if form == "tuple" else ["sketch"]
    )
    if form == "tuple":
        head.update((real, sketch), (fake, sketch))
    else:
        head.update({"image": real, "sketch": sketch}, {"image": fake, "sketch": sketch})
    torch.testing.assert_close(head.last_losses["R1"], expected)


def test_unknown_conditions_are_one_line() -> None:
    real, fake, sketch = conditional()
    head = Adversary(Conditional(), "hinge", conditions=["mel"])
    with pytest.raises(ValueError, match=r"^conditions: expected some, not all, of the parts"):
        head.update((real, sketch), (fake, sketch))


def test_sides_of_two_lengths_are_scored_apart() -> None:
    network = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Tanh(), nn.Conv1d(2, 1, 3)).double()
    real, fake = torch.randn(4, 1, 20).double(), torch.randn(3, 1, 12).double()
    expected = softplus(-network(real)).mean() + softplus(network(fake)).mean()
    torch.testing.assert_close(Adversary(network, "nsgan").update(real, fake), expected.detach())
    with pytest.raises(ValueError, match=r"^fake: .* compares the sides, got \(1, 8\)"):
        Adversary(network, "rpgan").update(real[:3], fake)


def test_samples_of_another_structure_are_one_line() -> None:
    real, fake, sketch = conditional()
    with pytest.raises(ValueError, match=r"^fake: expected the structure of real, \(\(6, 2\), "):
        Adversary(Conditional(), "hinge").update((real, sketch), fake)
    with pytest.raises(ValueError, match=r"^real: expected one or more samples"):
        Adversary(Conditional(), "hinge").update((real, sketch[:3]), (fake, sketch))
