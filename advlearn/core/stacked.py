"""Several games computed as one: their tensors are stacked, and each operation runs once.

In an open `Level` a tensor of all members looks like the tensor of a single one, so that losses,
penalties and networks need no further code (``torch.vmap``). Gradients, optimizers and random
numbers work on the stacked tensors themselves, (members, ...).
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportPrivateUsage=false
# (PyTorch's own annotations are partial)

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast, final

import torch
from torch import Tensor
from torch._C import _functorch as _vmap  # pyright: ignore[reportAttributeAccessIssue]


@final
class Level:
    """Compute several games as one within a block.

    Args:
        generators: The random generator of each member.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = list(generators)
        self.number = 0

    @property
    def members(self) -> int:
        """Number of games."""
        return len(self.generators)

    @contextmanager
    def opened(self) -> Generator[None]:
        """Open the level in a block; random numbers that no member's generator draws are refused.

        Raises:
            RuntimeError: From an operation that cannot be stacked, or that draws by itself.
        """
        self.number = _vmap._vmap_increment_nesting(self.members, "error")
        # An operator without a batched form runs once for each member, which needs no warning.
        _vmap._set_vmap_fallback_warning_enabled(False)
        _open.append(self)
        try:
            yield
        finally:
            _open.pop()
            _vmap._set_vmap_fallback_warning_enabled(True)
            _vmap._vmap_decrement_nesting()


# The open level of this process, if there is one.
_open: list[Level] = []


def is_open() -> bool:
    """Return whether several games are being computed as one."""
    return bool(_open)


def outside() -> AbstractContextManager[Any]:
    """Compute on the stacked tensors themselves in the block; do nothing if no level is open."""
    return _left() if _open else nullcontext()


@contextmanager
def _left() -> Generator[None]:
    layer = _vmap.pop_dynamic_layer_stack()
    try:
        yield
    finally:
        _vmap.push_dynamic_layer_stack(layer)


def of_member(tensor: Tensor) -> Tensor:
    """Return a stacked tensor (members, ...) as the tensor (...) of each member."""
    return cast(Tensor, _vmap._add_batch_dim(tensor, 0, _open[-1].number)) if _open else tensor


def of_all(tensor: Tensor) -> Tensor:
    """Return the stacked tensor (members, ...) of a member's tensor (...)."""
    if not _vmap.is_batchedtensor(tensor):
        return tensor.expand(_open[-1].members, *tensor.shape) if _open else tensor
    where, values = _vmap.maybe_get_bdim(tensor), _vmap.get_unwrapped(tensor)
    if where == 0:
        return cast(Tensor, values)
    with outside():
        return cast(Tensor, values).movedim(where, 0)


def held(tensor: Tensor) -> Tensor:
    """Return the tensor that holds the values and the graph of a member's tensor."""
    if _open and _vmap.is_batchedtensor(tensor):
        return cast(Tensor, _vmap.get_unwrapped(tensor))
    return tensor


def is_member_wise(value: object) -> bool:
    """Return whether a value is a tensor that stands for one of each member."""
    return isinstance(value, Tensor) and bool(_vmap.is_batchedtensor(value))


def requires_grad(tensor: Tensor) -> bool:
    """Return whether a tensor requires gradient; torch says no of any tensor in an open level."""
    return held(tensor).requires_grad


def leaf(tensor: Tensor) -> Tensor:
    """Return a tensor without its graph that requires gradient."""
    if not _open:
        return tensor.detach().requires_grad_()
    values = of_all(tensor)
    with outside():
        return of_member(values.detach().requires_grad_())


def gradients(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Differentiate scalars by tensors, with a graph to differentiate again."""
    if not _open:
        return torch.autograd.grad(outputs, inputs, create_graph=True)
    ends, starts = list(map(of_all, outputs)), list(map(of_all, inputs))
    with outside():
        # No member's output depends on another member's input, so the sum separates.
        found = torch.autograd.grad([end.sum() for end in ends], starts, create_graph=True)
    return tuple(map(of_member, found))


def backward(loss: Tensor, **options: Any) -> None:
    """Run the backward pass of a scalar, with the options of ``Tensor.backward``."""
    if not _open:
        loss.backward(**options)
        return
    of_each = of_all(loss)
    with outside():
        of_each.sum().backward(**options)


def set_requires_grad(tensor: Tensor, value: bool) -> None:
    """Set whether a tensor, or the stacked tensor that it belongs to, requires gradient."""
    values = held(tensor)
    with outside():
        values.requires_grad_(value)


def drawn(draw: Callable[..., Tensor]) -> Tensor:
    """Draw random numbers, for each member from its own generator.

    Args:
        draw: Function of the keyword ``generator`` that draws the numbers of one member.
    """
    with outside():
        return of_member(torch.stack([draw(generator=g) for g in _open[-1].generators]))
