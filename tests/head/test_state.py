"""The state of a head is tensors only, and a resumed head equals an unbroken one bit for bit."""

import copy
import importlib
import pickle
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.grammar import resolve
from advlearn.testing._found import chains
from advlearn.testing._material import critic, draw, sides

STEPS = 3


def step(head: Adversary, i: int) -> None:
    torch.manual_seed(100 + i)
    head.update(draw(8, 2, seed=i), draw(8, 2, seed=50 + i) + 0.5)


def steps(head: Adversary, first: int = 0, last: int = STEPS) -> Adversary:
    for i in range(first, last):
        step(head, i)
    return head


def assert_equal(head: Adversary, other: Adversary) -> None:
    one, two = head.state_dict(), other.state_dict()
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def of_chain(spec: str) -> Adversary:
    chain = resolve(spec)
    torch.manual_seed(11)
    return Adversary(critic(chain.required_objective().critic_output), chain)


@pytest.mark.parametrize("spec", chains())
def test_every_chain_resumes_from_a_state_of_tensors(spec: str) -> None:
    state = steps(of_chain(spec)).state_dict()
    assert [name for name, value in state.items() if not isinstance(value, Tensor)] == []
    # `safetensors` refuses tensors that share memory.
    places = [v.data_ptr() for v in state.values() if v.numel()]
    assert len(places) == len(set(places))
    resumed = of_chain(spec)
    resumed.load_state_dict(copy.deepcopy(state))
    assert_equal(steps(resumed, STEPS, 2 * STEPS), steps(of_chain(spec), 0, 2 * STEPS))


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def momentum(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def two_groups(net: nn.Sequential) -> torch.optim.Optimizer:
    groups = [
        {"params": net[0].parameters(), "lr": 0.1},
        {"params": net[2].parameters(), "lr": 0.01, "weight_decay": 0.1},
    ]
    return torch.optim.AdamW(groups)


def plain_adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01, foreach=True)


OPTIMIZERS: dict[str, Callable[[nn.Sequential], Any]] = {
    "fused Adam": lambda net: "adam",
    "Adam": lambda net: plain_adam,
    "RMSprop": lambda net: "rmsprop",
    "SGD": lambda net: "sgd",
    "momentum": lambda net: momentum,
    "two groups": two_groups,
}


def of_optimizer(name: str) -> Adversary:
    net = network()
    return Adversary(net, "hinge + r1", optimizer=OPTIMIZERS[name](net), ema=0.9)


def as_module(head: Adversary) -> nn.Module:
    """Return a model that holds the head and another one."""
    heads = nn.ModuleDict({"image": head, "domain": Adversary(network(), "nsgan")})
    return nn.ModuleDict({"generator": nn.Linear(2, 2), "heads": heads})


def by_state_dict(head: Adversary, fresh: Adversary, path: Path) -> Adversary:
    as_module(fresh).load_state_dict(as_module(head).state_dict())
    return fresh


def by_torch(head: Adversary, fresh: Adversary, path: Path) -> Adversary:
    torch.save(head.state_dict(), path)
    fresh.load_state_dict(torch.load(path, weights_only=True))
    return fresh


def by_distributed_checkpoint(head: Adversary, fresh: Adversary, path: Path) -> Adversary:
    # Takes a second to import, in each worker that collects these tests.
    from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
    from torch.distributed.checkpoint.filesystem import FileSystemWriter

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")
        # One thread would use streams, which the second device of these tests does not have.
        writer = FileSystemWriter(path, thread_count=2)
        state_dict_saver.save({"head": head.state_dict()}, storage_writer=writer)
        state = {"head": fresh.state_dict()}
        state_dict_loader.load(state, checkpoint_id=path)
    fresh.load_state_dict(state["head"])
    return fresh


def by_pickle(head: Adversary, fresh: Adversary, path: Path) -> Adversary:
    return pickle.loads(pickle.dumps(head))


def by_deepcopy(head: Adversary, fresh: Adversary, path: Path) -> Adversary:
    return copy.deepcopy(head)


def safetensors() -> Any:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    return importlib.import_module("safetensors.torch")


def by_safe_model(head: Adversary, fresh: Adversary, path: Path) -> Adversary:
    safetensors().save_model(as_module(head), str(path))
    safetensors().load_model(as_module(fresh), str(path))
    return fresh


def by_safe_file(head: Adversary, fresh: Adversary, path: Path) -> Adversary:
    safetensors().save_file(head.state_dict(), str(path))
    fresh.load_state_dict(safetensors().load_file(str(path)))
    return fresh


WAYS = (
    by_state_dict,
    by_torch,
    by_distributed_checkpoint,
    by_pickle,
    by_deepcopy,
    by_safe_model,
    by_safe_file,
)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("way", WAYS)
def test_weights_and_moments_resume(
    way: Callable[[Adversary, Adversary, Path], Adversary], optimizer: str, tmp_path: Path
) -> None:
    saved = steps(of_optimizer(optimizer))
    resumed = way(saved, of_optimizer(optimizer), tmp_path / "state")
    assert resumed.steps_done == STEPS
    assert_equal(steps(resumed, STEPS, 2 * STEPS), steps(of_optimizer(optimizer), 0, 2 * STEPS))
    # The saved one was not moved by the copy's steps.
    assert_equal(saved, steps(of_optimizer(optimizer)))


def compiled() -> Adversary:
    # LeCam averages scores in buffers, so that the losses of one head cannot serve for another.
    return Adversary(network(), "hinge + lecam", compile=True)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda head: pickle.loads(pickle.dumps(head))], ids=["copy", "pickle"]
)
def test_a_copy_of_a_compiled_head_compiles_its_own_losses(
    copied: Callable[[Adversary], Adversary], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the C++ compiler, which takes most of the time and is PyTorch's.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    head = steps(compiled())
    before = copy.deepcopy(head.state_dict())
    other = steps(copied(head), STEPS, 2 * STEPS)
    assert [name for name, v in head.state_dict().items() if not torch.equal(before[name], v)] == []
    assert all(p.grad is None for p in head.critic.parameters())
    assert_equal(other, steps(compiled(), 0, 2 * STEPS))
    # The copy does not follow later steps of the first one either.
    at_the_end = copy.deepcopy(other.state_dict())
    steps(head, STEPS, STEPS + 1)
    assert [n for n, v in other.state_dict().items() if not torch.equal(at_the_end[n], v)] == []


def test_the_state_of_another_optimizer_is_one_line() -> None:
    states = {name: steps(of_optimizer(name)).state_dict() for name in OPTIMIZERS}
    for name, saved, line in (
        ("Adam", "momentum", r"^optimizer: expected the state of Adam, \['exp_avg', .*; build"),
        ("momentum", "Adam", r"^optimizer: expected the state of SGD, \['momentum_buffer'\], got"),
        ("RMSprop", "Adam", "^optimizer: expected the state of RMSprop, "),
        ("Adam", "two groups", "^optimizer: expected the state of 1 parameter groups, got 2; "),
        ("two groups", "Adam", "^optimizer: expected the state of 2 parameter groups, got 1; "),
    ):
        fresh = of_optimizer(name)
        with pytest.raises(ValueError, match=line):
            fresh.load_state_dict(states[saved])
        assert_equal(fresh, of_optimizer(name))


def test_a_head_without_training_has_a_state() -> None:
    head = of_chain("nsgan")
    other = of_chain("nsgan")
    other.load_state_dict(head.state_dict())
    assert_equal(other, head)
    head.update(*sides())
    other.update(*sides())
    assert_equal(other, head)
