"""Retrieve documents for queries, with a critic of (query, document) pairs: IRGAN."""

from collections.abc import Callable
from typing import Self, final

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.checks import check_number
from advlearn.core.inputs import Inputs
from advlearn.core.modules import eval_mode
from advlearn.core.objective import Objective
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.nets import predictor_for
from advlearn.tasks import _heads as heads
from advlearn.tasks._examples import labelled_points

CRITIC = "data"
JUDGED = 20_000
"""Number of (query, document) pairs that a critic scores at once."""


@final
class Retrieval(Task):
    r"""Train a generative retriever of documents against a critic of (query, document) pairs.

    .. math:: real = (q, d), \qquad fake = (q, d'), \quad
        d' \sim p_\theta(d \mid q) = softmax(g_\theta(q))_d

    A drawn document carries no gradient, so the retriever follows the policy gradient of its
    expected loss. l is the objective's generator loss of a pair, the negated reward, and the
    baseline b is the mean loss of the other draws of the same query:

    .. math:: \nabla P = E[(l(q, d') - b)\,\nabla \log p_\theta(d' \mid q)]

    Each draw has a weight of value one with which the loss gets this gradient (see
    `score_weights`).

    Args:
        retriever: Module from queries (N, *shape) to scores (N, D) of the documents.
        shape: Shape of one query.
        samples_per_query: Documents drawn for each query, at least 2.
        base_channels: Channels at half resolution of the default critic.

    Raises:
        ValueError: A size is out of range, or the retriever does not fit.

    Example:
        >>> task = Retrieval(nn.Linear(3, 7), shape=(3,))
        >>> task.documents, task.retrieve(torch.zeros(5, 3), k=2).shape
        (7, torch.Size([5, 2]))

    Reference:
        Wang et al. 2017, IRGAN, section 2.1, eq. 3 to 5; the baseline: Kool, van Hoof, Welling
        2019.

    Deviations:
        The baseline is the mean loss of the query's other draws, with which the gradient is
        unbiased; the paper subtracts a constant. The default critic knows documents only by their
        number; pass a critic of document features instead. Any pointwise objective can replace the
        paper's Jensen-Shannon.
    """

    example_options = ({"samples_per_query": 2},)

    def __init__(
        self,
        retriever: nn.Module,
        *,
        shape: tuple[int, ...],
        samples_per_query: Count = 8,
        base_channels: Count = 64,
    ) -> None:
        super().__init__()
        self.retriever = retriever
        self.shape = tuple(shape)
        self.samples_per_query = int(check_number("samples_per_query", samples_per_query, low=2))
        self.base_channels = base_channels
        scores = heads.outputs_of(retriever, self.shape, "retriever")
        if scores.ndim != 2 or scores.shape[1] < 2:
            raise ValueError(
                "retriever: expected scores (N, D) of two or more documents, "
                f"got {tuple(scores.shape)}"
            )
        self.documents = scores.shape[1]

    @classmethod
    def from_data(
        cls,
        data: ArrayDataset | StreamedDataset,
        *,
        samples_per_query: Count = 8,
        base_channels: Count = 64,
    ) -> Self:
        """Build the task with networks sized from the data.

        Args:
            data: Queries, with the number of a relevant document as their label.
            samples_per_query: Documents drawn for each query, at least 2.
            base_channels: Channels at half resolution of the critic.
        """
        if data.classes < 2:
            raise ValueError(
                "data: expected the number of a relevant document as label, "
                f"got none in {data.name!r}"
            )
        return cls(
            predictor_for(data.shape, data.classes),
            shape=data.shape,
            samples_per_query=samples_per_query,
            base_channels=base_channels,
        )

    @classmethod
    def example_data(cls) -> ArrayDataset:
        """Return labelled points in the plane."""
        return labelled_points()

    def forward(self, batch: Batch) -> TaskOutput:
        x, relevant = batch[0], batch[1]
        log_p = log_softmax(self.retriever(x), 1)
        drawn = self._drawn(log_p.detach().exp())
        weights = score_weights(log_p.gather(1, drawn))
        fake = (x.repeat_interleave(self.samples_per_query, 0), drawn.flatten())
        return TaskOutput({CRITIC: SamplePair((x, relevant), fake, None, weights.flatten())})

    def critic_inputs(self) -> dict[str, Inputs]:
        inputs = Inputs((self.shape,), (self.documents,), base_channels=self.base_channels)
        return {CRITIC: inputs}

    def check_compatibility(self, objective: Objective) -> str | None:
        if not objective.pointwise:
            return (
                "a policy gradient weights the loss of each draw, and this loss is of pairs or sets"
            )
        if objective.critic_output not in ("logit", "energy"):
            return (
                f"its critic scores {objective.critic_output!r}, "
                "and a pair of query and document has one score"
            )
        return None

    def predict(self, x: Tensor) -> Tensor:
        """Compute scores (N, D) of documents for queries `x` (N, *shape), in evaluation mode."""
        return heads.predict(self.retriever, x)

    def retrieve(self, x: Tensor, k: int = 10) -> Tensor:
        """Return the indices (N, k) of the k likeliest documents for queries, best first."""
        return self._best(self.predict(x), k)

    @torch.no_grad()
    def judge(self, x: Tensor, critic: nn.Module | Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Compute scores (N, D) of all documents for queries by a critic in evaluation mode.

        Args:
            x: Queries.
            critic: Module from queries (M, *shape) and documents, int64 (M,), to scores (M,), as
                ``run.adversaries["data"].critic``.
        """
        device = next(self.retriever.parameters()).device
        numbers = torch.arange(self.documents, device=device)
        at_once = max(1, JUDGED // self.documents)
        with eval_mode(critic if isinstance(critic, nn.Module) else self):
            parts = [
                critic(part.repeat_interleave(self.documents, 0), numbers.repeat(len(part)))
                for part in x.to(device).split(at_once)
            ]
        return torch.cat(parts).view(len(x), self.documents)

    def rank(
        self, x: Tensor, critic: nn.Module | Callable[[Tensor, Tensor], Tensor], k: int = 10
    ) -> Tensor:
        """Return the indices of the k documents that a critic scores highest for queries.

        Args:
            x: Queries (N, *shape).
            critic: As for `judge`.
            k: Number of documents.

        Returns:
            Int64 (N, k), best first.

        Raises:
            ValueError: Fewer than k documents.

        Reference:
            Wang et al. 2017, section 2.1 (discriminative retrieval by the critic's score f(d, q)).
        """
        return self._best(self.judge(x, critic), k)

    def _best(self, scores: Tensor, k: int) -> Tensor:
        if not 1 <= k <= self.documents:
            raise ValueError(f"k: expected 1 to {self.documents}, the number of documents, got {k}")
        return scores.topk(k, 1).indices

    def _drawn(self, p: Tensor) -> Tensor:
        """Draw documents from each row of `p` (N, D), with replacement: int64 (N, draws)."""
        edges = p.cumsum(1)
        # Scale by the last edge, which differs from one by rounding.
        u = distributed.rand(len(p), self.samples_per_query, like=p) * edges[:, -1:]
        return torch.searchsorted(edges, u, right=True).clamp(max=self.documents - 1)


def score_weights(log_p: Tensor) -> Tensor:
    r"""Compute weights of one that give a loss the policy gradient with a baseline.

    .. math:: w_i = 1 + s_i - sg(s_i), \quad
        s_i = \log p_i - \frac{1}{K - 1} \sum_{j \ne i} \log p_j, \qquad
        \sum_i l_i\,\nabla w_i
        = \sum_i \Big(l_i - \frac{1}{K - 1} \sum_{j \ne i} l_j\Big) \nabla \log p_i

    Args:
        log_p: Log-probabilities (N, K) of K independent draws in each row, with the
            retriever's gradient.

    Returns:
        Weights (N, K).

    Example:
        >>> log_p = torch.tensor([[-1.0, -2.0]], requires_grad=True)
        >>> (torch.tensor([[5.0, 3.0]]) * score_weights(log_p)).sum().backward()
        >>> log_p.grad
        tensor([[ 2., -2.]])
    """
    others = (log_p.sum(1, keepdim=True) - log_p) / (log_p.shape[1] - 1)
    signal = log_p - others
    return 1 + (signal - signal.detach())


TASK = Retrieval
