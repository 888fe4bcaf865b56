"""Where the two sets of samples come from, and what else the player wants."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, final

from torch import Tensor, nn

from advlearn.core.chain import Chain
from advlearn.core.contest import Samples

Batch = tuple[Tensor, ...]


@final
@dataclass(frozen=True, slots=True)
class Round:
    """What a task makes of one batch.

    Args:
        contests: Name of an adversary to its (real, fake) samples; those a player makes carry gradient.
        loss: The cooperative loss L of the player, a scalar, or None.
        outputs: Anything else worth looking at, by name.
    """

    contests: dict[str, tuple[Samples, Samples]]
    loss: Tensor | None = None
    outputs: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


class Task(nn.Module, ABC):
    """The player or players, as parameters of this module, and the game they are in.

    Critics are not part of a task: it only proposes them, and an `Adversary` owns each.
    """

    @abstractmethod
    def forward(self, batch: Batch) -> Round:
        """Play `batch`: a tuple of tensors (N, ...) on the task's device."""

    @abstractmethod
    def critics(self, chain: Chain) -> dict[str, nn.Module]:
        """A critic for each contest, by name, fit for the chain's objective."""

    def recipe(self) -> dict[str, Any] | None:
        """Plain values from which `advlearn.load` builds the task again; None: the user must hand it over."""
        return None
