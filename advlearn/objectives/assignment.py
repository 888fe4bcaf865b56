"""Exact optimal transport between two batches, solved by the network simplex of POT."""

from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from advlearn import _optional_imports
from advlearn.core.checks import check_choice
from advlearn.core.described import Reference
from advlearn.core.objective import Setwise
from advlearn.functional.distances import squared_distances

REFERENCE = Reference(
    "Computational Optimal Transport",
    "Peyre and Cuturi 2019",
    "eq. 2.11",
    "https://arxiv.org/abs/1803.00567",
)

# Far more pivots than the network simplex of POT needs for any batch that fits in memory.
_PIVOTS = 100_000_000


@final
class Assignment(Setwise):
    r"""Compute the squared Wasserstein-2 distance between two batches with the exact plan.

    .. math:: P = \min_{\pi} \sum_{ij} \pi_{ij} \|x_i - y_j\|^2, \qquad C = -P

    If both sides have the same size, the plan is a one-to-one assignment. The gradient is that of
    the matched costs: a plan is locally constant, so no gradient flows through it. The witness is
    the negated dual potential of the fake side, extended to any point,
    ``max_i u_i - c(x_i, point)``.

    Args:
        embedding: The critic that a task proposes: ``"identity"`` compares the samples as they
            are, ``"learned"`` trains an embedding to tell them apart, and needs a constraint such
            as ``spectral_norm``.

    Raises:
        ValueError: If `embedding` is unknown.
        ImportError: At the first call, if POT is not installed.

    Example:
        >>> import torch
        >>> real = torch.tensor([[0.0], [1.0]])
        >>> Assignment().distance(real, torch.tensor([[3.0], [0.0]]))
        tensor(2.)

    Reference:
        Peyre and Cuturi 2019, eq. 2.11 (discrete Kantorovich problem), solved by ``ot.emd``
        (Bonneel et al. 2011).

    Deviations:
        None. The distance between two batches of the same distribution is not zero but decreases
        with the batch size, so its gradient is biased (Bellemare et al. 2017). Large batches or
        ``sinkhorn`` reduce the bias.
    """

    EXEMPT: ClassVar[dict[str, str]] = {
        "host_sync": "POT's exact solver runs on the host, so each call waits for the device"
    }

    def __init__(self, embedding: Literal["identity", "learned"] = "identity") -> None:
        super().__init__()
        self.embedding = check_choice("embedding", embedding, ("identity", "learned"))

    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        cost = squared_distances(real, fake)
        plan, _ = _solve(cost.detach().cpu())
        return (plan.to(cost.device) * cost).sum()

    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        _, potential = _solve(squared_distances(real, fake).detach().cpu())
        return (potential.to(real.device) - squared_distances(points, real)).max(1).values


# A custom operator, because torch.compile treats it as one node; `torch.compiler.disable` would
# import the whole compiler when the objectives are listed.
@torch.library.custom_op("advlearn::assignment", mutates_args=())
def _solve(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Solve on the host: the plan (N, M) and the real side's potential (N,), with mean zero."""
    plan, log = _optional_imports.ot().emd(
        [], [], cost.double().numpy(), numItermax=_PIVOTS, log=True
    )
    potential = torch.as_tensor(log["u"], dtype=cost.dtype)
    return torch.as_tensor(plan, dtype=cost.dtype), potential - potential.mean()


@_solve.register_fake
def _(cost: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(cost), cost.new_empty(cost.shape[:1])
