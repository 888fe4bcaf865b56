"""Implicit maximum likelihood estimation: every real sample has a fake sample nearby."""

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
    r"""Compute the mean squared distance of each real sample to its nearest fake sample.

    .. math:: P = \frac1N \sum_i \min_j \|\phi(x_i) - \phi(y_j)\|^2

    Every real sample counts, so modes are not dropped; a fake sample that is nearest to no real
    sample gets no gradient, so some may be poor. Use more fake than real samples. The critic is a
    fixed embedding, by default the identity; it is not trained. The witness of a point is the
    amount by which real samples are nearer to it than fake ones.

    Attributes:
        embedding: ``"identity"``, the critic that a task proposes.

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
        "trains_critic": "a trained embedding would increase the distances without limit"
    }

    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        return squared_distances(real, fake).min(1).values.mean()

    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        to_fake = squared_distances(points, fake).min(1).values
        return to_fake - squared_distances(points, real).min(1).values
