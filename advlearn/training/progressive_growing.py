"""Growing networks along a run: small images first, one resolution after another."""

from collections.abc import Iterator
from typing import final

from torch import nn

from advlearn.core.callback import Callback
from advlearn.core.protocols import Grows
from advlearn.core.trainer import Trainer
from advlearn.training.ema import EMA


@final
class ProgressiveGrowing(Callback):
    r"""Take every network that grows, of the players, the critics and the average, from its first level to its last.

    .. math:: level(t) = \lfloor u \rfloor + \max(0,\ 2\,(u - \lfloor u \rfloor) - 1), \qquad
        u = \frac{t}{until \cdot T}\,doublings

    Each resolution is held for as long as the next one then takes to fade in, and the full image is
    trained on for the rest of the run. The level is a function of the step, so a run that is
    resumed goes on where it was.

    Args:
        until: Share of the steps after which the networks are grown, in (0, 1].

    Raises:
        ValueError: `until` out of range; at the start of a run, no player or no critic in it that
        grows.

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
        The share of the run that the full image gets is a setting; the paper's phases are of equal
        length.
    """

    def __init__(self, until: float = 0.6) -> None:
        if not 0 < until <= 1:
            raise ValueError(f"until: expected a share of the run in (0, 1], got {until!r}")
        self.until = until

    def level(self, progress: float, doublings: int) -> float:
        """The level of a network after a share `progress` of the steps."""
        u = min(progress / self.until, 1.0) * doublings
        whole = int(u)
        return whole + max(0.0, 2 * (u - whole) - 1)

    def on_start(self, trainer: Trainer) -> None:
        # An average that has not started yet copies the player; one that has is grown with the
        # first step.
        sides = {"player": [trainer.task], "critic": list(trainer.adversaries.values())}
        for side, modules in sides.items():
            if not self._grow(trainer, *modules):
                raise ValueError(
                    f"callbacks: Growing expects networks that grow, as architecture='progan', got no such {side}"
                )

    def on_step(self, trainer: Trainer) -> None:
        averages = [c.module for c in trainer.callbacks if isinstance(c, EMA)]
        self._grow(trainer, trainer.task, *trainer.adversaries.values(), *averages)

    def _grow(self, trainer: Trainer, *modules: nn.Module) -> int:
        """Set the level of every network in the modules that grows; how many there are."""
        nets = [net for module in modules for net in _outermost(module)]
        for net in nets:
            net.grow(self.level(trainer.step / trainer.steps, net.doublings))
        return len(nets)


def grows(*modules: nn.Module) -> bool:
    """Whether some network of the modules grows."""
    return any(True for module in modules for _ in _outermost(module))


def _outermost(module: nn.Module) -> Iterator[Grows]:
    """Every network in a module that grows, but none that is a part of another."""
    if isinstance(module, Grows):
        yield module
        return
    for child in module.children():
        yield from _outermost(child)
