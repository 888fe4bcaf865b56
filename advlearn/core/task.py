"""Where the two sets of samples come from, and what else the player wants."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

from torch import Tensor, nn

from advlearn.core.chain import Chain
from advlearn.core.critic_batch import Samples
from advlearn.core.objective import Objective
from advlearn.core.optim import added, backward

Batch = tuple[Tensor, ...]


class SamplePair(NamedTuple):
    """The two sides of one contest, as `Adversary.update` and `Adversary.player_loss` take them."""

    real: Samples
    fake: Samples
    real_weights: Tensor | None = None
    fake_weights: Tensor | None = None


@final
@dataclass(frozen=True, slots=True)
class TaskOutput:
    """What a task makes of one batch.

    Args:
        pairs: Name of an adversary to its two sides; samples that a player makes carry gradient.
        loss: The cooperative loss L of the player, a scalar, or None.
        outputs: Anything else worth looking at, by name.
    """

    pairs: dict[str, SamplePair]
    loss: Tensor | None = None
    outputs: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


class Task(nn.Module, ABC):
    """The player or players, as parameters of this module, and the game they are in.

    Critics are not part of a task: it only proposes them, and an `Adversary` owns each. Where a
    critic is what the user came for (a classifier), it may be a part that `trainable_parameters`
    leaves out.

    Attributes:
        gradient_reversal: Whether critics and players move in one backward pass, by gradient
            reversal, instead of in turn.
    """

    gradient_reversal: bool = False

    @abstractmethod
    def forward(self, batch: Batch) -> TaskOutput:
        """Play `batch`: a tuple of tensors (N, ...) on the task's device."""

    @abstractmethod
    def critics(self, chain: Chain) -> dict[str, nn.Module]:
        """A critic for each contest, by name, fit for the chain's objective."""

    def trainable_parameters(self) -> list[nn.Parameter]:
        """What the player's step trains: every parameter of the task, unless some belong to a critic."""
        return [p for p in self.parameters() if p.requires_grad]

    def adapt_objective(self, chain: Chain) -> Chain:
        """The chain this task plays, given the user's: as it is, unless the task's critics ask for another form."""
        return chain

    def check_compatibility(self, objective: Objective) -> str | None:
        """Why this task cannot work with an objective; None where it can."""
        return None

    def adversarial_weight_at(self, progress: float) -> float:
        """What the player's losses of all adversaries are multiplied by after a share `progress` of the steps."""
        return 1.0

    def backward(
        self, loss: Tensor | None, adversarial: Tensor, parameters: Sequence[nn.Parameter]
    ) -> None:
        """Leave in `trainable_parameters` the gradient of a step, from the cooperative loss and the adversaries' weighted sum."""
        backward(adversarial if loss is None else added([adversarial, loss]))

    def config(self) -> dict[str, Any] | None:
        """Plain values from which `advlearn.load` builds the task again; None: the user must hand it over."""
        return None
