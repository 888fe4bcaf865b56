"""Test an adversary in a user's training loop: gradients to both sides and no side effects."""

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.adversary import Adversary

SOURCE = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
TARGET = torch.randn(64, 2, generator=torch.Generator().manual_seed(1)) + torch.tensor([3.0, 0.0])


def critic() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))


@pytest.mark.parametrize(
    "objective", ["nsgan", "hinge + r1", "wgan-gp", "lsgan", "rpgan", "ragan", "mmd", "sinkhorn"]
)
def test_both_sides_get_a_gradient_and_the_critic_does_not(objective: str) -> None:
    adversary = Adversary(critic(), objective)
    encoders = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    h_s, h_t = encoders[0](SOURCE), encoders[1](TARGET)
    adversary.update(real=h_s, fake=h_t)
    assert all(p.grad is None for p in encoders.parameters()), (
        "the critic's step gave the encoders a gradient"
    )
    adversary.critic.zero_grad()
    kept = [p.detach().clone() for p in adversary.critic.parameters()]
    adversary.player_loss(real=h_s, fake=h_t).backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in encoders.parameters())
    for p, value in zip(adversary.critic.parameters(), kept, strict=True):
        assert torch.equal(p, value) and p.grad is None and p.requires_grad


def test_a_side_without_gradient_is_left_out() -> None:
    """Without gradient on the real side, the loss is only that of the fakes, as in the papers."""
    adversary = Adversary(critic(), "nsgan")
    x = TARGET.clone().requires_grad_()
    scores = adversary.score(TARGET)
    expected = torch.nn.functional.softplus(-scores).mean()
    torch.testing.assert_close(adversary.player_loss(SOURCE, x).detach(), expected)
    both = adversary.player_loss(SOURCE.clone().requires_grad_(), x).detach()
    torch.testing.assert_close(
        both, expected + torch.nn.functional.softplus(adversary.score(SOURCE)).mean()
    )


@pytest.mark.parametrize("objective", ["nsgan", "hinge + r1", "rpgan + r1", "energy-distance"])
def test_training_closes_the_gap_between_two_domains(objective: str) -> None:
    torch.manual_seed(0)
    adversary = Adversary(
        critic() if objective != "energy-distance" else nn.Identity(), objective, lr=0.01
    )
    shifts = [nn.Parameter(torch.zeros(2)) for _ in range(2)]
    optimizer = torch.optim.Adam(shifts, lr=0.02)

    def gap() -> float:
        return float(((SOURCE + shifts[0]).mean(0) - (TARGET + shifts[1]).mean(0)).detach().norm())

    before = gap()
    for _ in range(150):
        h_s, h_t = SOURCE + shifts[0], TARGET + shifts[1]
        adversary.update(real=h_s, fake=h_t)
        optimizer.zero_grad()
        adversary.player_loss(real=h_s, fake=h_t).backward()
        optimizer.step()
    assert gap() < before / 3
    moved = [float(shift.detach()[0]) for shift in shifts]
    assert moved[0] > 0.3 and moved[1] < -0.3, "one side did all the moving"


def test_scores_use_evaluation_mode_and_modes_are_kept() -> None:
    """Scores and rewards are computed in evaluation mode, and every module keeps its mode."""
    module = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    module[0].eval()
    adversary = Adversary(module, "nsgan")
    modes = [m.training for m in module.modules()]
    running = module[1].running_mean.clone()
    adversary.score(SOURCE)
    adversary.reward(TARGET)
    assert torch.equal(module[1].running_mean, running)
    adversary.update(SOURCE, TARGET)
    assert not torch.equal(module[1].running_mean, running)
    assert modes == [m.training for m in module.modules()]


def test_a_head_is_saved_with_its_optimiser() -> None:
    first, second = (Adversary(critic(), "began") for _ in range(2))
    for _ in range(3):
        first.update(SOURCE, TARGET)
    second.load_state_dict(first.state_dict())
    for head in (first, second):
        head.update(SOURCE, TARGET)
    pairs = zip(first.state_dict().items(), second.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for (_, a), b in pairs if isinstance(a, Tensor))
