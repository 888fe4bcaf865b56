"""What a critic is given: the parts of a sample, with their shapes and types."""

from dataclasses import dataclass
from typing import final

from torch import dtype

from advlearn.core.objective import CriticOutput


@final
@dataclass(frozen=True, slots=True)
class Inputs:
    """The samples that a critic scores, and what it must return for them.

    Args:
        name: Name of the critic in its task.
        shapes: Shape of each part of a sample, without the batch dimension; a critic of one part
            is called with one tensor, a critic of several with several.
        dtypes: Type of each part; integers are classes.
        output: What the objective asks of the critic: a ``"logit"`` (N,), an embedding
            ``"vector"`` (N, d), an ``"energy"`` (N,), ``"classes"`` (N, K) or a ``"density"`` (N,).

    Example:
        >>> import torch
        >>> inputs = Inputs("data", ((1, 28, 28),), (torch.float32,), "logit")
        >>> inputs.shapes[0]
        (1, 28, 28)
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[dtype, ...]
    output: CriticOutput
