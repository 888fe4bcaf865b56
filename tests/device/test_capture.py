"""Test on a CPU that training steps can be captured as CUDA graphs."""

import random
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.capture import host_states, kind_of_step
from advlearn.core.finite import FiniteMonitor
from advlearn.core.grammar import parse, resolve
from advlearn.core.host_parts import HostParts
from advlearn.core.interval import Interval
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer
from advlearn.critics.build import build
from advlearn.data import ArrayDataset, batches
from advlearn.nets import architectures
from advlearn.nets.families.progan import ProGANCritic, ProGANGenerator
from advlearn.regularizers import ImagePool
from advlearn.tasks.generate import Generate
from advlearn.testing import check_capturable
from advlearn.train_task import playable
from tests.conformance.test_games import built
from tests.device.test_games import CROSSED

# Steps that a graph cannot hold, with the reason that the check must give.
REFUSED = {"assignment": "Tensor.cpu copies to the host"}


def trainer(objective: str, form: str, **settings: Any) -> Trainer:
    """Return a trainer of a task on its test data."""
    return trainer_of(*built(form), objective, **settings)


def trainer_of(task: Task, data: Any, objective: str, **settings: Any) -> Trainer:
    """Return a trainer of a task on data, as `fit` builds it."""
    chain = playable(task, resolve(objective))
    critics = build(task, chain, None)
    adversaries = {name: Adversary(critic, chain, lr=1e-3) for name, critic in critics.items()}
    return Trainer(task, adversaries, batches(data, 8), steps=100, **settings)


@pytest.mark.parametrize(("objective", "form"), CROSSED)
def test_steps_of_every_game_can_be_captured(objective: str, form: str) -> None:
    torch.manual_seed(0)
    reason = REFUSED.get(objective)
    if reason is None:
        check_capturable(trainer(objective, form))
        return
    with pytest.raises(AssertionError, match=reason):
        check_capturable(trainer(objective, form))


@pytest.mark.parametrize("name", architectures())
def test_steps_of_every_network_can_be_captured(name: str) -> None:
    side = min(architectures()[name].sides)
    images = ArrayDataset(torch.rand(12, 3, side, side), torch.arange(12) % 3, "images", classes=3)
    form = f"generate(latent=8, base_channels=4, architecture={name!r}, conditional=True)"
    task = Generate.from_data(images, **parse(form)[0].arguments)
    check_capturable(trainer_of(task, images, "hinge + spectral_norm"))


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_rates_that_change_can_be_captured(schedule: Any) -> None:
    check_capturable(trainer("nsgan", "generate(latent=2)", schedule=schedule))


def test_a_lazy_penalty_has_steps_of_several_kinds() -> None:
    check_capturable(trainer("hinge + r1(every=3)", "generate(latent=2)"))


class Planted(nn.Module):
    """Multiply by a state, and break one rule of captured steps."""

    state: Tensor

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule = rule
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("state", torch.ones(3))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return PLANTED[self.rule][0](self, x * self.weight * self.state)


def replaced(module: Planted, x: Tensor) -> Tensor:
    module.state = module.state + 1
    return x


# Rule: what breaks it, and a part of the message.
PLANTED: dict[str, tuple[Callable[[Any, Tensor], Tensor], str]] = {
    "reads a number": (lambda m, x: x * x.detach().sum().item(), "_local_scalar_dense reads"),
    "compares": (lambda m, x: x * torch.equal(x, x + 1), "equal reads"),
    "picks by a mask": (lambda m, x: x[x > 0], "reads a value"),
    "copies to the host": (lambda m, x: x + torch.from_numpy(x.detach().numpy()), "numpy copies"),
    "makes a tensor": (lambda m, x: x + torch.tensor([1.0, 2.0, 3.0]), "values on the host"),
    "counts on the host": (lambda m, x: x * m.calls, "another number"),
    "replaces a buffer": (replaced, "another place"),
    "alternates": (lambda m, x: x.exp() if m.calls % 2 else x.sin(), "different operators"),
    "grows": (lambda m, x: x.repeat(m.calls, 1), "another number"),
    "own generator": (
        lambda m, x: x + torch.rand(3, generator=torch.Generator().manual_seed(0)),
        "private generator",
    ),
    "Python's random": (lambda m, x: x + 0 * random.random(), "Python's random"),
    "numpy's random": (lambda m, x: x + 0 * numpy.random.rand(), "numpy.random"),
}


def planted_step(rule: str) -> Callable[[], None]:
    torch.manual_seed(0)
    module, x = Planted(rule), torch.rand(4, 3)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        module(x).sum().backward()
        optimizer.step()

    return step


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_violation_is_refused_with_its_reason(rule: str) -> None:
    with pytest.raises(AssertionError, match=PLANTED[rule][1]):
        check_capturable(planted_step(rule))


def test_a_step_that_keeps_every_rule_is_accepted() -> None:
    PLANTED["none"] = (lambda m, x: x, "")
    try:
        check_capturable(planted_step("none"))
    finally:
        del PLANTED["none"]


def test_new_state_of_an_optimizer_in_each_step_is_refused() -> None:
    weight = nn.Parameter(torch.ones(2))

    def step() -> None:
        weight.grad = torch.ones(2)
        torch.optim.Adam([weight], lr=0.1).step()

    with pytest.raises(AssertionError, match="capturable"):
        check_capturable(step)


def test_a_critic_with_its_own_schedule_is_refused() -> None:
    refused = trainer("nsgan", "generate(latent=2)")
    critic = nn.Linear(2, 1)
    refused.adversaries = {"data": Adversary(critic, "nsgan", schedule="linear", steps=9)}
    with pytest.raises(AssertionError, match="data: the critic has its own schedule"):
        check_capturable(refused)


def test_a_compiled_loss_is_refused() -> None:
    refused = trainer("nsgan", "generate(latent=2)")
    refused.adversaries = {"data": Adversary(nn.Linear(2, 1), "nsgan", compile=True)}
    with pytest.raises(AssertionError, match="data: compile=True compiles the losses"):
        check_capturable(refused)


def test_the_host_parts_of_a_step_are_repeated_and_undone() -> None:
    run = trainer("hinge + r1(every=3)", "generate(latent=2)")
    batch = next(run.data)
    run.learn(iter([batch]))
    parts, adversary = HostParts(), next(iter(run.adversaries.values()))
    interval = next(m for m in adversary.modules() if isinstance(m, Interval))
    with parts.recorded():
        run.learn(iter([batch]))
    assert (run.step, adversary.steps_done, interval.due) == (2, 2, False)
    parts.repeat()
    assert (run.step, adversary.steps_done, interval.due) == (3, 3, True)
    parts.undo()
    assert (run.step, adversary.steps_done, interval.due) == (1, 1, False)
    run.raise_if_not_finite()


def test_a_resumed_run_follows_its_schedule() -> None:
    """Loading an optimizer replaces its groups, so rates are looked up at each step."""
    first = trainer("nsgan", "generate(latent=2)", schedule="linear")
    first._train_step()
    second = trainer("nsgan", "generate(latent=2)", schedule="linear")
    second.load_state_dict(first.state_dict())
    second.step = 50
    second._train_step()
    assert second.optimizer.param_groups[0]["lr"] == pytest.approx(
        0.5 * first.optimizer.defaults["lr"]
    )


def test_rates_on_the_device_give_the_same_weights() -> None:
    def weights(held: bool) -> Tensor:
        torch.manual_seed(0)
        run = trainer("wgan-gp", "generate(latent=2)", schedule="linear")
        if held:
            run.hold_on_device(torch.device("cpu"))
        for _ in range(5):
            run._train_step()
        return nn.utils.parameters_to_vector(run.task.parameters()).detach()

    torch.testing.assert_close(weights(True), weights(False), rtol=0, atol=1e-6)


def test_a_non_finite_loss_in_the_users_own_graph_is_reported() -> None:
    monitor = FiniteMonitor()
    monitor.note(4, {"loss": torch.zeros(())})
    group = next(iter(monitor._groups.values()))
    group.looks += 7
    group.sum.fill_(torch.nan)
    assert monitor.first_failure() == (4, "loss")


def test_growing_networks_tell_the_kind_of_a_step() -> None:
    generator = ProGANGenerator(4, (1, 8, 8), 4)
    task = Generate(generator, latent=4, shape=(1, 8, 8))
    critic = ProGANCritic((1, 8, 8), 4)
    source = ArrayDataset(torch.rand(16, 1, 8, 8))
    run = Trainer(task, {"data": Adversary(critic, "nsgan")}, batches(source, 8), steps=100)
    states = host_states([run.task, *run.adversaries.values()])
    kinds: list[Any] = []
    for level in (0.0, 0.25, 0.5, 1.0):
        generator.grow(level)
        critic.grow(level)
        kinds.append(kind_of_step(run, states))
    assert kinds[1] == kinds[2] and len({kinds[0], kinds[1], kinds[3]}) == 3
    check_capturable(run)


def test_a_full_image_pool_changes_in_place() -> None:
    pool = ImagePool(size=4)
    assert pool.coming(1) is None
    pool.filter_fakes(torch.zeros(4, 1), None)
    assert pool.coming(1)
    place = pool._held[0].data_ptr()
    pool.filter_fakes(torch.ones(4, 1), None)
    assert pool._held[0].data_ptr() == place and pool._held[0].sum() == 2
