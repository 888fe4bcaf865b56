"""Extragradient: take the gradient at an extrapolated point, and step from the point before."""

from typing import ClassVar, final

import torch

from advlearn.core.described import Reference
from advlearn.core.game import Game, Tensors

REFERENCE = Reference(
    "A Variational Inequality Perspective on Generative Adversarial Networks",
    "Gidel et al. 2019",
    "section 3.2 and algorithm 4",
    "https://arxiv.org/abs/1802.10551",
)


@final
class Extragradient(Game):
    r"""Step from the present weights with the gradients at an extrapolated point.

    .. math:: \omega_{t+1/2} = \omega_t - \eta F(\omega_t), \qquad
        \omega_{t+1} = \omega_t - \eta F(\omega_{t+1/2})

    F holds the gradient of each side's own loss. Each optimizer makes both steps, so that with
    Adam the moments are updated twice in an update: this is ExtraAdam. Calls of `step`
    alternately extrapolate and update, and each takes gradients of a new batch.

    Args:
        *sides: Each critic's `Adversary`, and each optimizer of the model.

    Example:
        >>> import torch
        >>> from advlearn import Adversary
        >>> adversary = Adversary(torch.nn.Linear(2, 1), "nsgan")
        >>> generator = torch.nn.Linear(3, 2)
        >>> game = Extragradient(adversary, torch.optim.Adam(generator.parameters()))
        >>> for _ in range(2 * game.passes):
        ...     real, fake = torch.randn(8, 2), generator(torch.randn(8, 3))
        ...     adversary.critic_loss(real, fake).backward()
        ...     adversary.player_loss(real, fake).backward()
        ...     game.step()
        >>> adversary.steps_done
        2

    Reference:
        Gidel et al. 2019, section 3.2 (extragradient), algorithm 4 (ExtraAdam).

    Deviations:
        Extrapolated weights are not projected: weight clipping follows updates only.
    """

    passes: ClassVar[int] = 2
    cycle = 2

    def before_step(self, i: int, values: Tensors) -> None:
        kept = self.kept[i]
        source, target = (kept, values) if self.open[i] else (values, kept)
        torch._foreach_copy_(target, source)  # pyright: ignore[reportPrivateImportUsage]
        self.open[i] = not self.open[i]

    def is_extrapolated(self, i: int) -> bool:
        return self.open[i]
