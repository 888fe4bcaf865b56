"""Energy-based models trained by maximum likelihood, with a generator as the sampler."""

import math
from typing import ClassVar, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.chain import Chain, Defaults
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.objective import Pointwise
from advlearn.functional.distances import squared_distances
from advlearn.objectives._samples import flat
from advlearn.regularizers.zero_centred import R1

REFERENCE = Reference(
    "Deep Directed Generative Models with Energy-Based Probability Estimation",
    "Kim and Bengio 2016",
    "section 3",
    "https://arxiv.org/abs/1606.03439",
)


@final
class EnergyModel(Pointwise):
    r"""Train the critic as an unnormalised log density ``s`` and the generator as its sampler.

    .. math:: C = -E_r[s] + E_f[s] + \tfrac{w}{2} (E_r[s^2] + E_f[s^2]), \qquad
        P = -E_f[s] - h\,\hat H(q)

    C's first two terms have the gradient of the negative log-likelihood if the generator samples
    from exp(s); the squares keep scores bounded. P is the Kullback-Leibler divergence of the
    generator's distribution q from exp(s), up to a constant; without entropy the sampler would
    collapse on the highest score. At the critic's optimum, for a fixed q,

    .. math:: s = \frac{1}{w} \frac{p - q}{p + q}, \qquad
        -C^* = \frac{1}{2w} \int \frac{(p - q)^2}{p + q}

    The entropy is the pairwise Bhattacharyya lower bound for the fake samples, smoothed with
    Gaussian noise:

    .. math:: \hat H = \frac{d}{2} \log(2 \pi e \sigma^2)
        - \frac1M \sum_i \log \frac1M \sum_j \exp\left(-\frac{\|y_i - y_j\|^2}{8 \sigma^2}\right)

    It is tight where samples are much further apart than `sigma`, and then gives no gradient:
    choose `sigma` near the distance between neighbours. It acts on the fake samples only. The
    reward is the score, without entropy.

    Args:
        entropy_weight: h.
        sigma: Scale of the smoothing noise, in units of the samples.
        l2: w.

    Raises:
        ValueError: If a number is negative or not finite, or `sigma` or `l2` is zero.

    Example:
        >>> import torch
        >>> EnergyModel(l2=1.0).fake_loss(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 1.5000])

    Reference:
        Kim and Bengio 2016, section 3 (the two losses); entropy: Kolchinsky and Tracey 2017,
        Estimating mixture entropy with pairwise distances, its lower bound by the Bhattacharyya
        distance; squares: Du and Mordatch 2019.

    Deviations:
        Kim and Bengio estimate the entropy through batch normalisation scales, Kumar et al. 2019
        through a second critic of mutual information; here it is a closed form of the samples.
    """

    pointwise = False
    decomposable = False
    reasons: ClassVar[dict[str, str]] = {
        "pointwise": "the entropy term depends on pairs of fake samples",
        "decomposable": "the entropy of a batch is not the mean of the entropies of its parts",
    }

    def __init__(self, entropy_weight: float = 1.0, sigma: float = 0.2, l2: float = 0.1) -> None:
        super().__init__()
        self.entropy_weight = check_number("entropy_weight", entropy_weight, low=0)
        self.sigma = check_number("sigma", sigma, low=0, open_low=True)
        self.l2 = check_number("l2", l2, low=0, open_low=True)

    @property
    def loss_at_chance(self) -> float:
        return 0.0

    def real_loss(self, scores: Tensor) -> Tensor:
        return -scores + self.l2 / 2 * scores.square()

    def fake_loss(self, scores: Tensor) -> Tensor:
        return scores + self.l2 / 2 * scores.square()

    def generator_loss(self, scores: Tensor) -> Tensor:
        return -scores

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return (log_ratio / 2).tanh() / self.l2

    def divergence(self, ratio: Tensor) -> Tensor:
        return (ratio - 1).square() / (ratio + 1) / (2 * self.l2)

    def player_loss(self, batch: CriticBatch) -> Tensor:
        samples = distributed.gather(flat(batch.fake))
        entropy = bhattacharyya_entropy(samples, self.sigma, batch.fake_weights)
        return super().player_loss(batch) - self.entropy_weight * entropy


def bhattacharyya_entropy(samples: Tensor, sigma: float, weights: Tensor | None = None) -> Tensor:
    """Bound from below the entropy, in nats, of `samples` smoothed with Gaussian noise: a scalar.

    Args:
        samples: Centres of the mixture, (M, d).
        sigma: Standard deviation of each component.
        weights: Weights of the components, (M,), of any sum; None for equal ones.

    Example:
        >>> import torch
        >>> bhattacharyya_entropy(torch.zeros(3, 1), 1.0)  # a normal: log(2 pi e) / 2
        tensor(1.4189)
    """
    m, d = samples.shape
    weights = samples.new_full((m,), 1 / m) if weights is None else weights / weights.sum()
    overlaps = weights.log() - squared_distances(samples, samples) / (8 * sigma**2)
    component_entropy = d / 2 * math.log(2 * math.pi * math.e * sigma**2)
    return component_entropy - (weights * torch.logsumexp(overlaps, 1)).sum()


def ebm() -> Chain:
    """Build an energy model with the penalty on real samples (R1) of Kumar et al. 2019."""
    return Chain(EnergyModel(), (R1(0.2),), Defaults(lr=1e-4, betas=(0.5, 0.9)))


ALIASES = {"ebm": ebm}
