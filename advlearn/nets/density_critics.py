"""Critics that predict an attribute: the log ratio of two normalised densities."""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from advlearn.core.arguments import Count, Natural
from advlearn.nets.mlp import MLP
from advlearn.nets.network import Network, check_shape, one_hot, positive, sizes


@final
class CategoricalCritic(Network):
    r"""Predict which of K groups a sample belongs to, from its features and its class, if any.

    .. math:: s(h, a, y) = \log r(a \mid y) - \log q(a \mid h, y)

    r is a table of logits that is learned together with q, by any objective that lowers s on the
    given pairs.

    Args:
        features: Size of h.
        groups: K.
        classes: Number of classes y to condition on; 0 for none.
        hidden: Sizes of the hidden layers.
        only: Class whose pairs are scored, the others get 0 (equal opportunity); -1 scores all.

    Example:
        >>> CategoricalCritic(1, 3)(torch.zeros(4, 1), torch.tensor([0, 1, 2, 2])).shape
        torch.Size([4])
    """

    def __init__(
        self,
        features: Count,
        groups: Count,
        classes: Natural = 0,
        hidden: Sequence[int] = (64, 64),
        only: int = -1,
    ) -> None:
        super().__init__()
        positive(features=features, groups=groups)
        self.features = features
        self.groups = groups
        self.classes = classes
        self.hidden = sizes("hidden", hidden)
        self.only = only
        self.body = MLP(features + classes, groups, self.hidden)
        self.marginal = nn.Parameter(torch.zeros(max(1, classes), groups))

    def forward(self, h: Tensor, a: Tensor, y: Tensor | None = None) -> Tensor:
        """Score `h` (N, features) and group `a` (N,), given classes `y` (N,) if any: (N,)."""
        check_shape("h", h, (self.features,))
        rows = (
            self.marginal[y] if y is not None and self.classes else self.marginal.expand(len(a), -1)
        )
        marginal, conditional = (
            -cross_entropy(logits, a.long(), reduction="none")
            for logits in (rows, _conditional_logits(self.body, h, y, self.classes))
        )
        return _ratio(marginal, conditional, y, self.only)


@final
class MixtureDensityCritic(Network):
    r"""Predict the density of a continuous attribute as a mixture of Gaussians.

    .. math:: s(h, a, y) = \log r(a \mid y) - \log q(a \mid h, y), \qquad
        q(a \mid h, y) = \sum_k w_k N(a; m_k, \sigma_k^2)

    Args:
        features: Size of h.
        components: Gaussians in the mixture.
        classes: Number of classes y to condition on; 0 for none.
        hidden: Sizes of the hidden layers.
        only: As for `CategoricalCritic`.

    Example:
        >>> MixtureDensityCritic(1)(torch.zeros(4, 1), torch.randn(4, 1)).shape
        torch.Size([4])

    Reference: Bishop, "Mixture Density Networks", 1994; Louppe, Kagan, Cranmer 2017, section 4.
    """

    def __init__(
        self,
        features: Count,
        components: Count = 5,
        classes: Natural = 0,
        hidden: Sequence[int] = (64, 64),
        only: int = -1,
    ) -> None:
        super().__init__()
        positive(features=features, components=components)
        self.features = features
        self.components = components
        self.classes = classes
        self.hidden = sizes("hidden", hidden)
        self.only = only
        self.body = MLP(features + classes, 3 * components, self.hidden)
        # Spread the means over a standardised attribute: equal components would stay equal.
        start = torch.cat(
            [
                torch.zeros(components),
                torch.linspace(-1.5, 1.5, components),
                torch.zeros(components),
            ]
        )
        self.marginal = nn.Parameter(start.repeat(max(1, classes), 1))
        with torch.no_grad():
            last = [m for m in self.body.modules() if isinstance(m, nn.Linear)][-1]
            last.bias.copy_(start)

    def forward(self, h: Tensor, a: Tensor, y: Tensor | None = None) -> Tensor:
        """Score `h` (N, features) and `a` (N, 1), given classes `y` (N,) if any: (N,)."""
        check_shape("h", h, (self.features,))
        conditional = _log_mixture(_conditional_logits(self.body, h, y, self.classes), a)
        rows = (
            self.marginal[y] if y is not None and self.classes else self.marginal.expand(len(a), -1)
        )
        return _ratio(_log_mixture(rows, a), conditional, y, self.only)


def _conditional_logits(body: nn.Module, h: Tensor, y: Tensor | None, classes: int) -> Tensor:
    return body(h if y is None or not classes else torch.cat([h, one_hot(y, classes, h)], 1))


def _log_mixture(parameters: Tensor, a: Tensor) -> Tensor:
    weights, means, log_scales = parameters.chunk(3, dim=1)
    # Limit scales to 0.02 to 50: on a repeated value a component would reach infinite density.
    log_scales = 4 * torch.tanh(log_scales / 4)
    z = (a.reshape(-1, 1) - means) * (-log_scales).exp()
    return (
        weights.log_softmax(1) - z.square() / 2 - log_scales - math.log(2 * math.pi) / 2
    ).logsumexp(1)


def _ratio(marginal: Tensor, conditional: Tensor, y: Tensor | None, only: int) -> Tensor:
    # The value is the difference, and the gradient is that of both negative log-likelihoods: the
    # gradient of a plain difference would lower the likelihood of r.
    score = 2 * marginal.detach() - marginal - conditional
    return score if only < 0 or y is None else torch.where(y == only, score, 0.0)
