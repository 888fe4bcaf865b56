"""f-GAN: variational losses for a table of f-divergences."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple, final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from advlearn.core.chain import Chain
from advlearn.core.checks import check_choice
from advlearn.core.described import Reference
from advlearn.core.objective import Pointwise

REFERENCE = Reference(
    "f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization",
    "Nowozin et al. 2016",
    "eq. 4, 6 and 7, tables 1 and 2",
    "https://arxiv.org/abs/1606.00709",
)

Divergence = Literal[
    "kl", "reverse-kl", "pearson", "hellinger", "jensen-shannon", "total-variation"
]
Map = Callable[[Tensor], Tensor]

# Stands for the infinite optimal score of total variation: its tanh is 1 in double precision.
_FAR = 20.0


class _Row(NamedTuple):
    """Hold the functions of one divergence; v is a raw score of the critic."""

    f: Map  # of the density ratio u = p/q
    activation: Map  # g_f(v), which maps v into the domain of f*
    # f*(g_f(v)), simplified by hand, because f* after g_f overflows or cancels.
    conjugate: Map
    optimum: Map  # the v with g_f(v) = f'(u), as a function of log u


_TABLE: dict[str, _Row] = {
    "kl": _Row(
        f=lambda u: torch.xlogy(u, u),
        activation=lambda v: v,
        conjugate=lambda v: (v - 1).exp(),
        optimum=lambda log_u: 1 + log_u,
    ),
    "reverse-kl": _Row(
        f=lambda u: -u.log(),
        activation=lambda v: -(-v).exp(),
        conjugate=lambda v: v - 1,
        optimum=lambda log_u: log_u,
    ),
    "pearson": _Row(
        f=lambda u: (u - 1).square(),
        activation=lambda v: v,
        conjugate=lambda v: v.square() / 4 + v,
        optimum=lambda log_u: 2 * log_u.expm1(),
    ),
    "hellinger": _Row(
        f=lambda u: (u.sqrt() - 1).square(),
        activation=lambda v: -(-v).expm1(),
        conjugate=lambda v: v.expm1(),
        optimum=lambda log_u: log_u / 2,
    ),
    "jensen-shannon": _Row(
        f=lambda u: torch.xlogy(u, u) - (u + 1) * ((u + 1) / 2).log(),
        activation=lambda v: math.log(2) - softplus(-v),
        conjugate=lambda v: softplus(v) - math.log(2),
        optimum=lambda log_u: log_u,
    ),
    "total-variation": _Row(
        f=lambda u: (u - 1).abs() / 2,
        activation=lambda v: v.tanh() / 2,
        conjugate=lambda v: v.tanh() / 2,
        optimum=lambda log_u: _FAR * log_u.sign(),
    ),
}


@final
class FDivergence(Pointwise):
    r"""Compute the variational lower bound of an f-divergence, tight at the optimal critic.

    .. math:: C = -E_r[g_f(s)] + E_f[f^*(g_f(s))], \qquad -C^* = D_f(p \| q) = E_q[f(p/q)]

    ================  =================================  ====================  ==================
    divergence        f(u)                               g_f(v)                f*(t)
    ================  =================================  ====================  ==================
    kl                u log u                            v                     exp(t - 1)
    reverse-kl        -log u                             -exp(-v)              -1 - log(-t)
    pearson           (u - 1)^2                          v                     t^2 / 4 + t
    hellinger         (sqrt(u) - 1)^2                    1 - exp(-v)           t / (1 - t)
    jensen-shannon    u log u - (u + 1) log((u + 1)/2)   log 2 - softplus(-v)  -log(2 - exp(t))
    total-variation   abs(u - 1) / 2                     tanh(v) / 2           t
    ================  =================================  ====================  ==================

    The generator minimises ``-C`` (minimax) or ``-E_f[g_f(s)]`` (non-saturating). The exponentials
    of kl, reverse-kl and hellinger are unbounded: bound the critic where its scores grow. All
    f-divergences are constant on distributions that do not overlap, which is why a gradient penalty
    or instance noise is usual.

    Args:
        f: A row of the table, by the divergence's name.
        generator: ``"nonsaturating"`` or ``"minimax"``.

    Raises:
        ValueError: If either name is unknown.

    Example:
        >>> import torch
        >>> FDivergence("pearson").fake_loss(torch.tensor([2.0]))
        tensor([3.])

    Reference:
        Nowozin et al. 2016, eq. 4 (the bound), 6 and 7 (the losses), tables 1 and 2; the
        non-saturating loss is in section 3.2.

    Deviations:
        Where the learner also produces the real side, the non-saturating form uses the mirror image
        ``E_r[f*(g_f(s))]``; in the paper it only produces the fake side. Jensen-Shannon here is
        twice the textbook value, as in the paper's table.
    """

    def __init__(
        self, f: Divergence = "kl", generator: Literal["nonsaturating", "minimax"] = "nonsaturating"
    ) -> None:
        super().__init__()
        self.f = check_choice("f", f, tuple(_TABLE))
        self.generator = check_choice("generator", generator, ("nonsaturating", "minimax"))

    @property
    def loss_at_chance(self) -> float:
        return 0.0  # -f'(1) + f*(f'(1)) = -f(1)

    def real_loss(self, scores: Tensor) -> Tensor:
        return -_TABLE[self.f].activation(scores)

    def fake_loss(self, scores: Tensor) -> Tensor:
        return _TABLE[self.f].conjugate(scores)

    def generator_loss(self, scores: Tensor) -> Tensor:
        return (
            self.real_loss(scores) if self.generator == "nonsaturating" else -self.fake_loss(scores)
        )

    def generator_real_loss(self, scores: Tensor) -> Tensor:
        return (
            self.fake_loss(scores) if self.generator == "nonsaturating" else -self.real_loss(scores)
        )

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return _TABLE[self.f].optimum(log_ratio)

    def divergence(self, ratio: Tensor) -> Tensor:
        return _TABLE[self.f].f(ratio)


def f_gan(
    f: Divergence = "kl", generator: Literal["nonsaturating", "minimax"] = "nonsaturating"
) -> Chain:
    """Build f-GAN for any divergence of the table."""
    return Chain(FDivergence(f, generator))


def f_gan_kl() -> Chain:
    """Build f-GAN with the Kullback-Leibler divergence KL(p || q), which covers every mode of p."""
    return f_gan("kl")


def f_gan_reverse_kl() -> Chain:
    """Build f-GAN with the reverse divergence KL(q || p), which may drop modes of p."""
    return f_gan("reverse-kl")


def f_gan_pearson() -> Chain:
    """Build f-GAN with Pearson's chi-squared divergence."""
    return f_gan("pearson")


def f_gan_hellinger() -> Chain:
    """Build f-GAN with the squared Hellinger distance, without the factor 1/2 of some texts."""
    return f_gan("hellinger")


def f_gan_js() -> Chain:
    """Build f-GAN with the Jensen-Shannon divergence: the original GAN loss shifted by log 4."""
    return f_gan("jensen-shannon")


def f_gan_tv() -> Chain:
    """Build f-GAN with total variation; its gradient vanishes where the critic is confident."""
    return f_gan("total-variation")


ALIASES = {
    "f-gan": f_gan,
    "f-gan-kl": f_gan_kl,
    "f-gan-reverse-kl": f_gan_reverse_kl,
    "f-gan-pearson": f_gan_pearson,
    "f-gan-hellinger": f_gan_hellinger,
    "f-gan-js": f_gan_js,
    "f-gan-tv": f_gan_tv,
}
