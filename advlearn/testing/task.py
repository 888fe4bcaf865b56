"""Check that a task does what the Trainer expects."""

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn

from advlearn.core import contracts, critic_batch
from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.critic_batch import Samples
from advlearn.core.grammar import resolve
from advlearn.core.seeding import seed_torch
from advlearn.core.task import Batch, Task, TaskOutput
from advlearn.critics import build
from advlearn.testing._material import hold, number, seeded
from advlearn.testing.no_sync import NoSync

Check = Callable[[Task, Batch], None]
OBJECTIVE = "nsgan"


def check_task(task: Task, batch: Batch) -> None:
    """Check everything that the Trainer asks of a task.

    The checks are `CHECKS` of this module, by name: a critic for each sample pair, pairs that a
    critic can score, a gradient for every parameter, critics outside of the task, the same output
    from the same random state, state that can be saved, no host synchronisation. `task` is copied,
    not changed.

    Args:
        task: The task, as a user would build it.
        batch: A batch of its data: a tuple of tensors (N, ...).

    Raises:
        TypeError: If `task` is not a `Task` or `batch` not a tuple of tensors.
        AssertionError: If a property fails; the message names it.

    Example:
        >>> import torch
        >>> from advlearn.tasks.generate import Generate
        >>> check_task(Generate(torch.nn.Linear(3, 2), latent=3, shape=(2,)), (torch.zeros(4, 2),))
    """
    if not isinstance(cast(object, task), Task):
        raise TypeError(f"task: expected a Task, got {type(task).__name__}")
    if not isinstance(cast(object, batch), tuple) or not all(
        torch.is_tensor(part) for part in batch
    ):
        raise TypeError(f"batch: expected a tuple of tensors, got {type(batch).__name__}")
    for check in CHECKS.values():
        check(copy.deepcopy(task), batch)


def rounds(task: Task, batch: Batch) -> None:
    """Check that an output has a pair for each critic, and a finite scalar loss or None."""
    output = cast(object, task(batch))
    hold(
        isinstance(output, TaskOutput),
        "rounds",
        task,
        f"forward returned {type(output).__name__}, expected TaskOutput",
    )
    names, proposed = sorted(cast(TaskOutput, output).pairs), sorted(_critics(task))
    hold(names == proposed, "rounds", task, f"pairs are {names}, critics are {proposed}")
    loss = cast(TaskOutput, output).loss
    if loss is not None:
        hold(
            loss.shape == () and bool(loss.isfinite()),
            "rounds",
            task,
            f"loss is {loss}, expected a finite scalar",
        )


def meets(task: Task, batch: Batch) -> None:
    """Check that real and fake samples fit each other and the critic, and are finite."""
    critics = _critics(task)
    for name, (real, fake, *_) in _play(task, batch).pairs.items():
        try:
            contracts.check_sides(real, fake)
            scores = critic_batch.score(critics[name], real)
        except (ValueError, RuntimeError, TypeError) as error:
            hold(False, "meets", task, f"pair {name}: {str(error).splitlines()[0]}")
        else:
            n = critic_batch.count(real)
            hold(
                scores.shape[:1] == (n,),
                "meets",
                task,
                f"critic {name} scores {n} samples as {tuple(scores.shape)}",
            )
        for side, samples in (("real", real), ("fake", fake)):
            ok = all(bool(p.isfinite().all()) for p in critic_batch.as_tuple(samples))
            hold(ok, "meets", task, f"pair {name}: {side} samples are not finite")


def moves(task: Task, batch: Batch) -> None:
    """Check that every trainable parameter gets gradient."""
    trainable = {id(p) for p in task.trainable_parameters()}
    named = {name: p for name, p in task.named_parameters() if id(p) in trainable}
    hold(bool(named), "moves", task, "it has no trainable parameters")
    output, critics = _play(task, batch), _critics(task)
    for name, (real, fake, *weights) in output.pairs.items():
        has_gradient = critic_batch.carries_gradient(real) or critic_batch.carries_gradient(fake)
        has_gradient = has_gradient or any(w is not None and w.requires_grad for w in weights)
        hold(has_gradient, "moves", task, f"pair {name}: neither side carries gradient")
    losses = [
        Adversary(critics[name], _chain(task)).player_loss(*sides)
        for name, sides in output.pairs.items()
    ]
    losses += [] if output.loss is None else [output.loss]
    gradients = torch.autograd.grad(
        torch.stack(losses).sum(), list(named.values()), allow_unused=True
    )
    idle = [name for name, g in zip(named, gradients, strict=True) if g is None]
    hold(not idle, "moves", task, f"no gradient reaches {', '.join(idle)}")


def apart(task: Task, batch: Batch) -> None:
    """Check that parameters of critics are not trained by the task."""
    trainable = {id(p) for p in task.trainable_parameters()}
    for name, critic in _critics(task).items():
        shared = any(id(p) in trainable for p in critic.parameters())
        hold(
            not shared,
            "apart",
            task,
            f"the task trains parameters of critic {name}; do not register critics in the task",
        )


def repeats(task: Task, batch: Batch) -> None:
    """Check that the same random state gives the same output, and the batch is unchanged."""
    before = tuple(part.clone() for part in batch)
    first, second = (_flat(_play(copy.deepcopy(task), batch)) for _ in range(2))
    same = len(first) == len(second) and all(
        torch.equal(a, b) for a, b in zip(first, second, strict=True)
    )
    hold(same, "repeats", task, "the same random state gives a different output")
    unchanged = all(torch.equal(a, b) for a, b in zip(before, batch, strict=True))
    hold(unchanged, "repeats", task, "forward changed the batch in place")


def state(task: Task, batch: Batch) -> None:
    """Check that a copy, and a task rebuilt from config and state dict, give the same output."""
    others = {"deep copy": copy.deepcopy(task)}
    config = task.config()
    if config is not None:
        rebuilt = cast(Task, cast(type, type(task)).from_config(config))
        rebuilt.load_state_dict(task.state_dict())
        others["task rebuilt from config and state dict"] = rebuilt
    for how, other in others.items():
        first, second = _flat(_play(copy.deepcopy(task), batch)), _flat(_play(other, batch))
        same = all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        hold(same, "state", task, f"a {how} gives a different output")


def host_sync(task: Task, batch: Batch) -> None:
    """Check that forward and backward passes do not synchronise with the host."""
    critics = _critics(task)
    adversaries = {name: Adversary(critic, _chain(task)) for name, critic in critics.items()}
    # The first call of a head may wait, to find out what its critic returns.
    for name, sides in _play(task, batch).pairs.items():
        adversaries[name].player_loss(*sides)
    try:
        with NoSync():
            output = _play(task, batch)
            losses = [adversaries[name].player_loss(*sides) for name, sides in output.pairs.items()]
            losses += [] if output.loss is None else [output.loss]
            torch.stack(losses).sum().backward()
    except AssertionError as error:
        hold(False, "host_sync", task, str(error))


def _chain(task: Task) -> Chain:
    return task.adapt_objective(resolve(OBJECTIVE))


def _critics(task: Task) -> dict[str, nn.Module]:
    return build(task, _chain(task))


def _play(task: Task, batch: Batch) -> TaskOutput:
    with torch.random.fork_rng(devices=[]):
        seed_torch(5)
        return cast(TaskOutput, task(batch))


def _flat(output: TaskOutput) -> list[Tensor]:
    """Return every tensor of an output, in order."""
    sides: list[Samples] = [
        side for name in sorted(output.pairs) for side in output.pairs[name] if side is not None
    ]
    parts = [part.detach() for side in sides for part in critic_batch.as_tuple(side)]
    return parts if output.loss is None else [*parts, torch.tensor(number(output.loss))]


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        check.__name__: seeded(check)
        for check in (rounds, meets, moves, apart, repeats, state, host_sync)
    }
)
