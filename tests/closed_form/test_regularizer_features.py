import copy

import torch
from torch import Tensor, nn

from advlearn.core.features import features, full_precision, watch


def critic() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, 5, dtype=torch.float64), nn.Tanh(), nn.Linear(5, 1, dtype=torch.float64)
    )


def test_tapped_layers_return_their_inputs_and_store_nothing() -> None:
    watched, x = critic(), torch.randn(3, 2, dtype=torch.float64)
    tap = watch(watched[2])
    assert watch(watched[2]) is tap
    assert torch.equal(features(watched, x), watched[:2](x))
    watched(x)
    assert tap.calls is None


def test_copies_have_their_own_tap() -> None:
    watched, x = critic(), torch.randn(3, 2, dtype=torch.float64)
    tap = watch(watched[2])
    twin = copy.deepcopy(watched)
    assert watch(twin[2]) is not tap
    nn.init.zeros_(twin[0].weight)
    nn.init.zeros_(twin[0].bias)
    assert features(twin, x).eq(0).all()
    assert len(twin[2]._forward_hooks) == 1


def test_the_tap_closes_when_the_critic_fails() -> None:
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            self.layer(x)
            raise RuntimeError("no score")

    failing = Failing()
    tap = watch(failing.layer)
    try:
        features(failing, torch.zeros(1, 2))
    except RuntimeError:
        assert tap.calls is None
    else:
        raise AssertionError("the critic's error was lost")


def test_full_precision_keeps_double_tensors() -> None:
    dtypes = [
        full_precision(torch.zeros(1, dtype=d)).dtype
        for d in (torch.bfloat16, torch.float32, torch.float64)
    ]
    assert dtypes == [torch.float32, torch.float32, torch.float64]
