"""Train several small perceptrons as one, with a leading axis of members: one for each seed.

Members share no weight, and Adam works on each element separately, so a loss that is a mean over
samples trains each member as if it were trained by itself (up to Adam's epsilon, since the joint
mean divides each member's gradient by the number of members). Losses that mix samples of a batch
are not run this way.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.critics import Inputs
from advlearn.data import Batches


class StackedMLP(nn.Module):
    """Map inputs (members * n, inputs), member by member, to outputs (members * n, outputs)."""

    # Rows belong to members by their position, so real and fake must not be joined into one batch.
    mixes_samples = True

    def __init__(self, members: int, sizes: Sequence[int], seeds: Sequence[int]) -> None:
        super().__init__()
        self.members = members
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for rows, columns in itertools.pairwise(sizes):
            # He's initialisation: with the default of nn.Linear, perceptrons of this depth start
            # nearly constant.
            draws = [
                torch.randn(rows, columns, generator=g) * math.sqrt(2 / rows) for g in generators
            ]
            self.weights.append(nn.Parameter(torch.stack(draws)))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, columns)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of each member for its own rows."""
        x = x.view(self.members, -1, x.shape[-1])
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x if i == 0 else torch.relu(x), weight)
        return x.flatten(0, 1)


class StackedBatches:
    """Yield one batch of each member's own data, concatenated."""

    def __init__(self, streams: Sequence[Batches]) -> None:
        self.streams = streams

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        return (torch.cat([next(s)[0] for s in self.streams]),)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of every stream."""
        return {"streams": [s.state_dict() for s in self.streams]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the positions."""
        for stream, saved in zip(self.streams, state["streams"], strict=True):
            stream.load_state_dict(saved)


class StackedGenerate(Task):
    """The generate task for members side by side: the same latents, rows member by member.

    Args:
        generator: Stacked generator from z (members * n, latent).
        latent: Size of z.
    """

    def __init__(self, generator: StackedMLP, latent: int) -> None:
        super().__init__()
        self.generator = generator
        self.latent = latent

    def forward(self, batch: Batch) -> TaskOutput:
        """Return the fakes of all members against their own batches."""
        return TaskOutput(
            {"data": SamplePair(batch[0], self.generator(torch.randn(len(batch[0]), self.latent)))}
        )

    def critic_inputs(self) -> dict[str, Inputs]:
        """Return nothing: the benchmark builds the critics itself."""
        return {}

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Return samples of each member: (members, n, outputs)."""
        members = self.generator.members
        return self.generator(torch.randn(members * n, self.latent)).unflatten(0, (members, n))
