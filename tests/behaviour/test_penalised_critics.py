"""Gradient penalties on critics with attention, low precision, compiled parts or old norms."""

import copy
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, softmax

from advlearn import Adversary
from advlearn.core.critic_batch import CriticBatch, score_both
from advlearn.functional import gradients
from advlearn.functional.gradients import input_gradient
from advlearn.regularizers.zero_centred import R1, R2

PENALTIES = [
    "r1",
    "r2",
    "gradient_penalty",
    "one_sided_gradient_penalty(target=0.01)",
    "dragan_penalty",
    "r1 + r2",
]
EACH = pytest.mark.parametrize("penalty", PENALTIES)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def step(critic: nn.Module, spec: str, real: Tensor, fake: Tensor) -> list[Tensor]:
    """Return the loss and the gradients of one critic step, in double precision."""
    adversary = Adversary(critic, spec, optimizer=lambda ps: torch.optim.SGD(ps, lr=0.0))
    torch.manual_seed(1)
    total = adversary.critic_loss(real, fake)
    total.backward()
    return [total.double(), *(p.grad.double() for p in critic.parameters() if p.grad is not None)]


def assert_steps_equal(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    """The gradients are compared as one vector, relative to its length."""
    assert len(found) == len(expected) > 1
    torch.testing.assert_close(found[0], expected[0], rtol=tolerance, atol=tolerance)
    gaps = torch.cat([(f - e).flatten() for f, e in zip(found[1:], expected[1:], strict=True)])
    length = torch.cat([e.flatten() for e in expected[1:]]).norm()
    assert float(gaps.norm() / length) < tolerance


@pytest.fixture
def _fresh_compiler() -> Iterator[None]:
    yield
    torch._dynamo.reset()


class Attention(nn.Module):
    """Score sequences (N, 5, 8) by attention, fused or written out."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.maps = nn.Linear(8, 24)
        self.last = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.maps(x).unflatten(2, (3, 8)).unbind(2)
        if self.fused:
            out = scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        else:
            out = softmax(q @ k.mT / math.sqrt(8), -1) @ v
        return self.last(out).mean(1)


@EACH
def test_fused_attention_is_penalised_as_attention_written_out(penalty: str) -> None:
    torch.manual_seed(0)
    fused = Attention(fused=True)
    plain = Attention(fused=False)
    plain.load_state_dict(fused.state_dict())
    real, fake = draw(4, 5, 8), draw(4, 5, 8, seed=1)
    found, expected = (step(c, f"hinge + {penalty}", real, fake) for c in (fused, plain))
    assert_steps_equal(found, expected, 1e-4)


@pytest.mark.usefixtures("_fresh_compiler")
def test_fused_attention_is_penalised_in_one_compiled_graph() -> None:
    critic, x = Attention(fused=True), draw(4, 5, 8)

    def penalty(x: Tensor) -> Tensor:
        return input_gradient(critic, x)[0].square().sum()

    found = []
    for loss in (penalty, torch.compile(penalty, backend="aot_eager", fullgraph=True)):
        critic.zero_grad()
        loss(x).backward()
        found.append(critic.maps.weight.grad.clone())
    torch.testing.assert_close(*found)


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.last = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layer(x)).mean(1)


@EACH
@pytest.mark.parametrize("training", [True, False])
def test_a_transformer_is_penalised(penalty: str, training: bool) -> None:
    torch.manual_seed(0)
    critic = Transformer().train(training)
    total, *found = step(critic, f"hinge + {penalty}", draw(4, 5, 8), draw(4, 5, 8, seed=1))
    assert total.isfinite() and all(g.isfinite().all() for g in found)
    assert len(found) == len(list(critic.parameters()))


def test_an_attention_gradient_is_that_of_central_differences() -> None:
    torch.manual_seed(0)
    critic, x = Transformer().double(), draw(2, 5, 8).double()
    (gradient,) = input_gradient(critic, x)
    one = torch.zeros_like(x)
    one[:, 2, 3] = 1e-6
    slope = (critic(x + one) - critic(x - one)).squeeze(1) / 2e-6
    torch.testing.assert_close(gradient[:, 2, 3], slope.detach(), rtol=1e-5, atol=1e-7)


def convolutions() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        nn.SiLU(),
        nn.Conv2d(8, 8, 3),
        nn.GroupNorm(2, 8),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(200, 1),
    )


# The bound is a few times the rounding of the format, which each layer adds: 2^-8 and 2^-11.
@EACH
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_a_low_precision_critic_is_penalised_as_in_fp32(
    penalty: str, dtype: torch.dtype, tolerance: float
) -> None:
    real, fake = draw(16, 3, 15, 15).to(dtype), draw(16, 3, 15, 15, seed=1).to(dtype)
    low = convolutions().to(dtype)
    full = copy.deepcopy(low).float()
    found = step(low, f"hinge + {penalty}", real, fake)
    expected = step(full, f"hinge + {penalty}", real.float(), fake.float())
    assert_steps_equal(found, expected, tolerance)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [False, True])
def test_the_gradient_of_a_low_precision_critic_is_fp32(dtype: torch.dtype, autocast: bool) -> None:
    critic = nn.Linear(2, 1, dtype=dtype)
    with torch.autocast("cpu", dtype, enabled=autocast):
        for x in (torch.zeros(3, 2), torch.zeros(3, 2, dtype=dtype)):
            (gradient,) = input_gradient(critic, x)
            assert gradient.dtype == torch.float32
            torch.testing.assert_close(gradient, critic.weight.float().expand(3, 2))


def test_autocast_keeps_an_fp32_critic_in_fp32() -> None:
    critic = convolutions()
    x = draw(4, 3, 15, 15)
    expected = input_gradient(critic, x)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(input_gradient(critic, x)[0], expected)
        (low,) = input_gradient(critic, x.bfloat16())
    assert low.dtype == torch.float32
    assert torch.equal(low, input_gradient(critic, x.bfloat16().float())[0])


class Custom(nn.Module):
    """A module of a user's class: Dynamo skips PyTorch's own containers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(2, 8), nn.Tanh())
        self.last = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.body(x))


@pytest.mark.usefixtures("_fresh_compiler")
@pytest.mark.parametrize("how", ["wrapped", "in place", "a part", "under noise"])
@pytest.mark.parametrize(
    "penalty", ["r1", "gradient_penalty", "r1 + r2", "r1(estimate='difference')"]
)
@pytest.mark.slow
def test_a_critic_compiled_by_itself_is_penalised(how: str, penalty: str) -> None:
    if how == "under noise" and "difference" in penalty:
        pytest.skip("noise has no difference estimate")
    spec = f"hinge + {penalty}" + (" + instance_noise(scale=0)" if how == "under noise" else "")
    plain, critic = Custom(), Custom()
    if how == "in place":
        critic.compile(backend="aot_eager")
    elif how == "a part":
        critic.body = torch.compile(critic.body, backend="aot_eager")
    else:
        critic = torch.compile(critic, backend="aot_eager")
    real, fake = draw(6, 2), draw(6, 2, seed=1)
    found, expected = (step(c, spec, real, fake) for c in (critic, plain))
    assert_steps_equal(found, expected, 1e-5)


OLD = pytest.mark.filterwarnings("ignore::FutureWarning")


@OLD
@EACH
@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
def test_old_style_norms_are_penalised_as_parametrizations(penalty: str, norm: str) -> None:
    def critic(old: bool) -> nn.Module:
        torch.manual_seed(0)
        wrap = getattr(nn.utils if old else nn.utils.parametrizations, norm)
        return nn.Sequential(wrap(nn.Linear(2, 8)), nn.Tanh(), wrap(nn.Linear(8, 1)))

    names = {
        "weight_norm": {"weight_g": "original0", "weight_v": "original1"},
        "spectral_norm": {"weight_orig": "original"},
    }[norm]
    old, new = critic(True), critic(False)
    with torch.no_grad():
        for a, b in ((old[0], new[0]), (old[2], new[2])):
            a.bias.copy_(b.bias)
            weights = b.parametrizations["weight"]
            for name, other in names.items():
                getattr(a, name).copy_(getattr(weights, other))
            if norm == "spectral_norm":
                a.weight_u.copy_(weights[0]._u)
                a.weight_v.copy_(weights[0]._v)
    # Both list the bias first, and then the parts of the weight in the same order.
    found, expected = (
        step(c, f"hinge + {penalty}", draw(6, 2), draw(6, 2, seed=1)) for c in (old, new)
    )
    assert_steps_equal(found, expected, 1e-5)


def differentiable(critic: nn.Module, real: Tensor, fake: Tensor, *, apart: bool) -> CriticBatch:
    """Score samples that require gradient, as the head does for penalties on it."""
    real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
    scores = score_both(critic, real, fake, apart=apart)
    return CriticBatch(critic, real, fake, *scores, inputs_require_grad=True)


class Counting(Custom):
    """Count the calls."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x)


@pytest.mark.parametrize("apart", [False, True])
def test_scores_with_a_graph_to_the_samples_serve_both_penalties(apart: bool) -> None:
    critic = Counting()
    real, fake = draw(6, 2), draw(5, 2, seed=1)
    plain = CriticBatch(critic, real, fake, *score_both(critic, real, fake, apart=apart))
    held = differentiable(critic, real, fake, apart=apart)
    for regularizer in (R1(2.0), R2(3.0), R1(0.5)):
        wanted = regularizer.penalty(plain)
        calls = critic.calls
        found = regularizer.penalty(held)
        assert critic.calls == calls
        torch.testing.assert_close(found, wanted)
        parameters = list(critic.parameters())
        torch.testing.assert_close(
            torch.autograd.grad(found, parameters, retain_graph=True, allow_unused=True),
            torch.autograd.grad(wanted, parameters, retain_graph=True, allow_unused=True),
        )


def test_gradients_are_kept_no_longer_than_the_scores() -> None:
    critic = Custom()
    before = len(gradients._of_scores)
    held = differentiable(critic, draw(6, 2), draw(6, 2, seed=1), apart=False)
    (R1().penalty(held) + R2().penalty(held)).backward()
    assert len(gradients._of_scores) == before + 2
    del held
    assert len(gradients._of_scores) == before


# Dynamo itself looks at the .grad of the joined samples.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf Tensor")
@pytest.mark.usefixtures("_fresh_compiler")
@pytest.mark.parametrize("kind", ["attention", "compiled", "autocast"])
def test_scores_that_cannot_serve_a_penalty_are_computed_again(kind: str) -> None:
    torch.manual_seed(0)
    critic = Attention(fused=True) if kind == "attention" else Custom()
    used = torch.compile(critic, backend="aot_eager") if kind == "compiled" else critic
    shape = (4, 5, 8) if kind == "attention" else (4, 2)
    real, fake = draw(*shape), draw(*shape, seed=1)
    wanted = R1().penalty(CriticBatch(critic, real, fake, torch.zeros(4), torch.zeros(4)))
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == "autocast"):
        found = R1().penalty(differentiable(used, real, fake, apart=False))
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)
    found.backward()


def test_two_penalties_of_one_class_both_count() -> None:
    critic, real, fake = Custom(), draw(6, 2), draw(5, 2, seed=1)

    def penalty(spec: str) -> Tensor:
        adversary = Adversary(copy.deepcopy(critic), spec)
        total = adversary.update(real, fake)
        return total - adversary.last_losses["critic_loss"]

    expected = penalty("hinge + r1(weight=100)")
    for spec in ("hinge + r1(weight=100) + r1(weight=0)", "hinge + r1(weight=40) + r1(weight=60)"):
        torch.testing.assert_close(penalty(spec), expected)


def test_the_penalties_of_r3gan_take_one_call_of_the_critic() -> None:
    critic, real, fake = Counting(), draw(6, 2), draw(6, 2, seed=1)
    adversary = Adversary(critic, "r3gan")
    adversary.update(real, fake)  # the first call also checks the critic
    for apart, calls in ((False, 1), (True, 2)):
        adversary._losses.apart = apart
        critic.calls = 0
        adversary.update(real, fake)
        assert critic.calls == calls
