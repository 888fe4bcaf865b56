"""Image pool: half of the fake samples that train the critic are from earlier steps."""

from typing import Any, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import Samples, as_tuple, count, map_tensors

REFERENCE = Reference(
    "Learning from Simulated and Unsupervised Images through Adversarial Training",
    "Shrivastava et al. 2017",
    "section 2.3",
    "https://arxiv.org/abs/1612.07828",
)


@final
class ImagePool(Regularizer):
    r"""Train the critic on fake samples of this step and of earlier ones.

    .. math:: shown = \{x'_{k+1}, \dots, x'_n\} \cup \{k\ \text{of the history}\}, \
              k = \min(\lfloor n/2 \rfloor, B)

    The k new fakes that are not shown replace, in the pool, the k that are; these are drawn at
    random at each step. Until the pool holds B fakes it stores the new ones and returns none. The
    generator is always trained on its current samples; with gradient reversal (``reversed_loss``),
    so is the critic. The parts of a tuple and the weight of a sample stay together.

    Args:
        size: B, the fakes in the pool, for all processes together.

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
        # Plain tensors, not buffers: their shapes are unknown before the first fakes.
        self._held: tuple[Tensor, ...] = ()
        self._filled = 0
        self.register_state_dict_post_hook(_add_held)
        self.register_load_state_dict_pre_hook(_take_held)

    @property
    def held(self) -> tuple[Tensor, ...]:
        """The fakes in the pool: one tensor for each part of a sample, and then the weights."""
        return tuple(held[: self._filled] for held in self._held)

    def filter_fakes(self, fake: Samples, weights: Tensor | None) -> tuple[Samples, Tensor | None]:
        if not self.size:
            return fake, weights
        n, parts = count(fake), as_tuple(fake)
        like = next(
            (x for x in parts if x.is_floating_point()), torch.empty(0, device=parts[0].device)
        )
        # Every process keeps the same pool, of the fakes of all processes, and uses its own rows.
        chance = distributed.gather(distributed.rand(n, like=like))
        given = parts if weights is None else (*parts, weights)
        kept = self._swapped(tuple(distributed.gather(part.detach()) for part in given), chance)
        rank = distributed.rank()
        own = iter([part[rank * n : (rank + 1) * n] for part in kept])
        samples = map_tensors(lambda _: next(own), fake)
        return samples, None if weights is None else next(own)

    def _swapped(self, fresh: tuple[Tensor, ...], chance: Tensor) -> tuple[Tensor, ...]:
        n, filled = len(fresh[0]), self._filled
        # A checkpoint may have restored it on another device.
        self._held = tuple(held.to(chance.device) for held in self._held) or tuple(
            part.new_zeros(self.size, *part.shape[1:]) for part in fresh
        )
        if filled < self.size:
            self._filled = min(filled + n, self.size)
            for held, part in zip(self._held, fresh, strict=True):
                held[filled : self._filled] = part[: self._filled - filled]
            return fresh
        k = min(n // 2, self.size)
        bounds = torch.arange(k + 1, device=chance.device) * self.size // max(k, 1)
        places = bounds[:-1] + (chance[:k] * (bounds[1:] - bounds[:-1])).long()
        shown = tuple(
            torch.cat([held[places], part[k:]])
            for held, part in zip(self._held, fresh, strict=True)
        )
        # In place, so that a captured step finds the pool of the step before.
        for held, part in zip(self._held, fresh, strict=True):
            held.index_copy_(0, places, part[:k].to(held.dtype))
        return shown

    def coming(self, steps: int) -> bool | None:
        """Return that the operations stay the same; None until the pool is full."""
        return True if self._filled == self.size else None


def _add_held(pool: Any, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Add the pool to its state, so that a checkpoint of the adversary resumes exactly."""
    state[f"{prefix}filled"] = torch.tensor(pool._filled)
    state.update({f"{prefix}held.{i}": held for i, held in enumerate(pool._held)})


def _take_held(
    pool: Any,
    state: dict[str, Any],
    prefix: str,
    metadata: Any,
    strict: bool,
    missing: Any,
    *_: Any,
) -> None:
    """Restore what `_add_held` added, and take it out of the state."""
    filled = state.pop(f"{prefix}filled", None)
    if filled is None:
        missing.append(f"{prefix}filled")
        return
    names = sorted(
        (key for key in state if key.startswith(f"{prefix}held.")),
        key=lambda key: int(key.rpartition(".")[2]),
    )
    held = tuple(state.pop(name).clone() for name in names)
    if held and len(held[0]) != pool.size:
        raise ValueError(
            f"size: expected that of the saved image pool, {len(held[0])}, got {pool.size}"
        )
    pool._held, pool._filled = held, int(filled)
