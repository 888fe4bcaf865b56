"""Train games eagerly, or with replayed steps: recorded operators replace CUDA graphs."""

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn.core import distributed
from advlearn.core.adversary import Adversary
from advlearn.core.capture import captured_by
from advlearn.core.grammar import resolve
from advlearn.core.graphs import Graphs
from advlearn.core.trainer import Callback, Trainer
from advlearn.critics.build import build
from advlearn.data import batches
from advlearn.testing._operator_graphs import OperatorGraphs
from advlearn.train_task import playable
from tests.conformance.test_games import built

CPU = torch.device("cpu")
# As many that steps of each kind repeat, and that the pool of images is full.
STEPS = 12


class Curves(Callback):
    """Keep losses and scores of every step."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_step(self, trainer: Trainer) -> None:
        self.rows.append({**trainer.last_losses(), **trainer.last_scores()})


@final
class Fails(TorchDispatchMode):
    """Fail at an operator in the block, as an operator that CUDA cannot capture does."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("no memory for a graph\nat line 3")
        return func(*args, **(kwargs or {}))


@final
class FailingGraphs:
    """Record steps, but fail in the last process: at an operator, or at the end of a capture."""

    def __init__(
        self,
        device: torch.device,
        generators: Sequence[torch.Generator] = (),
        operator: int | None = None,
    ) -> None:
        self._operator = operator
        self._graphs = OperatorGraphs(device, generators)
        self.device, self.generators = device, generators
        self.stream = self._graphs.stream

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        if self._operator is not None:
            with Fails(self._operator):
                return self._graphs.capture(step)
        replay = self._graphs.capture(step)
        if distributed.rank() + 1 == distributed.world_size():
            raise RuntimeError("no memory for a graph\nat line 3")
        return replay


def game(objective: str, form: str, callbacks: Any = (), **settings: Any) -> Trainer:
    """Return a trainer of a task on its test data, from seed 0, on this process's rows."""
    torch.manual_seed(0)
    task, data = built(form)
    chain = playable(task, resolve(objective))
    critics = build(task, chain, None)
    adversaries = {name: Adversary(critic, chain, lr=1e-3) for name, critic in critics.items()}
    rank, world = distributed.rank(), distributed.world_size()
    stream = batches(data, 8, rank=rank, world_size=world)
    given = {"steps": STEPS, **settings}
    return Trainer(task, adversaries, stream, callbacks=[Curves(), *callbacks], **given)


def train(trainer: Trainer, graphs: Graphs | None = None) -> list[dict[str, float]]:
    """Run a trainer from seed 1, rates on the device, replayed by `graphs`; return its curves."""
    torch.manual_seed(1)
    trainer.hold_on_device(CPU)
    if graphs is not None:
        trainer.captured = captured_by(trainer.learn, trainer, graphs)
    trainer.run()
    curves = trainer.callbacks[0]
    assert isinstance(curves, Curves)
    return curves.rows


def replays(trainer: Trainer) -> int:
    """Return the number of replayed steps."""
    return 0 if trainer.captured is None else trainer.captured.replays


def both(objective: str, form: str, **settings: Any) -> tuple[Trainer, Trainer]:
    """Return a game after eager and after replayed training, with equal curves."""
    eager, replayed = game(objective, form, **settings), game(objective, form, **settings)
    expected = train(eager)
    assert train(replayed, OperatorGraphs(CPU)) == expected
    return eager, replayed
