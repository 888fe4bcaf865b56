"""Weights that follow a gradient, and steps at which critic and loss set in."""

import copy

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary


def parts() -> tuple[nn.Module, nn.Module, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        return model.double(), critic.double(), torch.randn(16, 3).double()


def test_the_adaptive_weight_is_the_ratio_at_the_last_layer() -> None:
    model, critic, x = parts()
    head = Adversary(critic, "hinge", adversarial_weight="adaptive")
    output, target = model(x), x[:, :2]
    task_loss = (output - target).abs().mean()
    layer = model[2].weight
    norms = [
        torch.autograd.grad(loss, layer, retain_graph=True)[0].norm()
        for loss in (task_loss, -critic(output).mean())
    ]
    expected = norms[0] / (norms[1] + 1e-4) * -critic(output).mean()
    found = head.player_loss(target, output, task_loss=task_loss, last_layer=layer)
    torch.testing.assert_close(found, expected)


def test_the_balanced_weight_is_the_ratio_of_averaged_norms_at_the_output() -> None:
    model, critic, x = parts()
    head = Adversary(critic, "nsgan", adversarial_weight="balanced")
    sums, count = torch.zeros(2).double(), 0.0
    for step in range(1, 4):
        output, target = model(x) * step, x[:, :2]
        task_loss = (output - target).square().mean()
        loss = nn.functional.softplus(-critic(output)).mean()
        norms = [
            torch.autograd.grad(value, output, retain_graph=True)[0].norm(dim=1).mean()
            for value in (task_loss, loss)
        ]
        sums, count = 0.999 * sums + torch.stack(norms), 0.999 * count + 1
        found = head.player_loss(target, output, task_loss=task_loss)
        torch.testing.assert_close(found, sums[0] / sums[1] * loss, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("real_moves", [False, True])
def test_the_gradient_of_a_balanced_loss_is_that_of_the_weighted_loss(real_moves: bool) -> None:
    """Balancing computes the gradient at the output, and the backward pass uses it again."""
    model, critic, x = parts()
    start = torch.zeros(2, dtype=torch.float64, requires_grad=real_moves)
    head = Adversary(critic, "nsgan", adversarial_weight="balanced", warmup={"learner": 2})
    output, target = model(x), x[:, :2] + start
    task_loss = (output - target.detach()).square().mean()
    moved = [*model.parameters(), *([start] if real_moves else [])]
    score_loss = nn.functional.softplus(-critic(output)).mean()
    if real_moves:
        score_loss = score_loss + nn.functional.softplus(critic(target)).mean()
    norms = [
        torch.autograd.grad(loss, output, retain_graph=True)[0].norm(dim=1).mean()
        for loss in (task_loss, score_loss)
    ]
    expected = torch.autograd.grad(
        task_loss + 0.5 * norms[0] / norms[1] * score_loss, moved, retain_graph=True
    )
    (task_loss + head.player_loss(target, output, task_loss=task_loss)).backward()
    for p, gradient in zip(moved, expected, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-5, atol=1e-7)
    assert all(p.grad is None for p in critic.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_balanced_weight_of_an_output_of_sixteen_bits_is_that_of_fp32(
    dtype: torch.dtype,
) -> None:
    model, critic, x = (part.float() for part in parts())
    weights: list[Tensor] = []
    for kind in (dtype, torch.float32):
        head = Adversary(copy.deepcopy(critic), "hinge", adversarial_weight="balanced")
        output = model(x).to(kind)
        task_loss = (output.float() - x[:, :2]).square().mean()
        loss = head.player_loss(x[:, :2], output, task_loss=task_loss)
        weights.append(loss.detach() / head.last_losses["player_loss"])
        (gradient,) = torch.autograd.grad(loss, output)
        assert gradient.dtype == kind and bool(gradient.any())
    torch.testing.assert_close(*weights, rtol=0.05, atol=0.0)


@pytest.mark.parametrize(
    ("weight", "given", "message"),
    [
        ("adaptive", {}, "task_loss: expected"),
        ("balanced", {}, "task_loss: expected"),
        ("adaptive", {"task_loss": torch.ones((), requires_grad=True)}, "last_layer: expected"),
        ("adaptive", {"task_loss": torch.ones(())}, "task_loss: expected a loss that carries"),
        ("balanced", {"task_loss": torch.ones(())}, "task_loss: expected a loss that carries"),
    ],
)
def test_what_a_weight_needs_is_named(weight, given, message) -> None:
    model, critic, x = parts()
    head = Adversary(critic, "hinge", adversarial_weight=weight)
    with pytest.raises(ValueError, match=f"^{message}"):
        head.player_loss(x[:, :2], model(x), **given)
    with pytest.raises(ValueError, match=r"^adversarial_weight: expected a number"):
        head.reversed_loss(x[:, :2], model(x))


def test_a_task_loss_without_gradient_is_refused_with_a_number_too() -> None:
    model, critic, x = parts()
    head = Adversary(critic, "hinge", adversarial_weight=0.5)
    output = model(x)
    with torch.no_grad():
        task_loss = (output - x[:, :2]).square().mean()
    with pytest.raises(ValueError, match=r"^task_loss: expected a loss that carries a gradient"):
        head.player_loss(x[:, :2], output, task_loss=task_loss)
    with torch.no_grad():
        assert head.player_loss(x[:, :2], output, task_loss=task_loss).isfinite()


def test_an_unknown_weight_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^adversarial_weight: expected one of adaptive, balanced"
    ):
        Adversary(nn.Linear(2, 1), "hinge", adversarial_weight="auto")  # type: ignore[arg-type]


def test_critic_and_loss_set_in_at_their_steps() -> None:
    model, critic, x = parts()
    head = Adversary(critic, "hinge", start={"critic": 2, "learner": 3}, warmup={"learner": 4})
    target, before = x[:, :2], copy.deepcopy(critic.state_dict())
    shares = []
    for _ in range(9):
        output = model(x)
        loss = head.player_loss(target, output)
        loss.backward()
        plain = -critic(output).mean()
        shares.append((loss / plain).item())
        if head.steps_done == 2:
            for name, value in critic.state_dict().items():
                assert torch.equal(value, before[name])
        head.update(target, output)
    assert shares == pytest.approx([0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1])


def test_the_rate_of_the_critic_follows_warmup_and_schedule() -> None:
    model, critic, x = parts()
    head = Adversary(critic, "hinge", lr=0.1, warmup={"critic": 2}, schedule="linear", steps=10)
    rates = []
    for _ in range(5):
        head.update(x[:, :2], model(x))
        assert head.optimizer is not None
        rates.append(head.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.05, 0.09, 0.08, 0.07, 0.06])


def test_a_schedule_without_its_steps_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^steps: expected the number of critic steps"):
        Adversary(nn.Linear(2, 1), "hinge", schedule="cosine")
    with pytest.raises(ValueError, match=r"^start key: expected one of critic, learner"):
        Adversary(nn.Linear(2, 1), "hinge", start={"generator": 3})
    with pytest.raises(ValueError, match=r"^warmup: expected"):
        Adversary(nn.Linear(2, 1), "hinge", warmup=-1)


def test_score_and_reward_use_the_average_of_the_critic() -> None:
    model, critic, x = parts()
    head = Adversary(critic, "nsgan", ema=0.5, optimizer=lambda p: torch.optim.SGD(p, lr=0.5))
    average = copy.deepcopy(critic)
    for step in range(3):
        head.update(x[:, :2], model(x))
        with torch.no_grad():
            for a, p in zip(average.parameters(), critic.parameters(), strict=True):
                a.copy_(p if step == 0 else 0.5 * a + 0.5 * p)
    torch.testing.assert_close(head.score(x[:, :2]), average(x[:, :2]).squeeze(1).detach())
    assert not torch.allclose(head.score(x[:, :2]), critic(x[:, :2]).squeeze(1))
