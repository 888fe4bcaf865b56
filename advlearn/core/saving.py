"""What the state of a head holds besides its modules: tensors by name, and nothing else."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from typing import Any

import torch

from advlearn.core import distributed
from advlearn.core.optimizer_state import from_tensors, to_tensors

STEPS = "steps_done"
OPTIMIZER = "optimizer."
LEFT_OUT = "left_out"


def add_state(head: Any, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Add the step and the optimizer's state to the head's `state_dict`."""
    state[prefix + STEPS] = torch.tensor(head.steps_done)
    if head.optimizer is not None:
        found = to_tensors(head.optimizer, _names(head))
        state.update({f"{prefix}{OPTIMIZER}{name}": value for name, value in found.items()})


def take_state(
    head: Any,
    state: dict[str, Any],
    prefix: str,
    metadata: Any,
    strict: bool,
    missing: list[str],
    *_: Any,
) -> None:
    """Restore what `add_state` added, and take it out of the state."""
    distributed.reshard(head)
    start = prefix + OPTIMIZER
    own = {key: state.pop(key) for key in list(state) if key.startswith(start)}
    steps = state.pop(prefix + STEPS, None)
    if head.optimizer is not None and start + LEFT_OUT not in own:
        if own:
            named = {key.removeprefix(start): value for key, value in own.items()}
            from_tensors(head.optimizer, _names(head), named)
        else:
            missing.append(f"{start}*")
    if steps is None:
        missing.append(prefix + STEPS)
    else:
        head.steps_done = int(steps)


def without_optimizer(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a head with a note that its optimizer begins anew."""
    kept = {key: value for key, value in state.items() if not key.startswith(OPTIMIZER)}
    return {**kept, OPTIMIZER + LEFT_OUT: torch.zeros(())}


def _names(head: Any) -> dict[int, str]:
    return {id(p): name for name, p in head.named_parameters()}
