"""Count critic steps, and say at which of them a penalty is due."""

# pyright: reportUnknownMemberType=false
# (PyTorch's own annotations are partial)

from typing import Any, final

import torch
from torch import Tensor, nn

from advlearn.core.checks import check_count
from advlearn.core.host_parts import on_host


@final
class Interval(nn.Module):
    """Say whether a penalty is due: at the first critic step and at every `every`-th one after it.

    The steps are counted on the host, so that no step waits for the device, and in a buffer that
    saves the count. With ``every=1`` there is no buffer.

    Args:
        every: Critic steps from one penalty to the next.

    Raises:
        ValueError: If `every` is not a whole number of at least 1.

    Example:
        >>> interval = Interval(every=2)
        >>> found = []
        >>> for _ in range(4):
        ...     found.append(interval.due)
        ...     interval.advance()
        >>> found
        [True, False, True, False]
    """

    steps: Tensor

    def __init__(self, every: int) -> None:
        super().__init__()
        self.every = check_count("every", every)
        # A flag, not a count: a compiled loss is specialised to its two values.
        self.due = True
        self._count = 0
        if every > 1:
            self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
            self.register_load_state_dict_post_hook(_read)

    def advance(self) -> None:
        """Count one critic step."""
        if self.every > 1:
            self.steps.add_(1)
            on_host(self._count_step)

    def coming(self, steps: int) -> tuple[bool, ...]:
        """Return at which of the next critic steps the penalty is due."""
        return tuple((self._count + k) % self.every == 0 for k in range(steps))

    def read(self) -> None:
        """Take the count from the buffer, after a state dict was loaded."""
        self._count = int(self.steps)
        self.due = self._count % self.every == 0

    def _count_step(self) -> None:
        self._count += 1
        self.due = self._count % self.every == 0


def _read(module: nn.Module, _: Any) -> None:
    assert isinstance(module, Interval)
    module.read()
