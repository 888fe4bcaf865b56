"""Tag samples with words: generate word vectors from features and retrieve the nearest words."""

from math import prod
from typing import Any, Self, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.checks import check_number
from advlearn.core.inputs import Inputs
from advlearn.core.modules import eval_mode
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.pairs import Pairs, open_pairs
from advlearn.nets import MLP
from advlearn.tasks import _heads as heads
from advlearn.tasks._examples import points

CRITIC = "data"
HIDDEN = (256, 256)


@final
class CrossModal(Task):
    r"""Train a generator of vectors from features against a critic of (features, vector) pairs.

    .. math:: real = (f, v), \qquad fake = (f, G(f, z)), \quad z \sim N(0, I)

    A sample may have several vectors, such as those of all its tags; the noise chooses among them.
    The vectors need not be word vectors.

    Args:
        generator: Module from features and noise, (N, d + latent), to vectors (N, e).
        latent: Size of z.
        shape: Shape of the features of one sample; d is its product.

    Raises:
        ValueError: `latent` is below 1, or the generator does not fit.

    Example:
        >>> task = CrossModal(nn.Linear(5, 2), latent=2, shape=(3,))
        >>> task.retrieve(torch.zeros(4, 3), vocabulary=torch.randn(9, 2), k=2).shape
        torch.Size([4, 2])

    Reference:
        Mirza and Osindero 2014, Conditional Generative Adversarial Nets, section 4.2.

    Deviations:
        Features and vectors are inputs; in the paper they are those of a convolutional network
        trained on ImageNet and of a skip-gram model of tags.
    """

    example_options = ({"latent": 2},)

    def __init__(
        self,
        generator: nn.Module,
        *,
        latent: Count,
        shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.generator = generator
        self.latent = int(check_number("latent", latent, low=1))
        self.shape = tuple(shape)
        self.features = prod(self.shape)
        vectors = heads.outputs_of(generator, (self.features + self.latent,), "generator")
        if vectors.ndim != 2:
            raise ValueError(f"generator: expected vectors (N, e), got {tuple(vectors.shape)}")
        self.size = vectors.shape[1]

    @staticmethod
    def load_data(data: Any) -> Pairs:
        """Open features and vectors with `advlearn.data.open_pairs`, such as a tuple (f, v)."""
        return open_pairs(data)

    @classmethod
    def from_data(cls, data: Pairs, *, latent: Count = 16) -> Self:
        """Build the task with a generator sized from the data."""
        if len(data.target_shape) != 1:
            raise ValueError(
                "data: expected vectors (N, e) as targets, "
                f"got samples of shape {data.target_shape}"
            )
        in_features = prod(data.shape) + int(check_number("latent", latent, low=1))
        return cls(MLP(in_features, data.target_shape[0], HIDDEN), latent=latent, shape=data.shape)

    @classmethod
    def example_data(cls) -> Pairs:
        """Return pairs of points in the plane."""
        return Pairs(points(), points().flip(1))

    def forward(self, batch: Batch) -> TaskOutput:
        f, v = batch[0].flatten(1), batch[1]
        return TaskOutput({CRITIC: SamplePair((f, v), (f, self._generate(f)))})

    def critic_inputs(self) -> dict[str, Inputs]:
        shapes = ((self.features,), (self.size,))
        return {CRITIC: Inputs(shapes, join="concat", hidden=heads.HIDDEN)}

    @torch.no_grad()
    def vectors(self, x: Tensor, draws: int = 1) -> Tensor:
        """Draw vectors (N, draws, e) for features `x` (N, *shape), in evaluation mode."""
        f = x.to(next(self.generator.parameters())).flatten(1).repeat_interleave(draws, 0)
        with eval_mode(self.generator):
            return self._generate(f).unflatten(0, (len(x), draws))

    def retrieve(
        self, x: Tensor, vocabulary: Tensor, k: int = 10, draws: int = 100, nearest: int = 20
    ) -> Tensor:
        """Retrieve words for features by a vote of generated vectors.

        Each vector votes for the words with the largest cosine to it; the mean cosine breaks ties.

        Args:
            x: Features (N, *shape).
            vocabulary: Vectors of the words (V, e).
            k: Number of words.
            draws: Vectors generated for each sample.
            nearest: Number of words that a vector votes for; all of a smaller vocabulary.

        Returns:
            Indices of the words, most votes first: int64 (N, k).

        Raises:
            ValueError: Vectors of another size, or fewer than k words.

        Reference:
            Mirza and Osindero 2014, section 4.2: the ten most frequent among the twenty nearest
            words of 100 vectors.
        """
        if vocabulary.ndim != 2 or vocabulary.shape[1] != self.size:
            raise ValueError(
                f"vocabulary: expected vectors (V, {self.size}), got {tuple(vocabulary.shape)}"
            )
        if not 1 <= k <= len(vocabulary):
            raise ValueError(f"k: expected 1 to {len(vocabulary)}, the number of words, got {k}")
        words = normalize(vocabulary.to(next(self.generator.parameters())), dim=1)
        cosines = normalize(self.vectors(x, draws), dim=2) @ words.T
        chosen = cosines.topk(min(nearest, len(words)), 2).indices
        votes = one_hot(chosen, len(words)).sum((1, 2)).to(cosines)
        # A quarter of a mean cosine differs by at most half a vote.
        return (votes + cosines.mean(1) / 4).topk(k, 1).indices

    def _generate(self, f: Tensor) -> Tensor:
        return cast(
            Tensor,
            self.generator(torch.cat([f, distributed.randn(len(f), self.latent, like=f)], 1)),
        )


TASK = CrossModal
