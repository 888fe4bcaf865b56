"""The public checks find what they are for: each fails, by its name, on an object that breaks its property."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from advlearn.core.critic_batch import CriticBatch, Samples
from advlearn.core.objective import Pointwise, Setwise
from advlearn.core.regularizer import Regularizer
from advlearn.core.task import Batch, SamplePair, TaskOutput
from advlearn.critics import Inputs
from advlearn.objectives.mmd import MMD
from advlearn.regularizers.zero_centred import R1
from advlearn.tasks.generate import Generate
from advlearn.testing import NoSync, check_objective, check_regularizer, check_task
from advlearn.testing import objective as objective_checks
from advlearn.testing import regularizer as regularizer_checks
from advlearn.testing import task as task_checks


class Good(Pointwise):
    """An outsider's objective in which nothing is wrong."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("seen", torch.zeros(()))

    @property
    def loss_at_chance(self) -> float:
        return 2 * self.scale * float(torch.tensor(2.0, dtype=torch.float64).log())

    def real_loss(self, scores: Tensor) -> Tensor:
        return self.scale * softplus(-scores)

    def fake_loss(self, scores: Tensor) -> Tensor:
        return self.scale * softplus(scores)

    def generator_loss(self, scores: Tensor) -> Tensor:
        return softplus(-scores)

    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        return log_ratio

    def divergence(self, ratio: Tensor) -> Tensor | None:
        return self.scale * (torch.xlogy(ratio, ratio) - (ratio + 1) * ((ratio + 1) / 2).log())


def without_reason(cls: type) -> type:
    return type("NoReason", (cls,), {"decomposable": False, "__doc__": "x"})


class Doubling(Good):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(2 * scale)


class Overflowing(Good):
    def real_loss(self, scores: Tensor) -> Tensor:
        return (100 * (scores + 10)).exp() / 1e30


class Coarse(Good):
    def critic_loss(self, batch: CriticBatch) -> Tensor:
        real, fake = batch.scores
        return super().critic_loss(batch) + ((real[None] @ fake[:, None]) ** 2).sum().to(real.dtype)


class Ordered(Good):
    def real_loss(self, scores: Tensor) -> Tensor:
        return super().real_loss(scores) * torch.arange(1, len(scores) + 1)


class Weightless(Good):
    def critic_loss(self, batch: CriticBatch) -> Tensor:
        loss = super().critic_loss(batch)
        return loss if batch.real_weights is None else loss * batch.real_weights.sum()


class Indivisible(Good):
    def critic_loss(self, batch: CriticBatch) -> Tensor:
        return super().critic_loss(batch) + batch.scores[0].std()


class Detached(Good):
    def fake_loss(self, scores: Tensor) -> Tensor:
        return softplus(scores.detach()) + 0 * scores


class Backwards(Good):
    def generator_loss(self, scores: Tensor) -> Tensor:
        return softplus(scores)


class OneSided(Good):
    def generator_real_loss(self, scores: Tensor) -> Tensor:
        return torch.zeros_like(scores)


class Restless(Good):
    def generator_real_loss(self, scores: Tensor) -> Tensor:
        return 3 * softplus(scores)


class Unchancy(Good):
    @property
    def loss_at_chance(self) -> float:
        return 1.0


class WrongDivergence(Good):
    def divergence(self, ratio: Tensor) -> Tensor | None:
        return (ratio - 1).square()


class WrongOptimum(Good):
    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        return log_ratio / 2

    def divergence(self, ratio: Tensor) -> Tensor | None:
        return None


class Amnesic(Good):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.k = torch.zeros(())

    def real_loss(self, scores: Tensor) -> Tensor:
        return super().real_loss(scores) * (1 + self.k)

    def update_state(self) -> None:
        self.k = self.k + 1


class Uphill(Good):
    def critic_loss(self, batch: CriticBatch) -> Tensor:
        loss = super().critic_loss(batch)
        return loss.detach() * 2 - loss  # the value is right, its gradient points up


class Waiting(Good):
    def fake_loss(self, scores: Tensor) -> Tensor:
        return super().fake_loss(scores) * (1 if float(scores.detach().mean()) < 1e6 else 0)


class Repelling(Setwise):
    """A distance whose sign is wrong."""

    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        return -MMD("energy").distance(real, fake)

    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        return MMD("energy").witness(points, real, fake)


class Unweighted(Good):
    """Losses that ignore the weights of the samples."""

    def critic_loss(self, batch: CriticBatch) -> Tensor:
        real, fake = batch.scores
        return softplus(-real).mean() + softplus(fake).mean()


BROKEN_OBJECTIVES: dict[str, list[Callable[[], Any]]] = {
    "tags": [lambda: without_reason(Good)()],
    "printed": [lambda: Doubling(3.0)],
    "finite": [Overflowing],
    "full_precision": [Coarse],
    "order": [Ordered],
    "pair_order": [Ordered],
    "weights": [Weightless],
    "unequal_weights": [Unweighted],
    "parts": [Indivisible],
    "gradients": [Detached, Uphill],
    "sign": [Backwards, Repelling],
    "both_sides": [OneSided],
    "at_rest": [Restless],
    "loss_at_chance": [Unchancy],
    "optimum": [WrongDivergence, WrongOptimum],
    "state": [Amnesic],
    "steps": [Uphill],
    "host_sync": [Waiting],
}


@pytest.mark.parametrize("check", objective_checks.CHECKS)
def test_each_check_of_an_objective_can_fail(check: str) -> None:
    for make in BROKEN_OBJECTIVES[check]:
        with pytest.raises(AssertionError, match=f"^{check}: "):
            objective_checks.CHECKS[check](make())


def test_an_exemption_leaves_a_check_out() -> None:
    with pytest.raises(AssertionError, match=r"^at_rest: "):
        check_objective(Restless())
    check_objective(Restless(), exempt={"at_rest": "the gradients of the two sides differ"})


@pytest.mark.parametrize("exempt", [{"at-rest": "a reason"}, {"at_rest": ""}])
def test_an_exemption_names_a_check_and_a_reason(exempt: dict[str, str]) -> None:
    with pytest.raises(
        ValueError, match=r"^exempt: expected the name of a check and a reason, got"
    ):
        check_objective(Good(), exempt=exempt)


def test_a_good_objective_passes_and_stays_as_it_was() -> None:
    good = Good(scale=0.5)
    before = {name: v.clone() for name, v in good.state_dict().items()}
    check_objective(good)
    assert all(torch.equal(v, before[name]) for name, v in good.state_dict().items())


class Idle(Regularizer):
    """Does nothing."""


class Swallowing(Regularizer):
    """Wraps a critic in one that scores the first sample alone."""

    def wrap(self, critic: nn.Module) -> nn.Module:
        class First(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.critic = critic

            def forward(self, x: Tensor) -> Tensor:
                return self.critic(x[:1])

        return First()


class Halving(Regularizer):
    """Shows the first half of the fakes alone."""

    def filter_fakes(self, fake: Samples, weights: Tensor | None) -> tuple[Samples, Tensor | None]:
        assert isinstance(fake, tuple)
        return tuple(part[: len(part) // 2] for part in fake), weights


class Norm(Regularizer):
    """The gradient's norm without care at zero, and per batch."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        x = batch.real.detach().requires_grad_()  # pyright: ignore
        (g,) = torch.autograd.grad(batch.critic(x).sum(), x, create_graph=True)
        return 1 / (g - g).sum()


class OnceDifferentiable(Regularizer):
    """A penalty whose graph is cut."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        x = batch.real.detach().requires_grad_()  # pyright: ignore
        (g,) = torch.autograd.grad(batch.critic(x).sum(), x)
        return g.square().sum() * (1 + 0 * batch.critic(x).sum())


class Leaking(Regularizer):
    """A penalty that also moves the player."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        return batch.critic(batch.fake).square().mean()


class Unweighing(Regularizer):
    """A mean of scores that ignores the weights of the samples."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        return batch.scores[0].square().mean()


class LabelBlind(Regularizer):
    """Takes samples for one tensor."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        return batch.critic(batch.real + 1).square().mean()  # type: ignore[operator]


class Counting(Regularizer):
    """A weight that grows, kept where no state dict sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.k = 0

    def penalty(self, batch: CriticBatch) -> Tensor:
        return self.k * batch.scores[0].square().mean()

    def after_step(self, critic: nn.Module) -> None:
        self.k += 1


class Climbing(Regularizer):
    """The value is right, its gradient points up."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        loss = 100 * batch.scores[0].square().mean()
        return 2 * loss.detach() - loss


class Peeking(R1.__mro__[1]):  # type: ignore[misc]
    """Looks at a value on the host."""

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        return batch.scores[0].mean() if batch.scores[0].mean() > 0 else None


BROKEN_REGULARIZERS: dict[str, Callable[[], Regularizer]] = {
    "tags": lambda: without_reason(Leaking)(),
    "printed": lambda: type("Needy", (R1.__mro__[1],), {"__init__": lambda self, w: None})(1.0),
    "acts": Idle,
    "wraps": Swallowing,
    "shows": Halving,
    "finite": Norm,
    "gradients": OnceDifferentiable,
    "detached": Leaking,
    "weights": Unweighing,
    "labels": LabelBlind,
    "state": Counting,
    "steps": Climbing,
    "host_sync": Peeking,
}


@pytest.mark.parametrize("check", regularizer_checks.CHECKS)
def test_each_check_of_a_regularizer_can_fail(check: str) -> None:
    with pytest.raises(AssertionError, match=f"^{check}: "):
        regularizer_checks.CHECKS[check](BROKEN_REGULARIZERS[check]())


class Game(Generate.__mro__[1]):  # type: ignore[misc]
    """A game of one batch, right in everything."""

    def __init__(self) -> None:
        super().__init__()
        self.player = nn.Linear(2, 2)

    def forward(self, batch: Batch) -> TaskOutput:
        return TaskOutput({"data": SamplePair(batch[0], self.player(torch.randn_like(batch[0])))})

    def critic_inputs(self) -> dict[str, Inputs]:
        return {"data": Inputs(((2,),))}


def game(**methods: Any) -> Any:
    return type("Broken", (Game,), methods)()


def changing(self: Any, batch: Batch) -> TaskOutput:
    batch[0].add_(1)
    return Game.forward(self, batch)


class Forgetful(Game):
    """Has a setting that its recipe leaves out."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Forgetful":
        return cls()

    def config(self) -> dict[str, Any] | None:
        return {}

    def forward(self, batch: Batch) -> TaskOutput:
        return TaskOutput({"data": SamplePair(batch[0], self.scale * self.player(batch[0]))})


def peeking(self: Any, batch: Batch) -> TaskOutput:
    assert float(batch[0].sum()) < 1e9
    return Game.forward(self, batch)


def idle(self: Any, batch: Batch) -> TaskOutput:
    return TaskOutput({"data": SamplePair(batch[0], self.player(batch[0]).detach())})


def misfit(self: Any, batch: Batch) -> TaskOutput:
    return TaskOutput({"data": SamplePair(batch[0], self.player(batch[0])[:, :1])})


BROKEN_TASKS: dict[str, Callable[[], Any]] = {
    "rounds": lambda: game(critic_inputs=lambda self: {"other": Inputs(((2,),))}),
    "meets": lambda: game(forward=misfit),
    "moves": lambda: game(forward=idle),
    "apart": lambda: game(critic_inputs=lambda self: {"data": Inputs(((2,),), module=self.player)}),
    "repeats": lambda: game(forward=changing),
    "state": lambda: Forgetful(2.0),
    "host_sync": lambda: game(forward=peeking),
}


@pytest.mark.parametrize("check", task_checks.CHECKS)
def test_each_check_of_a_task_can_fail(check: str) -> None:
    with pytest.raises(AssertionError, match=f"^{check}: "):
        task_checks.CHECKS[check](BROKEN_TASKS[check](), (torch.zeros(4, 2),))


def test_a_good_task_passes() -> None:
    check_task(Game(), (torch.zeros(4, 2),))


@pytest.mark.parametrize("check", [check_objective, check_regularizer])
def test_another_kind_of_object_is_refused(check: Callable[[Any], None]) -> None:
    with pytest.raises(TypeError, match=r"^obj: expected an? (Objective|Regularizer), got Linear$"):
        check(nn.Linear(1, 1))


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).all()),
        lambda x: x.tolist(),
        lambda x: x.numpy(),
        lambda x: x.cpu(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: torch.equal(x, x),
    ],
)
def test_no_sync_finds_what_waits(wait: Callable[[Tensor], Any]) -> None:
    x = torch.ones(3)
    with NoSync(), pytest.raises(AssertionError, match=r"^no_sync: "):
        wait(x)


def test_no_sync_lets_work_on_the_device_pass() -> None:
    x = torch.ones(3, requires_grad=True)
    with NoSync():
        torch.where(x > 0, x, 0.0)[torch.tensor([0, 2])].sum().backward()
    assert x.grad is not None


def test_no_sync_looks_into_the_backward_pass() -> None:
    class Waits(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Tensor:
            return grads[0] * grads[0].sum().item()

    x = torch.ones(3, requires_grad=True)
    with NoSync(), pytest.raises(AssertionError, match="no_sync"):
        Waits.apply(x).sum().backward()
