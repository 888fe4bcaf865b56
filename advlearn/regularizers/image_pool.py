"""A history of fakes: half of what the critic is shown as fake is what the player made earlier."""

from typing import Any, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import Samples, as_tuple, count
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer

REFERENCE = Reference(
    "Learning from Simulated and Unsupervised Images through Adversarial Training",
    "Shrivastava et al. 2017",
    "section 2.3",
    "https://arxiv.org/abs/1612.07828",
)


@final
class ImagePool(Regularizer):
    r"""Show the critic fakes of earlier steps beside those of this one, so that it does not forget what it refused.

    .. math:: shown = \{x'_{k+1}, \dots, x'_n\} \cup \{k\ \text{of the history}\}, \ k = \min(\lfloor n/2 \rfloor, B)

    The k fakes that are held back take the places in the history of those that are shown, which are
    drawn anew at each step. Until the history holds B fakes it takes in what it is shown and gives
    nothing. The player always sees its own fresh samples; where critic and player move in one
    backward pass (``reversed_loss``), so does the critic. The parts of a sample that is a tuple
    stay together, and so does its weight.

    Args:
        size: B, the fakes in the history of all processes.

    Raises:
        ValueError: If `size` is negative.

    Example:
        >>> history = ImagePool(size=2)
        >>> (
        ...     history.filter_fakes(torch.zeros(2, 1), None)[0].flatten(),
        ...     history.filter_fakes(torch.ones(2, 1), None)[0].flatten(),
        ... )
        (tensor([0., 0.]), tensor([0., 1.]))

    Reference:
        Shrivastava et al. 2017, section 2.3; Zhu et al. 2017, section 4 (CycleGAN, 50 images).

    Deviations:
        The places are drawn one from each of k equal parts of the history, so that no place is
        drawn twice.
    """

    def __init__(self, size: int = 50) -> None:
        super().__init__()
        self.size = int(check_number("size", size, low=0))
        # Plain tensors, not buffers: their shapes are known with the first fakes.
        self._held: tuple[Tensor, ...] = ()

    def filter_fakes(self, fake: Samples, weights: Tensor | None) -> tuple[Samples, Tensor | None]:
        if not self.size:
            return fake, weights
        n, parts = count(fake), as_tuple(fake) if weights is None else (*as_tuple(fake), weights)
        # Every process keeps the same history, of all processes' fakes, and takes its own rows of
        # what is shown.
        joint = tuple(distributed.gather(part.detach()) for part in parts)
        chance = distributed.gather(distributed.rand(n, like=as_tuple(fake)[0]))
        kept = self._swapped(joint, chance)
        own = tuple(part[distributed.rank() * n : (distributed.rank() + 1) * n] for part in kept)
        samples = own if weights is None else own[:-1]
        return samples if isinstance(fake, tuple) else samples[0], None if weights is None else own[
            -1
        ]

    def _swapped(self, fresh: tuple[Tensor, ...], chance: Tensor) -> tuple[Tensor, ...]:
        n, filled = len(fresh[0]), len(self._held[0]) if self._held else 0
        # A checkpoint may have brought it back to another device.
        self._held = tuple(held.to(chance.device) for held in self._held)
        if filled < self.size:
            taken = tuple(part[: self.size - filled] for part in fresh)
            self._held = (
                tuple(torch.cat(p) for p in zip(self._held, taken, strict=True))
                if self._held
                else taken
            )
            return fresh
        k = min(n // 2, self.size)
        bounds = torch.arange(k + 1, device=chance.device) * self.size // max(k, 1)
        places = bounds[:-1] + (chance[:k] * (bounds[1:] - bounds[:-1])).long()
        shown = tuple(
            torch.cat([held[places], part[k:]])
            for held, part in zip(self._held, fresh, strict=True)
        )
        self._held = tuple(
            held.index_copy(0, places, part[:k].to(held.dtype))
            for held, part in zip(self._held, fresh, strict=True)
        )
        return shown

    def get_extra_state(self) -> dict[str, Any]:
        """The history, so that a checkpoint of the head resumes exactly."""
        return {"held": list(self._held)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_extra_state` gave."""
        self._held = tuple(part.clone() for part in state["held"])
