"""Tag samples with words: generate word vectors from features and retrieve the nearest words."""

from math import prod
from typing import Any, Self, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from advlearn.core import distributed
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

    A sample may go with several vectors, such as those of all its tags: noise chooses among them.
    Any vectors will do in the place of word vectors.

    Args:
        generator: Module from features and noise, (N, d + latent), to vectors (N, e).
        latent: Size of z.
        shape: Shape of the features of one sample; d is its product.

    Raises:
        ValueError: If `latent` is below 1, or the generator does not fit.

    Example:
        >>> task = CrossModal(nn.Linear(5, 2), latent=2, shape=(3,))
        >>> task.retrieve(torch.zeros(4, 3), vocabulary=torch.randn(9, 2), k=2).shape
        torch.Size([4, 2])

    Reference:
        Mirza and Osindero 2014, Conditional Generative Adversarial Nets, section 4.2.

    Deviations:
        Features are given; the paper's are of a convolutional network trained on ImageNet, its
        vectors of a skip-gram model of tags.
    """

    example_options = ({"latent": 2},)

    def __init__(
        self,
        generator: nn.Module,
        *,
        latent: int,
        shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.generator = generator
        self.latent = int(check_number("latent", latent, low=1))
        self.shape = tuple(shape)
        self.features = prod(self.shape)
        made = heads.outputs_of(generator, (self.features + self.latent,), "generator")
        if made.ndim != 2:
            raise ValueError(f"generator: expected vectors (N, e), got {tuple(made.shape)}")
        self.size = made.shape[1]

    @staticmethod
    def load_data(data: Any) -> Pairs:
        """Open features and vectors with `advlearn.data.open_pairs`, such as a tuple (f, v)."""
        return open_pairs(data)

    @classmethod
    def from_data(cls, data: Pairs, *, latent: int = 16) -> Self:
        """A task with networks sized from the data."""
        if len(data.target_shape) != 1:
            raise ValueError(
                "data: expected vectors (N, e) as targets, "
                f"got samples of shape {data.target_shape}"
            )
        base_channels = prod(data.shape) + int(check_number("latent", latent, low=1))
        return cls(
            MLP(base_channels, data.target_shape[0], HIDDEN), latent=latent, shape=data.shape
        )

    @classmethod
    def example_data(cls) -> Pairs:
        """Return pairs of points in the plane."""
        return Pairs(points(), points().flip(1))

    def forward(self, batch: Batch) -> TaskOutput:
        f, v = batch[0].flatten(1), batch[1]
        return TaskOutput({CRITIC: SamplePair((f, v), (f, self._made(f)))})

    def critic_inputs(self) -> dict[str, Inputs]:
        shapes = ((self.features,), (self.size,))
        return {CRITIC: Inputs(shapes, join="concat", hidden=heads.HIDDEN)}

    @torch.no_grad()
    def vectors(self, x: Tensor, draws: int = 1) -> Tensor:
        """Draw vectors (N, draws, e) for features `x` (N, *shape), in evaluation mode."""
        f = x.to(next(self.generator.parameters())).flatten(1).repeat_interleave(draws, 0)
        with eval_mode(self.generator):
            return self._made(f).unflatten(0, (len(x), draws))

    def retrieve(
        self, x: Tensor, vocabulary: Tensor, k: int = 10, draws: int = 100, nearest: int = 20
    ) -> Tensor:
        """Retrieve words for features, by the vote of drawn vectors.

        Each vector votes for the words nearest to it by their cosine; where votes are equal, the
        mean cosine decides.

        Args:
            x: Features (N, *shape).
            vocabulary: Vectors of the words (V, e).
            k: How many words.
            draws: Vectors drawn for each sample.
            nearest: Words that one vector votes for; all of a smaller vocabulary.

        Returns:
            Numbers of the words, most votes first: int64 (N, k).

        Raises:
            ValueError: If the vocabulary has another size, or fewer than k words.

        Reference:
            Mirza and Osindero 2014, section 4.2: the ten commonest of the twenty nearest words of
            100 vectors.
        """
        if vocabulary.ndim != 2 or vocabulary.shape[1] != self.size:
            raise ValueError(
                f"vocabulary: expected vectors (V, {self.size}), got {tuple(vocabulary.shape)}"
            )
        if not 1 <= k <= len(vocabulary):
            raise ValueError(f"k: expected 1 to {len(vocabulary)}, the words, got {k}")
        words = normalize(vocabulary.to(next(self.generator.parameters())), dim=1)
        cosines = normalize(self.vectors(x, draws), dim=2) @ words.T
        voted = cosines.topk(min(nearest, len(words)), 2).indices
        votes = one_hot(voted, len(words)).sum((1, 2)).to(cosines)
        # A mean cosine takes the place of less than half a vote.
        return (votes + cosines.mean(1) / 4).topk(k, 1).indices

    def _made(self, f: Tensor) -> Tensor:
        return cast(
            Tensor,
            self.generator(torch.cat([f, distributed.randn(len(f), self.latent, like=f)], 1)),
        )


TASK = CrossModal
