import copy

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.critic_batch import mixes_samples
from advlearn.regularizers.instance_noise import InstanceNoise, Noisy, unwrapped
from tests.closed_form.regularizer_cases import check_compiled


class Echo(nn.Module):
    """A critic that returns its input."""

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        self.others = others
        return x


def test_deviation_falls_linearly_to_zero_and_stays() -> None:
    noise = InstanceNoise(scale=0.5, steps=4)
    critic = noise.wrap(Echo())
    deviations = []
    for _ in range(6):
        deviations.append(critic.deviation().item())
        noise.after_step(critic)
    assert deviations == [0.5, 0.375, 0.25, 0.125, 0.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_is_the_joint_draw_times_the_deviation(dtype: torch.dtype) -> None:
    noise = InstanceNoise(scale=0.5, steps=4)
    critic = noise.wrap(Echo())
    noise.after_step(critic)
    x = torch.ones(3, 2, 2, dtype=dtype)
    torch.manual_seed(1)
    noised = critic(x)
    torch.manual_seed(1)
    torch.testing.assert_close(noised, x + 0.375 * torch.randn(3, 2, 2, dtype=dtype))


def test_evaluation_mode_and_the_end_of_the_schedule_add_no_noise() -> None:
    noise = InstanceNoise(scale=0.5, steps=1)
    critic = noise.wrap(Echo())
    x = torch.ones(3, 2)
    assert torch.equal(critic.eval()(x), x)
    noise.after_step(critic.train())
    assert torch.equal(critic(x), x)


def test_floating_parts_of_a_tuple_are_noised_and_labels_are_not() -> None:
    critic = InstanceNoise().wrap(Echo())
    x, y = torch.zeros(4, 2), torch.arange(4)
    assert not torch.equal(critic(x, y, x), x)
    labels, third = unwrapped(critic).others
    assert torch.equal(labels, y)
    assert not torch.equal(third, x)


def test_the_noise_is_found_under_other_wrappers_and_is_in_the_state_dict() -> None:
    noise = InstanceNoise(steps=10)
    critic = nn.Sequential(noise.wrap(nn.Linear(2, 1)))
    noise.after_step(critic)
    fresh = nn.Sequential(InstanceNoise(steps=10).wrap(nn.Linear(2, 1)))
    fresh.load_state_dict(critic.state_dict())
    assert fresh[0].step == copy.deepcopy(critic)[0].step == 1


def test_unwrapped_returns_the_critic() -> None:
    critic = Echo()
    assert unwrapped(InstanceNoise().wrap(InstanceNoise().wrap(critic))) is critic


def test_sides_are_scored_separately_so_that_processes_share_one_draw() -> None:
    assert mixes_samples(Noisy(nn.Linear(2, 1), 0.1, 10))


def test_gradient_reaches_the_samples_unchanged() -> None:
    critic = InstanceNoise().wrap(nn.Linear(2, 1, bias=False))
    x = torch.randn(3, 2, requires_grad=True)
    critic(x).sum().backward()
    torch.testing.assert_close(x.grad, critic.critic.weight.detach().expand(3, 2))


def test_a_schedule_of_no_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="steps: expected a finite number of at least 1, got 0"):
        InstanceNoise(steps=0)


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(InstanceNoise)
