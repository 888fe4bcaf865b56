"""Test heads on a model: reversed gradients, taps on layers, and projected gradients."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary, attach
from advlearn.core.gradient_projection import project_gradients
from advlearn.core.gradient_reversal import reverse_gradient

OBJECTIVES = ["nsgan", "wgan-gp", "hinge + spectral_norm", "mmd-gan"]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def heads(objective: str) -> tuple[Adversary, Adversary]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        critic = nn.Sequential(
            nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4 if objective == "mmd-gan" else 1)
        ).double()
    return Adversary(copy.deepcopy(critic), objective, lr=0.01), Adversary(
        copy.deepcopy(critic), objective, lr=0.01
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_joint_step_trains_the_critic_as_an_update_does(objective: str) -> None:
    one, other = heads(objective)
    real, fake = draw(6, 3), draw(6, 3, seed=1) + 1
    torch.manual_seed(7)
    one.update(real, fake)
    torch.manual_seed(7)
    other.reversed_loss(
        real.requires_grad_(), fake.requires_grad_(), adversarial_weight=0.3
    ).backward()
    other.step()
    for a, b in zip(one.critic.parameters(), other.critic.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)
    assert all(p.grad is None for p in other.critic.parameters())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_model_gets_only_the_reversed_gradient_of_the_critic_loss(objective: str) -> None:
    head, _ = heads(objective)
    real, fake = draw(6, 3).requires_grad_(), (draw(6, 3, seed=1) + 1).requires_grad_()
    loss = head.objective.critic_loss(head.critic_batch(real, fake))
    expected = torch.autograd.grad(loss, (real, fake))
    head.reversed_loss(real, fake, adversarial_weight=0.25).backward()
    torch.testing.assert_close(real.grad, -0.25 * expected[0])
    torch.testing.assert_close(fake.grad, -0.25 * expected[1])


def test_reversed_loss_without_a_trainable_critic_is_the_learner_loss() -> None:
    head = Adversary(nn.Identity(), "mmd")
    real, fake = draw(6, 3), draw(6, 3, seed=1).requires_grad_()
    torch.testing.assert_close(
        head.reversed_loss(real, fake, adversarial_weight=2.0), 2 * head.player_loss(real, fake)
    )
    head.step()


def test_reversal_does_not_change_values_or_integers() -> None:
    x, y = draw(4, 2).requires_grad_(), torch.arange(4)
    out = reverse_gradient((x, y), 3.0)
    assert out[1] is y
    assert torch.equal(out[0], x)
    out[0].sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, -3.0))


def model() -> nn.Module:
    return nn.Sequential(
        nn.Linear(3, 5), nn.ReLU(), nn.Sequential(nn.Linear(5, 4), nn.Tanh()), nn.Linear(4, 2)
    ).double()


def test_a_tap_reads_a_layer_and_its_removal_leaves_nothing() -> None:
    net, x = model(), draw(6, 3)
    before = net(x)
    with attach(net, "2.0") as inner, attach(net) as outer:
        assert torch.equal(net(x), before)
        assert torch.equal(inner.output, net[2][0](net[:2](x)))
        assert torch.equal(outer.output, before)
        assert inner.output.requires_grad
    assert not any(m._forward_hooks for m in net.modules())
    with pytest.raises(
        RuntimeError, match=r"capture: expected a forward pass through '2\.0', got none"
    ):
        _ = inner.output


def test_a_copied_model_has_its_own_taps() -> None:
    net = model()
    pair = nn.ModuleList([net])
    capture = attach(net, "0")
    net(draw(2, 3))
    pair.capture = capture  # type: ignore[assignment]
    twin = copy.deepcopy(pair)
    twin[0](draw(4, 3))
    assert capture.output.shape[0] == 2
    assert twin.capture.output.shape[0] == 4  # type: ignore[union-attr]
    again = pickle.loads(pickle.dumps(pair))
    again[0](draw(5, 3))
    assert again.capture.output.shape[0] == 5


def test_a_missing_layer_is_one_line() -> None:
    with pytest.raises(
        ValueError, match=r"^layer: Sequential has no layer '2\.2'; did you mean '2\.1' or"
    ) as error:
        attach(model(), "2.2")
    assert "\n" not in str(error.value)


def test_a_layer_that_returns_no_tensor_is_named() -> None:
    net = nn.Sequential(nn.LSTM(3, 2))
    attach(net, "0")
    with pytest.raises(TypeError, match=r"^layer: expected '0' to return a tensor, got tuple"):
        net(torch.zeros(1, 2, 3))


def test_projection_is_an_inner_product_over_all_parameters() -> None:
    net, x = model(), draw(8, 3)
    parameters = list(net.parameters())

    def losses() -> tuple[Tensor, Tensor]:
        out = net(x)
        return out[:, 0].square().mean(), (0.7 * out[:, 1].sin()).mean()

    flat = [
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, retain_graph=True)])
        for loss in losses()
    ]
    project_gradients(*losses(), parameters)
    found = torch.cat([p.grad.flatten() for p in parameters])
    task, against = flat
    expected = task - (task @ against) / (against @ against) * against + against
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        (found - against) @ against, torch.zeros((), dtype=torch.float64), atol=1e-12, rtol=0
    )


def test_a_weight_of_zero_leaves_the_gradient_of_the_task() -> None:
    net, x = model(), draw(8, 3)
    parameters = list(net.parameters())
    out = net(x)
    expected = torch.autograd.grad(out[:, 0].square().mean(), parameters, retain_graph=True)
    project_gradients(out[:, 0].square().mean(), 0 * out[:, 1].mean(), parameters)
    for p, g in zip(parameters, expected, strict=True):
        torch.testing.assert_close(p.grad, g, rtol=0, atol=0)
