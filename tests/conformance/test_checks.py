"""Test that each public check fails, by its name, on an object that breaks its property."""

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


class CorrectObjective(Pointwise):
    """A correct objective that is not part of the library."""

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


class WrongPrintedForm(CorrectObjective):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(2 * scale)


class Overflowing(CorrectObjective):
    def real_loss(self, scores: Tensor) -> Tensor:
        return (100 * (scores + 10)).exp() / 1e30


class LosesPrecision(CorrectObjective):
    def critic_loss(self, batch: CriticBatch) -> Tensor:
        real, fake = batch.scores
        return super().critic_loss(batch) + ((real[None] @ fake[:, None]) ** 2).sum().to(real.dtype)


class DependsOnOrder(CorrectObjective):
    def real_loss(self, scores: Tensor) -> Tensor:
        return super().real_loss(scores) * torch.arange(1, len(scores) + 1)


class UnnormalisedWeights(CorrectObjective):
    def critic_loss(self, batch: CriticBatch) -> Tensor:
        loss = super().critic_loss(batch)
        return loss if batch.real_weights is None else loss * batch.real_weights.sum()


class NotAdditive(CorrectObjective):
    def critic_loss(self, batch: CriticBatch) -> Tensor:
        return super().critic_loss(batch) + batch.scores[0].std()


class Detached(CorrectObjective):
    def fake_loss(self, scores: Tensor) -> Tensor:
        return softplus(scores.detach()) + 0 * scores


class WrongSign(CorrectObjective):
    def generator_loss(self, scores: Tensor) -> Tensor:
        return softplus(scores)


class OneSided(CorrectObjective):
    def generator_real_loss(self, scores: Tensor) -> Tensor:
        return torch.zeros_like(scores)


class NonzeroAtRest(CorrectObjective):
    def generator_real_loss(self, scores: Tensor) -> Tensor:
        return 3 * softplus(scores)


class WrongLossAtChance(CorrectObjective):
    @property
    def loss_at_chance(self) -> float:
        return 1.0


class WrongDivergence(CorrectObjective):
    def divergence(self, ratio: Tensor) -> Tensor | None:
        return (ratio - 1).square()


class WrongOptimum(CorrectObjective):
    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        return log_ratio / 2

    def divergence(self, ratio: Tensor) -> Tensor | None:
        return None


class UnsavedState(CorrectObjective):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.k = torch.zeros(())

    def real_loss(self, scores: Tensor) -> Tensor:
        return super().real_loss(scores) * (1 + self.k)

    def update_state(self) -> None:
        self.k = self.k + 1


class WrongGradient(CorrectObjective):
    def critic_loss(self, batch: CriticBatch) -> Tensor:
        loss = super().critic_loss(batch)
        return loss.detach() * 2 - loss  # the value is correct, the gradient has the wrong sign


class HostSync(CorrectObjective):
    def fake_loss(self, scores: Tensor) -> Tensor:
        return super().fake_loss(scores) * (1 if float(scores.detach().mean()) < 1e6 else 0)


class WrongSignDistance(Setwise):
    """A distance with the wrong sign."""

    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        return -MMD("energy").distance(real, fake)

    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        return MMD("energy").witness(points, real, fake)


class Unweighted(CorrectObjective):
    """Losses that ignore the weights of the samples."""

    def critic_loss(self, batch: CriticBatch) -> Tensor:
        real, fake = batch.scores
        return softplus(-real).mean() + softplus(fake).mean()


BROKEN_OBJECTIVES: dict[str, list[Callable[[], Any]]] = {
    "tags": [lambda: without_reason(CorrectObjective)()],
    "printed": [lambda: WrongPrintedForm(3.0)],
    "finite": [Overflowing],
    "full_precision": [LosesPrecision],
    "order": [DependsOnOrder],
    "pair_order": [DependsOnOrder],
    "weights": [UnnormalisedWeights],
    "unequal_weights": [Unweighted],
    "parts": [NotAdditive],
    "gradients": [Detached, WrongGradient],
    "sign": [WrongSign, WrongSignDistance],
    "both_sides": [OneSided],
    "at_rest": [NonzeroAtRest],
    "loss_at_chance": [WrongLossAtChance],
    "optimum": [WrongDivergence, WrongOptimum],
    "state": [UnsavedState],
    "steps": [WrongGradient],
    "host_sync": [HostSync],
}


@pytest.mark.parametrize("check", objective_checks.CHECKS)
def test_each_check_of_an_objective_can_fail(check: str) -> None:
    for make in BROKEN_OBJECTIVES[check]:
        with pytest.raises(AssertionError, match=f"^{check}: "):
            objective_checks.CHECKS[check](make())


def test_an_exemption_skips_a_check() -> None:
    with pytest.raises(AssertionError, match=r"^at_rest: "):
        check_objective(NonzeroAtRest())
    check_objective(NonzeroAtRest(), exempt={"at_rest": "the gradients of the two sides differ"})


@pytest.mark.parametrize("exempt", [{"at-rest": "a reason"}, {"at_rest": ""}])
def test_an_exemption_names_a_check_and_a_reason(exempt: dict[str, str]) -> None:
    with pytest.raises(
        ValueError, match=r"^exempt: expected the name of a check and a reason, got"
    ):
        check_objective(CorrectObjective(), exempt=exempt)


def test_a_correct_objective_passes_and_does_not_change() -> None:
    objective = CorrectObjective(scale=0.5)
    before = {name: v.clone() for name, v in objective.state_dict().items()}
    check_objective(objective)
    assert all(torch.equal(v, before[name]) for name, v in objective.state_dict().items())


class NoEffect(Regularizer):
    """A regularizer without effect."""


class ScoresFirstOnly(Regularizer):
    """Wrap a critic in one that scores only the first sample."""

    def wrap(self, critic: nn.Module) -> nn.Module:
        class First(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.critic = critic

            def forward(self, x: Tensor) -> Tensor:
                return self.critic(x[:1])

        return First()


class DropsFakes(Regularizer):
    """Pass only the first half of the fakes to the critic."""

    def filter_fakes(self, fake: Samples, weights: Tensor | None) -> tuple[Samples, Tensor | None]:
        assert isinstance(fake, tuple)
        return tuple(part[: len(part) // 2] for part in fake), weights


class Norm(Regularizer):
    """Compute the gradient's norm per batch, with an infinite derivative at zero."""

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


class MovesGenerator(Regularizer):
    """A penalty that also has a gradient for the generator."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        return batch.critic(batch.fake).square().mean()


class UnweightedPenalty(Regularizer):
    """A mean of scores that ignores the weights of the samples."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        return batch.scores[0].square().mean()


class ExpectsTensor(Regularizer):
    """A penalty that expects samples to be one tensor."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        return batch.critic(batch.real + 1).square().mean()  # type: ignore[operator]


class UnsavedWeight(Regularizer):
    """A penalty with a growing weight that is not in the state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.k = 0

    def penalty(self, batch: CriticBatch) -> Tensor:
        return self.k * batch.scores[0].square().mean()

    def after_step(self, critic: nn.Module) -> None:
        self.k += 1


class WrongPenaltyGradient(Regularizer):
    """A penalty with the correct value and a gradient of the wrong sign."""

    def penalty(self, batch: CriticBatch) -> Tensor:
        loss = 100 * batch.scores[0].square().mean()
        return 2 * loss.detach() - loss


class HostSyncPenalty(R1.__mro__[1]):  # type: ignore[misc]
    """A penalty that reads a value on the host."""

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        return batch.scores[0].mean() if batch.scores[0].mean() > 0 else None


BROKEN_REGULARIZERS: dict[str, Callable[[], Regularizer]] = {
    "tags": lambda: without_reason(MovesGenerator)(),
    "printed": lambda: type(
        "UnprintedArgument", (R1.__mro__[1],), {"__init__": lambda self, w: None}
    )(1.0),
    "acts": NoEffect,
    "wraps": ScoresFirstOnly,
    "shows": DropsFakes,
    "finite": Norm,
    "gradients": OnceDifferentiable,
    "detached": MovesGenerator,
    "weights": UnweightedPenalty,
    "labels": ExpectsTensor,
    "state": UnsavedWeight,
    "steps": WrongPenaltyGradient,
    "host_sync": HostSyncPenalty,
}


@pytest.mark.parametrize("check", regularizer_checks.CHECKS)
def test_each_check_of_a_regularizer_can_fail(check: str) -> None:
    with pytest.raises(AssertionError, match=f"^{check}: "):
        regularizer_checks.CHECKS[check](BROKEN_REGULARIZERS[check]())


class Game(Generate.__mro__[1]):  # type: ignore[misc]
    """A correct task of one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Linear(2, 2)

    def forward(self, batch: Batch) -> TaskOutput:
        return TaskOutput(
            {"data": SamplePair(batch[0], self.generator(torch.randn_like(batch[0])))}
        )

    def critic_inputs(self) -> dict[str, Inputs]:
        return {"data": Inputs(((2,),))}


def game(**methods: Any) -> Any:
    return type("Broken", (Game,), methods)()


def changes_batch(self: Any, batch: Batch) -> TaskOutput:
    batch[0].add_(1)
    return Game.forward(self, batch)


class MissingSetting(Game):
    """A task with a setting that its config does not contain."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MissingSetting":
        return cls()

    def config(self) -> dict[str, Any] | None:
        return {}

    def forward(self, batch: Batch) -> TaskOutput:
        return TaskOutput({"data": SamplePair(batch[0], self.scale * self.generator(batch[0]))})


def reads_on_host(self: Any, batch: Batch) -> TaskOutput:
    assert float(batch[0].sum()) < 1e9
    return Game.forward(self, batch)


def detached_fakes(self: Any, batch: Batch) -> TaskOutput:
    return TaskOutput({"data": SamplePair(batch[0], self.generator(batch[0]).detach())})


def wrong_shape(self: Any, batch: Batch) -> TaskOutput:
    return TaskOutput({"data": SamplePair(batch[0], self.generator(batch[0])[:, :1])})


BROKEN_TASKS: dict[str, Callable[[], Any]] = {
    "rounds": lambda: game(critic_inputs=lambda self: {"other": Inputs(((2,),))}),
    "meets": lambda: game(forward=wrong_shape),
    "moves": lambda: game(forward=detached_fakes),
    "apart": lambda: game(
        critic_inputs=lambda self: {"data": Inputs(((2,),), module=self.generator)}
    ),
    "repeats": lambda: game(forward=changes_batch),
    "state": lambda: MissingSetting(2.0),
    "host_sync": lambda: game(forward=reads_on_host),
}


@pytest.mark.parametrize("check", task_checks.CHECKS)
def test_each_check_of_a_task_can_fail(check: str) -> None:
    with pytest.raises(AssertionError, match=f"^{check}: "):
        task_checks.CHECKS[check](BROKEN_TASKS[check](), (torch.zeros(4, 2),))


def test_a_correct_task_passes() -> None:
    check_task(Game(), (torch.zeros(4, 2),))


@pytest.mark.parametrize("check", [check_objective, check_regularizer])
def test_an_object_of_another_kind_is_refused(check: Callable[[Any], None]) -> None:
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
def test_no_sync_finds_host_synchronisation(wait: Callable[[Tensor], Any]) -> None:
    x = torch.ones(3)
    with NoSync(), pytest.raises(AssertionError, match=r"^no_sync: "):
        wait(x)


def test_no_sync_allows_work_on_the_device() -> None:
    x = torch.ones(3, requires_grad=True)
    with NoSync():
        torch.where(x > 0, x, 0.0)[torch.tensor([0, 2])].sum().backward()
    assert x.grad is not None


def test_no_sync_checks_the_backward_pass() -> None:
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
