"""Progressive growing: train on small images first, then on one resolution after another."""

from collections.abc import Iterator
from typing import Protocol, cast, final

from torch import nn

from advlearn.core.arguments import Share
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.ema import EMA


class Grows(Protocol):
    """Define a network that grows, such as those of `advlearn.nets.families.progan`."""

    @property
    def doublings(self) -> int:
        """Level of the fully grown network."""
        ...

    def grow(self, level: float) -> None:
        """Set the level, from 0 to `doublings`."""


@final
class ProgressiveGrowing(Callback):
    r"""Grow all networks of the task, the critics and the average that can grow.

    .. math:: level(t) = \lfloor u \rfloor + \max(0,\ 2\,(u - \lfloor u \rfloor) - 1), \qquad
        u = \frac{t}{until \cdot T}\,doublings

    Each resolution is trained for as long as the next one takes to fade in, and the full resolution
    for the rest of the run. The level depends only on the step, so that a resumed run continues at
    the same level.

    Args:
        until: Fraction of the steps after which the networks are fully grown, in (0, 1].

    Raises:
        ValueError: `until` out of range; at the start of a run, a task or critics without a network
            that grows.

    Example:
        >>> (
        ...     ProgressiveGrowing(0.5).level(0.0, 2),
        ...     ProgressiveGrowing(0.5).level(0.1875, 2),
        ...     ProgressiveGrowing(0.5).level(0.7, 2),
        ... )
        (0.0, 0.5, 2.0)

    Reference:
        Karras et al. 2018, Progressive Growing of GANs, section 2 and appendix A,
        https://arxiv.org/abs/1710.10196.

    Deviations:
        The fraction of the run at full resolution is a setting; the phases of the paper have equal
        lengths.
    """

    def __init__(self, until: Share = 0.6) -> None:
        if not 0 < until <= 1:
            raise ValueError(f"until: expected a fraction of the run in (0, 1], got {until!r}")
        self.until = until

    def level(self, progress: float, doublings: int) -> float:
        """Return the level of a network after a fraction `progress` of the steps."""
        u = min(progress / self.until, 1.0) * doublings
        whole = int(u)
        return whole + max(0.0, 2 * (u - whole) - 1)

    def on_start(self, trainer: Trainer) -> None:
        # An average that has not started copies the task; a resumed one grows at the first step.
        groups = {"task": [trainer.task], "critic": list(trainer.adversaries.values())}
        for name, modules in groups.items():
            if not self._grow(trainer, *modules):
                raise ValueError(
                    "callbacks: ProgressiveGrowing expected networks that grow, such as "
                    f"architecture='progan', got none in the {name}"
                )

    def on_step(self, trainer: Trainer) -> None:
        averages = [c.module for c in trainer.callbacks if isinstance(c, EMA)]
        self._grow(trainer, trainer.task, *trainer.adversaries.values(), *averages)

    def _grow(self, trainer: Trainer, *modules: nn.Module) -> int:
        """Set the level of every network in the modules that grows; return their number."""
        nets = [net for module in modules for net in _outermost(module)]
        for net in nets:
            net.grow(self.level(trainer.step / trainer.steps, net.doublings))
        return len(nets)


def grows(*modules: nn.Module) -> bool:
    """Return whether any network in the modules grows."""
    return any(True for module in modules for _ in _outermost(module))


def _outermost(module: nn.Module) -> Iterator[Grows]:
    """Yield every network in a module that grows and is not part of another."""
    if hasattr(module, "grow") and hasattr(module, "doublings"):
        yield cast(Grows, module)
        return
    for child in module.children():
        yield from _outermost(child)
