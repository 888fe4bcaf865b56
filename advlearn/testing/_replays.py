"""Train games twice, eagerly and by replayed steps, and compare them bit for bit."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast, final

import torch
from torch.utils import _pytree as pytree

from advlearn.core import distributed, registry
from advlearn.core.adversary import Adversary
from advlearn.core.capture import captured_by
from advlearn.core.grammar import parse, resolve
from advlearn.core.graphs import Graphs
from advlearn.core.trainer import Callback, Trainer
from advlearn.critics.build import build
from advlearn.data import batches
from advlearn.testing._operator_graphs import OperatorGraphs
from advlearn.train_task import playable

# As many that steps of each kind repeat, and that the pool of images is full.
STEPS = 12
BATCH = 8


@final
class Curves(Callback):
    """Keep losses and scores of every step."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_step(self, trainer: Trainer) -> None:
        self.rows.append({**trainer.last_losses(), **trainer.last_scores()})


def game(
    objective: str,
    form: str,
    *,
    device: torch.device | str = "cpu",
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> Trainer:
    """Return a trainer of a task on its example data, from seed 0, on this process's rows.

    Args:
        objective: The objective with its regularizers.
        form: The task with its options.
        device: Device of networks and data.
        callbacks: Callbacks after `Curves`.
        **settings: Arguments of `Trainer`.
    """
    torch.manual_seed(0)
    cls = cast(Any, registry.tasks()[form.partition("(")[0]])
    data = cls.example_data()
    task = cls.from_data(data, **parse(form)[0].arguments).to(device)
    chain = playable(task, resolve(objective))
    critics = {name: critic.to(device) for name, critic in build(task, chain, None).items()}
    adversaries = {name: Adversary(critic, chain, lr=1e-3) for name, critic in critics.items()}
    ranks = {"rank": distributed.rank(), "world_size": distributed.world_size()}
    stream = batches(data, BATCH, device=device, **ranks)
    given = {"steps": STEPS, **settings}
    return Trainer(task, adversaries, stream, callbacks=[Curves(), *callbacks], **given)


def train(trainer: Trainer, graphs: Graphs | None = None) -> list[dict[str, float]]:
    """Run a trainer from seed 1, and return its curves.

    Args:
        trainer: A trainer of `game`.
        graphs: What records its steps on a CPU; on CUDA the trainer's own `capture` counts.
    """
    torch.manual_seed(1)
    device = next(trainer.task.parameters()).device
    if device.type == "cpu":
        trainer.hold_on_device(device)
    if graphs is not None:
        trainer.captured = captured_by(trainer.learn, trainer, graphs)
    trainer.run()
    return next(c for c in trainer.callbacks if isinstance(c, Curves)).rows


def replays(trainer: Trainer) -> int:
    """Return the number of replayed steps."""
    return 0 if trainer.captured is None else trainer.captured.replays


def both(
    objective: str, form: str, device: torch.device | str = "cpu", **settings: Any
) -> tuple[Trainer, Trainer]:
    """Return a game after eager and after replayed training.

    On CUDA, steps are replayed as CUDA graphs, elsewhere as recorded operators.
    """
    place = torch.device(device)
    graphs = None if place.type == "cuda" else OperatorGraphs(place)
    eager = game(objective, form, device=device, **{**settings, "capture": False})
    replayed = game(objective, form, device=device, **settings)
    train(eager)
    train(replayed, graphs)
    return eager, replayed


def differences(eager: Trainer, replayed: Trainer) -> list[str]:
    """Return in which parts two trainers differ: curves, weights and all other state."""
    curves = [next(c for c in t.callbacks if isinstance(c, Curves)).rows for t in (eager, replayed)]
    found = [] if repr(curves[0]) == repr(curves[1]) else ["curves"]
    one, two = eager.state_dict(), replayed.state_dict()
    return found + [key for key in one if not _same(one[key], two[key])]


def _same(one: Any, two: Any) -> bool:
    parts, others = (pytree.tree_flatten(state) for state in (one, two))
    return parts[1] == others[1] and all(map(_same_value, parts[0], others[0]))


def _same_value(one: Any, two: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    return type(one) is type(two) and repr(one) == repr(two)


@contextmanager
def without_host_exchanges() -> Generator[None]:
    """Let a step over Gloo exchange no numbers on the host in the block, as one over NCCL."""
    kept: Callable[[], bool] = distributed.waits_for_no_device
    distributed.waits_for_no_device = lambda: False
    try:
        yield
    finally:
        distributed.waits_for_no_device = kept
