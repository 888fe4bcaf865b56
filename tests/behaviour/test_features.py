"""The features of a critic are the inputs of its last linear layer."""

import copy

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.features import features, last_linear, watch


class Uncalled(nn.Module):
    """Hold a layer without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(1)


class Critic(nn.Module):
    def __init__(self, calls: str) -> None:
        super().__init__()
        self.calls = calls
        self.body, self.head = nn.Linear(3, 5), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x).tanh()
        if self.calls == "by name":
            return self.head(input=h)
        return self.head(h) if self.calls == "by place" else h.sum(1)


@pytest.mark.parametrize("calls", ["by place", "by name"])
def test_the_features_are_the_inputs_of_the_last_linear_layer(calls: str) -> None:
    critic, x = Critic(calls), torch.randn(4, 3)
    expected = critic.body(x).tanh()
    assert torch.equal(features(critic, x), expected)
    # A copy has its own capture, and neither keeps what it read.
    twin = copy.deepcopy(critic)
    assert torch.equal(features(twin, x), expected)
    assert watch(twin.head) is not watch(critic.head)
    assert watch(twin.head).calls is None and watch(critic.head).calls is None


def test_a_critic_that_does_not_call_the_layer_is_one_line() -> None:
    critic = Uncalled()
    with pytest.raises(
        RuntimeError, match=r"^critic: expected a call of one of its layers"
    ) as error:
        features(critic, torch.randn(4, 3))
    assert "\n" not in str(error.value)
    assert watch(critic.head).calls is None


def test_a_critic_without_a_linear_layer_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^critic: expected an nn\.Module with a linear output"):
        last_linear(nn.Conv1d(1, 1, 1))
