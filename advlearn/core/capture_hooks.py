"""The hooks of a layer capture, and the record that they write."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import copy
import sys
import weakref
from collections.abc import Callable
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Read = Callable[..., Tensor]


@final
class Record:
    """Hold the tensors that the hooks read in the model's last forward pass.

    Args:
        read: Callable from the arguments of the hook, without the module, to a tensor.
        keeps_all: Whether each call of the layer in a pass is kept, or the last call only.
    """

    def __init__(self, read: Read, *, keeps_all: bool) -> None:
        self.read = read
        self.keeps_all = keeps_all
        self.hooks: list[Hook] = []
        self.clear()

    def clear(self) -> None:
        """Forget the last pass."""
        # Of each call the tensor, its version, and whether it lacks a graph that is expected.
        self.calls: list[tuple[Tensor, int | None, bool]] = []
        self.model_was_called = self.in_pass = self.pass_has_gradient = False

    def model(self) -> nn.Module | None:
        """Return the model whose passes are recorded, if it still exists."""
        return next((h.module() for h in self.hooks if h.write is begin_pass), None)

    def remove(self) -> None:
        """Remove the hooks, and forget the last pass."""
        for hook in self.hooks:
            hook.remove()
        self.hooks.clear()
        self.clear()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Record":
        # A tensor with a graph cannot be copied. Hooks that are copied add themselves.
        copied = Record(self.read, keeps_all=self.keeps_all)
        memo[id(self)] = copied
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {"read": self.read, "keeps_all": self.keeps_all}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


@final
class Hook:
    """Pass what a hook receives on to a record.

    A copy of a model copies its hooks. The copied hook writes to the copied record; where the
    record was not copied, because the capture is not part of the model, the copied hook removes
    itself.

    Args:
        record: What to write to.
        write: A function of the record, the module and what a hook of its kind receives.
    """

    def __init__(self, record: Record, write: Callable[..., None]) -> None:
        self.write = write
        self.handle: RemovableHandle | None = None
        self.module: Callable[[], nn.Module | None] = _nothing
        # The capture may be dropped by its owner: the model's hook keeps the record.
        self._owned: Record | None = record
        self._record: Callable[[], Record | None] = weakref.ref(record)

    def add_to(self, module: nn.Module, register: Callable[..., RemovableHandle]) -> None:
        """Add the hook to a module by one of its ``register_..._hook`` methods."""
        self.handle = register(self)
        self.module = weakref.ref(module)
        cast(Record, self._owned).hooks.append(self)
        recompile(module)

    def remove(self) -> None:
        """Remove the hook from its module."""
        if self.handle is not None:
            self.handle.remove()
        self.handle, self._owned = None, None
        module = self.module()
        if module is not None:
            allow_compiled(module)

    def __call__(self, module: nn.Module, *received: Any) -> None:
        """Write what the hook received to the record."""
        record = self._record()
        if record is not None:
            self.write(record, module, *received)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Hook":
        record, module = self._record(), self.module()
        copied = Hook.__new__(Hook)
        memo[id(self)] = copied
        # The module is being copied, and so are its dictionaries of hooks: both are in `memo`.
        copied.__setstate__(
            {
                "record": copy.deepcopy(record, memo),
                "module": memo.get(id(module)),
                "handle": copy.deepcopy(self.handle, memo),
                "write": self.write,
            }
        )
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {
            "record": self._record(),
            "module": self.module(),
            "handle": self.handle,
            "write": self.write,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        record, module = state["record"], state["module"]
        self.write, self.handle, self._owned = state["write"], state["handle"], None
        self.module = _nothing if module is None else weakref.ref(module)
        self._record = _nothing
        if record is not None:
            record.hooks.append(self)
            hook = weakref.ref(self)
            self._record = weakref.ref(record, lambda _: _remove(hook))


def _nothing() -> None:
    """Stand for a reference to an object that is gone."""


def _remove(hook: Callable[[], Hook | None]) -> None:
    orphan = hook()
    if orphan is not None:
        orphan.remove()


def begin_pass(record: Record, model: nn.Module, _: Any) -> None:
    """Begin a forward pass of the model; a forward pre-hook."""
    record.calls = []
    record.model_was_called = record.in_pass = True
    record.pass_has_gradient = model.training and torch.is_grad_enabled()


def end_pass(record: Record, _: nn.Module, __: Any, ___: Any) -> None:
    """End a forward pass of the model; a forward hook."""
    record.in_pass = False


def keep_output(record: Record, layer: nn.Module, *received: Any) -> None:
    """Keep a tensor of the output of a layer; a forward hook."""
    # A layer without parameters has no graph either, where the model detaches its input.
    _keep(record, layer, received, expects_graph=True)


def keep_input(record: Record, layer: nn.Module, *received: Any) -> None:
    """Keep a tensor of the input of a layer; a forward pre-hook with keywords."""
    # Data have no graph, which is right; a tensor that was computed without gradients is not.
    _keep(record, layer, received, expects_graph=not torch.is_grad_enabled())


def _keep(
    record: Record, layer: nn.Module, received: tuple[Any, ...], *, expects_graph: bool
) -> None:
    compiling = torch.compiler.is_compiling()
    if not compiling and _in_backward():
        return  # a checkpointed block is computed again
    tensor = record.read(*received)
    if not record.in_pass:
        # A part of the model was called, not the model.
        record.pass_has_gradient = layer.training and torch.is_grad_enabled()
    if not (record.keeps_all and record.in_pass):
        record.calls = []
    lacks_graph = (
        expects_graph
        and record.pass_has_gradient
        and tensor.is_floating_point()
        and not tensor.requires_grad
    )
    # A compiler hides writes in place, so that no version tells of them.
    hidden = compiling or tensor.is_inference()
    version = None if hidden else tensor._version
    record.calls.append((tensor.clone() if compiling else tensor, version, lacks_graph))


def _in_backward() -> bool:
    return torch._C._current_graph_task_id() != -1  # pyright: ignore[reportPrivateUsage]


def recompile(module: nn.Module) -> None:
    """Let compiled code that has no hooks of this module be compiled again.

    Compiled code is not checked for hooks that were added later, but for a `forward` of the
    instance.
    """
    if "forward" not in vars(module) and _something_is_compiled():
        cast(Any, module).forward = module.forward


def allow_compiled(module: nn.Module) -> None:
    """Undo `recompile` unless another hook of a capture needs it."""
    own = vars(module).get("forward")
    hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())  # pyright: ignore[reportPrivateUsage]
    if getattr(own, "__func__", None) is type(module).forward and not any(
        isinstance(hook, Hook) for hook in hooks
    ):
        del vars(module)["forward"]


def _something_is_compiled() -> bool:
    # Importing the compiler takes a second: where nothing imported it, nothing is compiled.
    compiler = cast(Any, sys.modules.get("torch._dynamo.utils"))
    return compiler is not None and bool(compiler.counters["frames"])
