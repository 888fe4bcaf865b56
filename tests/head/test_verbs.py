"""Every way to make a critic step agrees with a step written by hand, for every objective."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.critic_batch import CriticBatch, score_both
from advlearn.core.objective import Objective
from advlearn.testing._found import objectives
from advlearn.testing._material import critic, sides

LR = 0.05
OBJECTIVES = [o for o in objectives() if o.trains_critic]
CLIP = 0.01


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=LR)


def half(dtype: torch.dtype) -> AbstractContextManager[Any]:
    return torch.autocast("cpu", dtype=dtype)


SETUPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "accumulation": {"parts": 2},
    "clipping": {"clip": CLIP},
    "bf16": {"dtype": torch.float32, "context": lambda: half(torch.bfloat16)},
    "fp16 scaler": {"dtype": torch.float32, "context": lambda: half(torch.float16), "scale": True},
}
# `update` takes the whole batch at once.
WAYS = [
    (verb, name)
    for verb in ("update", "critic_loss", "reversed_loss")
    for name in SETUPS
    if (verb, name) != ("update", "accumulation")
]


class Setup:
    """One way to run a step: precision, parts of the batch, scaler and clipping."""

    def __init__(
        self,
        objective: Objective,
        dtype: torch.dtype = torch.float64,
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
        parts: int = 1,
        clip: float | None = None,
        scale: bool = False,
    ) -> None:
        self.objective, self.context, self.clip = objective, context, clip
        self.network = critic(objective.critic_output, dtype)
        real, fake = sides(dtype)
        self.pairs = list(zip(real.chunk(parts), fake.chunk(parts), strict=True))
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0) if scale else None

    def by_hand(self) -> list[Tensor]:
        """Make the step with PyTorch only, in the order of the reference codes."""
        network, objective = copy.deepcopy(self.network), copy.deepcopy(self.objective)
        parameters = list(network.parameters())
        optimizer = sgd(parameters)
        scale = 1024.0 if self.scaler else 1.0
        for real, fake in self.pairs:
            with self.context():
                scores = score_both(network, real, fake, apart=False)
                loss = objective.critic_loss(CriticBatch(network, real, fake, *scores))
            (loss * scale / len(self.pairs)).backward()
        for p in parameters:
            assert p.grad is not None
            p.grad /= scale
        if self.clip is not None:
            nn.utils.clip_grad_norm_(parameters, self.clip)
        optimizer.step()
        return parameters

    def head(self) -> Adversary:
        network, objective = copy.deepcopy(self.network), copy.deepcopy(self.objective)
        return Adversary(network, objective, optimizer=sgd)

    def scaled(self, loss: Tensor) -> Tensor:
        loss = loss / len(self.pairs)
        return loss if self.scaler is None else self.scaler.scale(loss)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize(("verb", "name"), WAYS)
def test_a_step_is_the_one_by_hand(objective: Objective, verb: str, name: str) -> None:
    setup = Setup(objective, **SETUPS[name])
    head = setup.head()
    for real, fake in setup.pairs:
        if verb == "update":
            with setup.context():
                head.update(real, fake, scaler=setup.scaler, clip=setup.clip)
            break
        with setup.context():
            if verb == "critic_loss":
                loss = head.critic_loss(real, fake)
            else:
                loss = head.reversed_loss(real, fake.clone().requires_grad_())
        setup.scaled(loss).backward()
    else:
        head.step(setup.scaler, setup.clip)
    tolerance = 1e-12 if real.dtype == torch.float64 else 1e-6
    for own, expected in zip(head.critic.parameters(), setup.by_hand(), strict=True):
        torch.testing.assert_close(own, expected, rtol=tolerance, atol=tolerance)
        assert own.grad is None


def small(width: int = 3) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, 1))


def data(n: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real = torch.randn(n, 3, generator=generator)
    return real, torch.randn(n, 3, generator=generator) + 1


def test_step_returns_the_norm_before_clipping() -> None:
    head, other = Adversary(small(), "hinge"), Adversary(small(), "hinge")
    head.critic_loss(*data()).backward()
    other.critic_loss(*data()).backward()
    expected = nn.utils.get_total_norm([p.grad for p in other.critic.parameters()])
    torch.testing.assert_close(head.step(clip=1e-3), expected)


def test_gradients_of_another_loss_on_a_shared_backbone_are_kept() -> None:
    backbone = small()
    head = Adversary(backbone, "hinge", optimizer=sgd)
    real, fake = data()
    expected = copy.deepcopy(backbone)
    (
        expected(real).square().mean() + Adversary(expected, "hinge").critic_loss(real, fake)
    ).backward()
    backbone(real).square().mean().backward()
    head.critic_loss(real, fake).backward()
    for p, q in zip(backbone.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_critic_loss_gives_the_samples_no_gradient() -> None:
    real, fake = data()
    fake.requires_grad_()
    Adversary(small(), "nsgan").critic_loss(real, fake).backward()
    assert fake.grad is None


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_a_step_between_a_loss_and_its_backward_pass_is_refused(optimizer: str) -> None:
    head = Adversary(small(), "hinge", optimizer=optimizer)
    real, fake = data()
    loss = head.player_loss(real, fake.requires_grad_())
    head.update(real, fake)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_an_overflow_skips_the_step_of_the_critic() -> None:
    head = Adversary(small(), "hinge", optimizer=sgd)
    before = copy.deepcopy(head.critic.state_dict())
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    real, fake = data()
    scaler.scale(1e3 * head.critic_loss(real, fake)).backward()
    head.step(scaler)
    scaler.update()
    for name, value in head.critic.state_dict().items():
        assert torch.equal(value, before[name])
    assert scaler.get_scale() < 2.0**127


def test_the_weight_of_the_head_is_obeyed() -> None:
    real, fake = data()
    fake.requires_grad_()
    light, heavy = (Adversary(small(), "nsgan", adversarial_weight=w) for w in (1.0, 0.1))
    torch.testing.assert_close(heavy.player_loss(real, fake), 0.1 * light.player_loss(real, fake))
    (reversed_gradient,) = torch.autograd.grad(heavy.reversed_loss(real, fake), fake)
    (plain,) = torch.autograd.grad(light.reversed_loss(real, fake), fake)
    torch.testing.assert_close(reversed_gradient, 0.1 * plain)


def test_two_regularizers_of_one_class_both_count() -> None:
    real, fake = data()
    one = Adversary(small(), "hinge + r1(weight=100)").update(real, fake)
    two = Adversary(small(), "hinge + r1(weight=100) + r1(weight=0)").update(real, fake)
    torch.testing.assert_close(one, two)
    head = Adversary(small(), "hinge + r1(weight=100) + r1(weight=50)")
    head.update(real, fake)
    torch.testing.assert_close(head.last_losses["R1"], 2 * head.last_losses["R1_2"])


def test_a_copy_of_a_compiled_head_trains_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the C++ compiler, which takes most of the time and is PyTorch's.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    head = Adversary(small(), "hinge", compile=True, optimizer=sgd)
    head.update(*data())  # it has compiled its loss before the copy
    head.critic.zero_grad(set_to_none=True)
    twin = copy.deepcopy(head)
    before = [p.detach().clone() for p in twin.critic.parameters()]
    twin.update(*data())
    assert all(p.grad is None for p in head.critic.parameters())
    assert not torch.equal(before[0], next(twin.critic.parameters()))


def test_scores_and_accuracy_are_logged_at_each_step() -> None:
    head = Adversary(small(), "hinge")
    real, fake = data()
    real_scores, fake_scores = head.score(real), head.score(fake)
    head.update(real, fake)
    logged = head.last_scores
    torch.testing.assert_close(logged["real_score"], real_scores.mean())
    torch.testing.assert_close(logged["fake_score"], fake_scores.mean())
    assert logged["accuracy"] == (real_scores > fake_scores).float().mean()
    assert logged["gradient_norm"] > 0


def test_the_first_step_and_term_that_are_not_finite_are_named() -> None:
    head = Adversary(small(), "hinge + r1")
    real, fake = data()
    head.update(real, fake)
    head.raise_if_not_finite()
    fake[0] = float("inf")
    head.update(real, fake)
    with pytest.raises(RuntimeError, match="critic step 1: critic_loss is not finite"):
        head.raise_if_not_finite()
