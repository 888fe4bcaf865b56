"""Orthogonal regularisation of the critic's weight matrices."""

from typing import Literal, cast, final

import torch
from torch import Tensor, nn

from advlearn.core.checks import check_choice, check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.regularizers.spectral_norm import weight_matrices

REFERENCE = Reference(
    "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
    "Brock et al. 2019",
    "eq. 2 and 3",
    "https://arxiv.org/abs/1809.11096",
)


@final
class OrthogonalRegularization(Regularizer):
    r"""Penalise weight matrices of linear and convolution layers that are not orthogonal.

    .. math:: R = w \sum_l \|W_l W_l^T - I\|_F^2 \quad (full), \qquad
              R = w \sum_l \|W_l W_l^T \odot (1 - I)\|_F^2 \quad (off\_diagonal)

    W has one row for each output of a layer. The off-diagonal form makes rows perpendicular and
    does not constrain their lengths. Under ``spectral_norm`` the penalty acts on the weights before
    their normalisation.

    Args:
        weight: w.
        form: ``"full"`` or ``"off_diagonal"``.

    Raises:
        ValueError: If `weight` is negative or not finite, or `form` is neither; in `penalty`, if
            the critic has no linear or convolution layer.

    Example:
        >>> OrthogonalRegularization(form="off_diagonal")
        OrthogonalRegularization(weight=0.0001, form='off_diagonal')

    Reference:
        Brock et al. 2019, eq. 2 (full, from Brock et al. 2017) and eq. 3 (off-diagonal).

    Deviations:
        In the full form a matrix with more rows than columns is compared by its columns, W^T W. The
        two differ by a constant, rows minus columns, and have the same gradient; this one is zero
        for orthonormal columns.
    """

    def __init__(
        self, weight: float = 1e-4, form: Literal["full", "off_diagonal"] = "full"
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.form = check_choice("form", form, ("full", "off_diagonal"))

    def penalty(self, batch: CriticBatch) -> Tensor:
        matrices = list(weight_matrices(cast(nn.Module, batch.critic)))
        if not matrices:
            raise ValueError(
                f"critic: expected a linear or convolution layer, got {type(batch.critic).__name__}"
            )
        with torch.autocast(matrices[0].device.type, enabled=False):
            return self.weight * torch.stack([self._distance(m) for m in matrices]).sum()

    def _distance(self, matrix: Tensor) -> Tensor:
        if self.form == "off_diagonal":
            products = matrix @ matrix.T
            return (products - products.diag().diag()).square().sum()
        products = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
        return (
            (products - torch.eye(len(products), dtype=matrix.dtype, device=matrix.device))
            .square()
            .sum()
        )
