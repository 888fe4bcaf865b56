"""Train games eagerly, or with replayed steps: recorded operators replace CUDA graphs."""

from typing import Any

import torch

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
