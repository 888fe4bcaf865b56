"""Captures of layers: which part, of which call, of which pass, and what is refused."""

import copy
import gc
import pickle
import weakref
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from advlearn import attach
from advlearn.core.layer_capture import LayerCapture


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))


def hooks(net: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


# Which part


@dataclass
class Parts:
    hidden: Tensor
    mask: Tensor | None = None


class Returns(nn.Module):
    """A layer that returns its input as a tuple, a dict or a dataclass."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor, scale: float = 1.0, shift: Tensor | None = None) -> Any:
        kinds = {
            "tuple": (x, 2 * x, (3 * x,)),
            "dict": {"hidden": x, "twice": 2 * x},
            "dataclass": Parts(2 * x),
        }
        return kinds[self.kind]


@pytest.mark.parametrize(
    ("kind", "pick", "factor"),
    [
        ("tuple", 0, 1),
        ("tuple", 1, 2),
        ("tuple", lambda out: out[-1][0], 3),
        ("dict", "twice", 2),
        ("dict", lambda out: out["hidden"], 1),
        ("dataclass", "hidden", 2),
    ],
)
def test_a_part_is_picked_by_index_key_field_or_callable(kind: str, pick: Any, factor: int) -> None:
    net, x = Returns(kind), draw(4, 3)
    with attach(net, pick=pick) as capture:
        net(x)
        assert torch.equal(capture.output, factor * x)


@pytest.mark.parametrize(
    ("kind", "pick", "message"),
    [
        ("tuple", None, "a tensor, got tuple; choose one part of tuple of 3, such as pick=0"),
        ("dict", None, "a tensor, got dict; choose one part of dict with hidden, twice, such as"),
        ("dataclass", None, "got Parts; choose one part of Parts with hidden, mask, such as"),
        ("tuple", 3, "pick: expected an index or a name of tuple of 3, got 3"),
        (
            "dict",
            "none",
            "pick: expected an index or a name of dict with hidden, twice, got 'none'",
        ),
        ("dict", 0, "pick: expected an index or a name of dict with hidden, twice, got 0"),
        ("dataclass", "mask", "expected '' to return a tensor, got NoneType"),
        ("tuple", 2, "expected '' to return a tensor, got tuple; choose one part of tuple of 1"),
    ],
)
def test_a_part_that_is_not_there_is_one_line(kind: str, pick: Any, message: str) -> None:
    net = Returns(kind)
    with attach(net, pick=pick), pytest.raises((TypeError, ValueError)) as error:
        net(draw(4, 3))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_layer_with_one_tensor_has_no_parts() -> None:
    net = model()
    with attach(net, "0", pick=0), pytest.raises(ValueError, match=r"^pick: expected None for a"):
        net(draw(4, 3))


def test_an_lstm_gives_its_sequence_and_its_state() -> None:
    net = nn.Sequential(nn.LSTM(3, 2))
    with (
        attach(net, "0", pick=0) as sequence,
        attach(net, "0", pick=lambda out: out[1][0]) as state,
    ):
        out, (h, _) = net(draw(5, 4, 3))
        assert sequence.output is out
        assert state.output is h


@pytest.mark.parametrize("pick", [None, 0, "input"])
def test_the_input_of_a_layer_is_what_it_receives(pick: Any) -> None:
    net, x = model(), draw(4, 3)
    with attach(net, "2", at="input", pick=pick) as capture:
        net(x)
        assert torch.equal(capture.input, net[:2](x))
        assert capture.input.requires_grad


@pytest.mark.parametrize("pick", [2, "shift", lambda x, scale=1.0, shift=None: shift])
@pytest.mark.parametrize("by_name", [True, False])
def test_an_argument_is_found_by_place_and_by_name(pick: Any, by_name: bool) -> None:
    net, x, shift = Returns("tuple"), draw(4, 3), draw(4, 3, seed=1)
    with attach(net, at="input", pick=pick) as capture:
        _ = net(x, scale=2.0, shift=shift) if by_name else net(x, 2.0, shift)
        assert capture.input is shift


def test_an_argument_that_was_not_given_is_one_line() -> None:
    net = Returns("tuple")
    with (
        attach(net, at="input", pick="shift"),
        pytest.raises(ValueError, match=r"^pick: expected .* of dict with x, got 'shift'"),
    ):
        net(draw(4, 3))


def test_input_and_output_are_not_mistaken_for_each_other() -> None:
    net = model()
    inside, outside = attach(net, "0", at="input"), attach(net, "0")
    net(draw(4, 3))
    with pytest.raises(ValueError, match=r"^output: expected a capture of the output of '0'"):
        _ = inside.output
    with pytest.raises(ValueError, match=r"^input: .* read \.output, or attach with at='input'"):
        _ = outside.input
    with pytest.raises(ValueError, match=r"^at: expected one of output, input, got 'inside'"):
        attach(net, "0", at="inside")  # type: ignore[call-overload]


# Several layers, several calls


def test_several_layers_are_captured_in_the_order_of_their_names() -> None:
    net, x = model(), draw(4, 3)
    with attach(net, ["2", "0"]) as captures:
        y = net(x)
        assert list(captures) == ["2", "0"]
        assert captures.outputs[0] is y
        assert torch.equal(captures["0"].output, net[0](x))
    assert hooks(net) == 0


@pytest.mark.parametrize("names", [[], ["0", "0"]])
def test_a_list_of_names_is_checked(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^layer: expected one or more different names, got"):
        attach(model(), names)


def test_a_wrong_name_in_a_list_leaves_no_hook() -> None:
    net = model()
    with pytest.raises(ValueError, match="has no layer '7'"):
        attach(net, ["0", "7"])
    assert hooks(net) == 0


class Twice(nn.Module):
    def __init__(self, times: int = 2) -> None:
        super().__init__()
        self.times, self.inner = times, nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.times):
            x = self.inner(x)
        return x


def test_each_call_of_a_layer_is_kept_and_forgotten_at_the_next_pass() -> None:
    net, x = Twice(), draw(4, 3)
    with attach(net, "inner", calls="all") as every, attach(net, "inner") as last:
        for _ in range(2):
            y = net(x)
            first, second = every.all_calls
            assert torch.equal(first, net.inner(x).detach())
            assert second is y
            y = net(x)
            assert last.output is y and every.output is y
        # Calls of the layer without the model do not add up.
        net.inner(x)
        net.inner(x)
        assert len(every.all_calls) == 1
        with pytest.raises(ValueError, match=r"^calls: expected a capture of all calls"):
            _ = last.all_calls


# Names


class Wrapper(nn.Module):
    """A wrapper that keeps its model as DistributedDataParallel does."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)


@pytest.mark.parametrize(
    "wrap",
    [
        Wrapper,
        torch.optim.swa_utils.AveragedModel,
        lambda net: torch.compile(net, backend="eager"),
        lambda net: Wrapper(torch.compile(net, backend="eager")),
        lambda net: nn.Sequential(nn.Identity(), Wrapper(net)),
    ],
)
def test_names_are_found_through_wrappers(wrap: Any) -> None:
    net = wrap(model())
    prefix = "1." if isinstance(net, nn.Sequential) else ""
    with attach(net, prefix + "0", at="input") as inside, attach(net, prefix + "2") as capture:
        x = draw(4, 3)
        y = net(x)
        assert torch.equal(capture.output, y) and capture.output.shape == (4, 2)
        assert torch.equal(inside.input, x)


def test_the_name_of_a_wrapped_model_finds_the_innermost_module() -> None:
    inner = model()
    net = nn.ModuleDict({"encoder": Wrapper(torch.compile(inner, backend="eager"))})
    with attach(net, "encoder.module._orig_mod.2") as full, attach(net, "encoder.2") as capture:
        y = net["encoder"](draw(4, 3))
        assert torch.equal(full.output, capture.output) and torch.equal(full.output, y)


def test_a_name_with_a_prefix_finds_the_layer_of_the_bare_model() -> None:
    net = model()
    with attach(net, "module._orig_mod.2") as capture:
        y = net(draw(4, 3))
        assert capture.output is y


def test_a_layer_in_two_places_has_both_names() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    net.append(net[0])
    with attach(net, "2") as capture:
        y = net(draw(4, 3))
        assert capture.output is y


def test_names_that_differ_only_by_a_wrapper_are_refused() -> None:
    net = nn.ModuleDict({"a": model()})
    net["module"] = nn.ModuleDict({"b": nn.ReLU()})
    net["_orig_mod"] = nn.ModuleDict({"b": nn.ReLU()})
    with pytest.raises(ValueError, match=r"^layer: expected one layer 'b' of ModuleDict, got mod"):
        attach(net, "b")


def test_a_near_name_is_suggested_without_the_prefix() -> None:
    with pytest.raises(ValueError, match=r"^layer: Wrapper has no layer '3'; it has 0, 1, 2$"):
        attach(Wrapper(model()), "3")
    net = nn.ModuleDict({"module": nn.ModuleDict({"encoder": model()})})
    with pytest.raises(ValueError, match=r"has no layer 'encodr\.1'; did you mean 'encoder\.\d'"):
        attach(net, "encodr.1")


# Compiled models


@pytest.fixture
def fresh_compiler() -> None:
    torch.compiler.reset()


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_capture_before_the_first_compiled_call_follows_each_pass(backend: str) -> None:
    net = Twice()
    capture = attach(net, "inner", calls="all")
    compiled = torch.compile(net, backend=backend, fullgraph=True)
    for seed in range(3):
        y = compiled(draw(4, 3, seed=seed))
        assert len(capture.all_calls) == 2
        torch.testing.assert_close(capture.output, y)
        assert capture.output.requires_grad


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("through", ["model", "wrapper"])
@pytest.mark.parametrize("compiled_before", ["this", "another"])
def test_a_capture_after_a_compiled_call_has_the_value_of_the_next_pass(
    compiled_before: str, through: str
) -> None:
    net = model()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    other = torch.compile(model(), backend="eager", fullgraph=True)
    (compiled if compiled_before == "this" else other)(draw(4, 3))
    for seed in range(2):  # a second capture must not find the code with the first one
        with attach(net if through == "model" else compiled, "2") as capture:
            net(draw(6, 3))
            for _ in range(2):
                y = compiled(draw(4, 3, seed=seed))
                assert torch.equal(capture.output, y)
        compiled(draw(4, 3))
    assert "forward" not in vars(net) and "forward" not in vars(net[2])


@pytest.mark.usefixtures("fresh_compiler")
def test_the_gradient_reaches_a_compiled_model() -> None:
    net = model()
    compiled = torch.compile(net, backend="aot_eager")
    compiled(draw(4, 3))
    with attach(compiled, "1") as capture:
        compiled(draw(4, 3))
        capture.output.sum().backward()
    expected = torch.autograd.grad(net[:2](draw(4, 3)).sum(), net[0].weight)[0]
    torch.testing.assert_close(net[0].weight.grad, expected)


class Frozen(nn.Module):
    """A model whose inner layer is hidden from the compiler."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.skips = nn.Linear(3, 3), False

    def forward(self, x: Tensor) -> Tensor:
        return x if self.skips else self.inner(x)


def test_a_pass_that_skips_the_layer_is_not_given_the_last_value() -> None:
    net = Frozen()
    capture = attach(net, "inner")
    with pytest.raises(RuntimeError, match=r"^capture: expected a forward pass through 'inner'"):
        _ = capture.output
    net(draw(4, 3))
    assert capture.output.shape == (4, 3)
    net.skips = True
    net(draw(4, 3))
    with pytest.raises(RuntimeError, match="the last forward pass to run 'inner'") as error:
        _ = capture.output
    assert "\n" not in str(error.value)


# Writes in place


@pytest.mark.parametrize("kind", ["output", "input"])
def test_a_tensor_that_was_overwritten_is_refused(kind: Any) -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))
    with attach(net, "0" if kind == "output" else "1", at=kind) as capture:
        net(draw(4, 3))
        with pytest.raises(RuntimeError, match="overwritten in place by a later layer; use inpl"):
            _ = getattr(capture, kind)
    net[1] = nn.ReLU()
    with attach(net, "0" if kind == "output" else "1", at=kind) as capture:
        net(draw(4, 3))
        assert getattr(capture, kind).min() < 0


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_code_keeps_the_value_before_a_write_in_place(backend: str) -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))
    with attach(net, "0") as capture:
        torch.compile(net, backend=backend)(draw(4, 3))
        assert torch.allclose(capture.output, net[0](draw(4, 3)).detach())


def test_inference_mode_has_no_versions() -> None:
    net = model()
    with attach(net, "0") as capture, torch.inference_mode():
        net(draw(4, 3))
        assert capture.output.shape == (4, 5)


# Checkpoints, and tensors without a graph


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.first, self.block, self.reentrant = nn.Linear(3, 3), model(), reentrant

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.block, self.first(x), use_reentrant=self.reentrant)


def test_a_layer_in_a_checkpointed_block_gives_its_gradient() -> None:
    net = Checkpointed(reentrant=False)
    x = draw(4, 3)
    expected = torch.autograd.grad(net.block[:2](net.first(x)).square().sum(), net.first.weight)[0]
    with attach(net, "block.1", calls="all") as capture:
        y = net(x)
        before = capture.output
        (capture.output.square().sum() + 0 * y.sum()).backward()
        # The block is computed again in the backward pass, which is not a call of the layer.
        assert capture.output is before and len(capture.all_calls) == 1
    torch.testing.assert_close(net.first.weight.grad, expected)


def test_a_layer_in_a_reentrant_block_is_refused_in_training() -> None:
    net = Checkpointed(reentrant=True)
    with attach(net, "block.1") as capture:
        net(draw(4, 3))
        with pytest.raises(RuntimeError, match="reentrant checkpointed block; use use_r") as error:
            _ = capture.output
        assert "\n" not in str(error.value)
        with torch.no_grad():
            assert not capture.output.requires_grad
        net.eval()
        net(draw(4, 3))
        assert not capture.output.requires_grad


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 2)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.act(self.first(x).detach()))


def test_a_detached_layer_is_refused_unless_no_graph_is_expected() -> None:
    net, x = Detached(), draw(4, 3)
    with attach(net, "act") as capture:
        net(x)
        with pytest.raises(RuntimeError, match="with a graph, got none although parameters of"):
            _ = capture.output
        with torch.no_grad():
            net(x)
        assert capture.output.shape == (4, 3)
        net.eval()(x)
        assert capture.output.shape == (4, 3)
        net.train().requires_grad_(False)(x)
        assert capture.output.shape == (4, 3)
        net.requires_grad_(True).act(x)  # a part that is called without the model
        with torch.no_grad():
            net.act(x)
        assert capture.output.shape == (4, 3)


def test_integers_carry_no_gradient() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.Flatten())
    with attach(net, "1", pick=lambda out: out.argmax(1)) as capture:
        net(draw(4, 3))
        assert capture.output.dtype == torch.int64


@pytest.mark.parametrize("reentrant", [True, False])
def test_the_input_of_a_checkpointed_layer_has_a_graph_or_is_refused(reentrant: bool) -> None:
    net = Checkpointed(reentrant)
    with attach(net, "block.0", at="input") as first, attach(net, "block.2", at="input") as last:
        net(draw(4, 3))
        assert first.input.requires_grad
        if reentrant:
            with pytest.raises(RuntimeError, match=r"the input of 'block\.2' with a graph"):
                _ = last.input
        else:
            assert last.input.requires_grad


# Copies


def test_a_copy_of_the_model_alone_has_no_hooks() -> None:
    net = model()
    capture = attach(net, "0")
    net(draw(4, 3))
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert hooks(twin) == 0
        twin(draw(2, 3))
    assert capture.output.shape == (4, 5)
    capture.remove()
    assert hooks(net) == 0


class Owner(nn.Module):
    """A module that owns a model and a capture of it."""

    def __init__(self, capture_first: bool) -> None:
        super().__init__()
        net = model()
        capture = attach(net, "0", at="input", pick="input")
        self.parts = (capture, net) if capture_first else (net, capture)
        self.net = net
        self.capture = capture


@pytest.mark.parametrize("capture_first", [True, False])
@pytest.mark.parametrize("by", ["deepcopy", "pickle"])
def test_a_copied_capture_reads_and_leaves_its_own_model(by: str, capture_first: bool) -> None:
    pair = Owner(capture_first)
    pair.net(draw(4, 3))
    twin = copy.deepcopy(pair) if by == "deepcopy" else pickle.loads(pickle.dumps(pair))
    assert hooks(twin.net) == hooks(pair.net) == 3
    with pytest.raises(RuntimeError, match="got none; call the model first"):
        _ = twin.capture.input
    twin.net(draw(2, 3))
    assert twin.capture.input.shape == (2, 3) and pair.capture.input.shape == (4, 3)
    twin.capture.remove()
    assert hooks(twin.net) == 0 and hooks(pair.net) == 3
    third = copy.deepcopy(pair)
    pair.capture.remove()
    assert hooks(pair.net) == 0
    third.net(draw(5, 3))
    assert third.capture.input.shape == (5, 3)


def test_a_copy_whose_capture_is_dropped_holds_no_graph() -> None:
    pair = Owner(capture_first=False)
    twin = copy.deepcopy(pair)
    twin.net(draw(2, 3))
    kept = weakref.ref(twin.capture.input)
    twin.capture, twin.parts = None, None
    gc.collect()
    assert kept() is None and hooks(twin.net) == 0


def test_a_removed_capture_holds_no_graph() -> None:
    net = model()
    capture = attach(net, "0")
    net(draw(4, 3))
    kept = weakref.ref(capture.output)
    capture.remove()
    gc.collect()
    assert kept() is None
    with pytest.raises(RuntimeError, match="got none"):
        _ = capture.output


@pytest.mark.usefixtures("fresh_compiler")
def test_a_copied_capture_follows_its_compiled_model() -> None:
    net = model()
    compiled = torch.compile(net, backend="eager")
    compiled(draw(4, 3))
    pair = nn.ModuleList([net])
    pair.capture = attach(net, "2")  # type: ignore[assignment]
    twin: Any = copy.deepcopy(pair)
    again = torch.compile(twin[0], backend="eager", fullgraph=True)
    y = again(draw(5, 3))
    assert torch.equal(twin.capture.output, y)
    twin.capture.remove()
    assert hooks(twin[0]) == 0 and not any("forward" in vars(m) for m in twin.modules())
    assert isinstance(pair.capture, LayerCapture) and "forward" in vars(net)
    pair.capture.remove()
    assert not any("forward" in vars(m) for m in pair.modules())
