"""Inputs of a critic: the parts of one sample, and how a proposed critic joins them."""

from dataclasses import dataclass, field
from typing import Literal, final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import checked
from advlearn.core.objective import Objective

Shape = tuple[int, ...]
Join = Literal["condition", "concat", "product", "channels", "sum", "code"]


@checked
@final
@dataclass(frozen=True, slots=True)
class Inputs:
    """Declare the inputs of one critic of a task.

    A critic is called with one tensor per part: first the floating-point parts, (N, *shape) each,
    then the class parts, int64 (N,) each.

    Args:
        shapes: Shape of each floating-point part.
        classes: Number of classes of each class part.
        join: How a proposed critic joins the parts: ``"condition"`` (a sample, conditioned on at
            most one class), ``"concat"`` (flattened parts, concatenated), ``"product"`` (the outer
            product of two vectors), ``"channels"`` (images stacked as channels, PatchGAN),
            ``"sum"`` (a residual and the image it belongs to, LAPGAN), ``"code"`` (a sample and its
            code, BiGAN).
        class_weights: Whether class parts are float weights (N, classes) instead of integers.
        predicts: For critics that score a conditional density: the number of groups of the part
            they predict, 0 for a number; None where there is no such part.
        favoured: The only class whose samples a density critic scores; -1 for all.
        marginal_terms: Whether a critic of codes also scores sample and code separately.
        images: Start and shape of each image inside a flat vector.
        hidden: Hidden layers of a perceptron with one score; None: three of 4 * base_channels.
        architecture: Name of the architecture whose critic reads samples; None chooses by shape.
        base_channels: Channels at half resolution of a proposed critic.
        pac: Number of samples that a proposed critic scores at once (PacGAN).
        module: The critic itself, where the task owns it; nothing is proposed then.

    Example:
        >>> [part.shape for part in Inputs(((3, 8, 8),), (10,)).example(2)]
        [torch.Size([2, 3, 8, 8]), torch.Size([2])]
    """

    shapes: tuple[Shape, ...]
    classes: tuple[int, ...] = ()
    join: Join = "condition"
    class_weights: bool = False
    predicts: int | None = None
    favoured: int = -1
    marginal_terms: bool = False
    images: tuple[tuple[int, Shape], ...] = ()
    hidden: tuple[int, ...] | None = None
    architecture: str | None = None
    base_channels: int = 64
    pac: int = 1
    module: nn.Module | None = field(default=None, compare=False, repr=False)

    def example(self, n: int, device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
        """Return parts of zeros for `n` samples, in the order of a critic's arguments."""
        floats = [torch.zeros(n, *shape, device=device) for shape in self.shapes]
        if self.class_weights:
            return (*floats, *(torch.zeros(n, k, device=device) for k in self.classes))
        labels = [torch.zeros(n, dtype=torch.int64, device=device) for _ in self.classes]
        return (*floats, *labels)

    def incompatibility(self, objective: Objective) -> str | None:
        """Return why no critic of these inputs fits an objective, or None if one does."""
        output = objective.critic_output
        if self.module is not None or (output == "density" and self.predicts is not None):
            return None
        if output in ("density", "classes"):
            return (
                f"its critic scores {output!r}, "
                "and there is neither an attribute nor a class to predict here"
            )
        if output == "energy" and self.marginal_terms:
            return "its critic scores an energy of the pair as a whole, which has no marginal terms"
        return None
