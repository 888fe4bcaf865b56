"""A grouped convolution equals PyTorch's, and its double backward does not go group by group."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn.core.adversary import Adversary
from advlearn.nets.blocks.grouped import GroupedConv2d
from advlearn.nets.blocks.resolution import edges_repeated
from advlearn.nets.families.r3gan import Halved

GEOMETRIES = [
    {"stride": 1, "padding": 1, "dilation": 1},
    {"stride": 2, "padding": (1, 0), "dilation": 1},
    {"stride": 1, "padding": 2, "dilation": 2, "bias": False},
]


def pair(groups: int, **geometry: Any) -> tuple[GroupedConv2d, nn.Conv2d]:
    torch.manual_seed(0)
    grouped = GroupedConv2d(8, 16, 3, groups=groups, **geometry).double()
    plain = nn.Conv2d(8, 16, 3, groups=groups, **geometry).double()
    plain.load_state_dict(grouped.state_dict())
    return grouped, plain


def penalised(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the output, its input gradient, and the gradients of a loss with a penalty."""
    x = x.clone().requires_grad_()
    y = layer(x)
    (slope,) = torch.autograd.grad(y.sigmoid().sum(), x, create_graph=True)
    loss = y.square().mean() + slope.square().sum()
    return [y, slope, *torch.autograd.grad(loss, [x, *layer.parameters()])]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("groups", [1, 4, 8])
def test_outputs_and_gradients_equal_those_of_torch(groups: int, geometry: dict[str, Any]) -> None:
    grouped, plain = pair(groups, **geometry)
    x = torch.randn(3, 8, 7, 6, dtype=torch.double)
    for ours, theirs in zip(penalised(grouped, x), penalised(plain, x), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_second_derivatives_equal_differences(geometry: dict[str, Any]) -> None:
    grouped, _ = pair(4, **geometry)
    x = torch.randn(2, 8, 4, 5, dtype=torch.double, requires_grad=True)

    def function(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(grouped, {"weight": weight}, x)

    assert torch.autograd.gradgradcheck(function, (x, grouped.weight))


class Convolutions(TorchDispatchMode):
    """Count the convolutions and their gradients."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.count += "convolution" in str(func)
        return func(*args, **(kwargs or {}))


def count(layer: nn.Module) -> int:
    with Convolutions() as found:
        penalised(layer, torch.randn(2, 8, 5, 5, dtype=torch.double))
    return found.count


def test_the_number_of_kernels_does_not_grow_with_the_groups() -> None:
    ours = [count(pair(groups, padding=1)[0]) for groups in (2, 8)]
    theirs = [count(pair(groups, padding=1)[1]) for groups in (2, 8)]
    assert theirs[0] < theirs[1]
    assert ours[0] == ours[1] < theirs[1]


@pytest.mark.parametrize("ways", ["input", "weights", "all", "backward"])
def test_only_gradients_that_are_asked_for_are_computed(ways: str) -> None:
    network = nn.Sequential(*(GroupedConv2d(8, 8, 3, padding=1, groups=2) for _ in range(2)))
    plain = nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1, groups=2) for _ in range(2)))
    plain.load_state_dict(network.state_dict())
    found: list[list[Tensor]] = []
    kernels = list[int]()
    for net in (network, plain):
        x = torch.linspace(-1, 1, 512).view(2, 8, 4, 8).requires_grad_()
        loss = net(x).square().sum()
        weights = list(net.parameters())
        asked = {"input": [x], "weights": weights, "all": [x, *weights]}.get(ways)
        with Convolutions() as counted:
            if asked is None:
                loss.backward()
                grads = [p.grad for p in (x, *weights) if p.grad is not None]
            else:
                grads = list(torch.autograd.grad(loss, asked))
        found.append(grads)
        kernels.append(counted.count)
    torch.testing.assert_close(*found)
    # One kernel for the gradient of each layer's input, and one for that of its weights.
    assert kernels[0] == {"input": 2, "weights": 3, "all": 4, "backward": 4}[ways]


def test_autocast_computes_as_torch_does() -> None:
    grouped, plain = (layer.float() for layer in pair(4, padding=1))
    x = torch.randn(3, 8, 7, 6)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = penalised(grouped, x), penalised(plain, x)
    assert ours[0].dtype == theirs[0].dtype == torch.bfloat16
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=2e-2, atol=2e-2)


def test_autocast_keeps_double_precision() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = (layer(torch.zeros(1, 8, 5, 5).double()) for layer in pair(4))
    assert ours.dtype == theirs.dtype == torch.float64


def test_padding_as_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^padding: expected a number or two, got 'same'; use "):
        GroupedConv2d(4, 4, 3, padding="same")  # type: ignore[arg-type]


@pytest.mark.slow
# PyTorch's own compiler is imported here, and warns about itself: also of the functions that it
# instantiates in order to trace them.
@pytest.mark.filterwarnings("ignore:.*Function'> should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_a_compiled_critic_has_the_gradients_of_the_eager_one() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 1), Halved(), nn.LeakyReLU(0.2)]
    layers += [GroupedConv2d(4, 4, 3, padding=1, groups=2), nn.Flatten(), nn.Linear(64, 1)]
    eager = nn.Sequential(*layers)
    compiled = copy.deepcopy(eager)
    real, fake = torch.randn(4, 2, 8, 8), torch.randn(4, 2, 8, 8)
    Adversary(eager, "nsgan + r1").update(real, fake)
    Adversary(compiled, "nsgan + r1", compile=True).update(real, fake)
    for ours, theirs in zip(compiled.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_repeated_edges_equal_replication_padding() -> None:
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(
        edges_repeated(x), nn.functional.pad(x, (1, 1, 1, 1), mode="replicate"), rtol=0, atol=0
    )
