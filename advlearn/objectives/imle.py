"""Implicit maximum likelihood: every real sample must have a fake one nearby."""

from typing import ClassVar, final

from torch import Tensor

from advlearn.core.described import Reference
from advlearn.core.objective import Setwise
from advlearn.functional.distances import squared_distances

REFERENCE = Reference(
    "Implicit Maximum Likelihood Estimation",
    "Li and Malik 2018",
    "algorithm 1",
    "https://arxiv.org/abs/1809.09087",
)


@final
class IMLE(Setwise):
    r"""Each real sample pulls the fake one nearest to it.

    .. math:: P = \frac1N \sum_i \min_j \|\phi(x_i) - \phi(y_j)\|^2

    No real sample can be left out, so modes are not dropped; fakes that nobody pulls are left
    alone, so some may be poor. Give more fake than real samples. The critic is a fixed embedding,
    the identity unless a user hands one over; it is not trained. The witness of a point is how much
    nearer the real samples are to it than the fake ones.

    Attributes:
        embedding: ``"identity"``: what a task proposes as the critic.

    Example:
        >>> import torch
        >>> IMLE().distance(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5], [9.0]]))
        tensor(0.2500)

    Reference:
        Li and Malik 2018, algorithm 1.

    Deviations:
        Neighbours are those of the batch, chosen anew at each step, where the paper keeps those of
        a pool of fakes over several steps.
    """

    trains_critic = False
    embedding = "identity"
    reasons: ClassVar[dict[str, str]] = Setwise.reasons | {
        "trains_critic": "a trained embedding would push neighbours apart without end; it is fixed"
    }

    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        return squared_distances(real, fake).min(1).values.mean()

    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        to_fake = squared_distances(points, fake).min(1).values
        return to_fake - squared_distances(points, real).min(1).values
