"""Define a small run: a generator with batch norm and a critic with a random penalty."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.adversary import Adversary
from advlearn.core.inputs import Inputs
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.core.trainer import Callback, Trainer
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.batches import Batches
from advlearn.objectives.jensen_shannon import JensenShannon
from advlearn.regularizers.gradient_penalty import GradientPenalty


class Tiny(Task):
    """Generate points in the plane, non-finite from step `poisoned` on."""

    def __init__(self, poisoned: int | None = None) -> None:
        super().__init__()
        self.poisoned = poisoned
        self.rounds = 0
        self.generator = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)
        )

    def forward(self, batch: Batch) -> TaskOutput:
        self.rounds += 1
        z = distributed.randn(batch[0].shape[0], 3, like=batch[0])
        fake = self.generator(z).to(z.dtype)
        if self.rounds == self.poisoned:
            fake = fake * float("nan")
        return TaskOutput({"data": SamplePair(batch[0], fake)})

    def critic_inputs(self) -> dict[str, Inputs]:
        return {"data": Inputs(((2,),))}

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        return self.generator(torch.randn(n, 3))


def build(
    steps: int = 20,
    callbacks: Sequence[Callback] = (),
    poisoned: int | None = None,
    game: str | None = None,
    **streams: Any,
) -> Trainer:
    """Build a trainer with weights and data from seed 0 and draws from the global generators."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task = Tiny(poisoned)
        chain = JensenShannon() + GradientPenalty()
        critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        adversaries = {"data": Adversary(critic, chain)}
        data = Batches(ArrayDataset(torch.randn(40, 2)), 8, **streams)
    return Trainer(task, adversaries, data, steps=steps, lr=0.01, callbacks=callbacks, game=game)


def same(a: Any, b: Any) -> bool:
    """Return whether two states are equal, tensors bit for bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b
