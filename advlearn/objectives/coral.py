"""Correlation alignment (CORAL): match the covariances of the two sides."""

from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from advlearn.core.checks import check_choice
from advlearn.core.described import Reference
from advlearn.core.objective import Setwise

REFERENCE = Reference(
    "Deep CORAL: Correlation Alignment for Deep Domain Adaptation",
    "Sun and Saenko 2016",
    "eq. 1",
    "https://arxiv.org/abs/1607.01719",
)


@final
class Coral(Setwise):
    r"""Compute the squared distance between the covariances of the two sides.

    .. math:: P = \frac{1}{4 d^2} \|Cov(x) - Cov(y)\|_F^2, \qquad C = -P

    d is the dimension of a sample. Means are not compared, so a shift costs nothing.

    Args:
        embedding: The critic that a task proposes: ``"identity"`` compares the samples as they
            are, ``"learned"`` trains an embedding, which needs a constraint such as
            ``spectral_norm``.

    Raises:
        ValueError: If `embedding` is unknown, or a side has fewer than two samples.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [2.0]])
        >>> Coral().distance(x, 2 * x)
        tensor(9.)

    Reference:
        Sun and Saenko 2016, eq. 1.

    Deviations:
        None. The covariances are centred, as in eq. 2 and 3 of the paper.
    """

    EXEMPT: ClassVar[dict[str, str]] = {
        "sign": "a shift changes no covariance",
        "both_sides": "a shift changes no covariance",
    }

    def __init__(self, embedding: Literal["identity", "learned"] = "identity") -> None:
        super().__init__()
        self.embedding = check_choice("embedding", embedding, ("identity", "learned"))

    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        return self._difference(real, fake).square().sum() / (4 * real.shape[1] ** 2)

    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        # The negated derivative of the distance with respect to mass on the fake side.
        with torch.autocast(real.device.type, enabled=False):
            centred = points - fake.mean(0)
            along = ((centred @ self._difference(real, fake)) * centred).sum(1)
        return along / (2 * real.shape[1] ** 2)

    def _difference(self, real: Tensor, fake: Tensor) -> Tensor:
        for name, side in (("real", real), ("fake", fake)):
            if side.shape[0] < 2:
                raise ValueError(
                    f"{name}: a covariance needs 2 or more samples, got {side.shape[0]}"
                )
        return _covariance(real) - _covariance(fake)


def _covariance(x: Tensor) -> Tensor:
    # Without autocast: a difference of covariances in bf16 is mostly rounding error.
    with torch.autocast(x.device.type, enabled=False):
        centred = x - x.mean(0)
        return centred.T @ centred / (x.shape[0] - 1)
