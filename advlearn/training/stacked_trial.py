"""Try one step of several runs as one, and compare it with a step of one of them by itself."""

# pyright: reportPrivateUsage=false

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from advlearn.core import stacked
from advlearn.core.capture import modules_of
from advlearn.core.error_text import first_line
from advlearn.core.head import Head
from advlearn.core.stacked_games import StackedGames, copied
from advlearn.core.trainer import Trainer
from advlearn.data.stacked_batches import Batch, StackedBatches
from advlearn.training import rng

ERRORS = (RuntimeError, TypeError, ValueError, AttributeError, AssertionError, IndexError)
# Rounding differs between a product of matrices and a batch of them.
RTOL, ATOL = 1e-2, 1e-4


def generators_of(states: Sequence[rng.State], device: torch.device) -> list[torch.Generator]:
    """Return a generator for each state, which draws what the global one of the device would."""
    generators = [torch.Generator(device) for _ in states]
    for generator, state in zip(generators, states, strict=True):
        if device.type == "cuda":
            index = torch.cuda.current_device() if device.index is None else device.index
            generator.set_state(state["cuda"][index].cpu())
        else:
            generator.set_state(state["torch"].cpu())
    return generators


def reason_of_trial(
    trainers: Sequence[Trainer], states: Sequence[rng.State], device: torch.device
) -> str | None:
    """Try a step on copies, and return why the runs cannot be computed as one, or None.

    The trainers and their data are left as they were, except that each head has had the checks of
    its first step.

    Args:
        trainers: The trainers.
        states: The state of the random generators at the start of each.
        device: Their device.
    """
    if trainers[0].step >= trainers[0].steps:
        return None
    places = [trainer.data.state_dict() for trainer in trainers]
    try:
        data = StackedBatches([trainer.data for trainer in trainers])
        batches = [next(data) for _ in range(trainers[0].critic_steps)]
    except (TypeError, RuntimeError) as error:
        return first_line(error)
    finally:
        for trainer, place in zip(trainers, places, strict=True):
            trainer.data.load_state_dict(place)
    # The last one: the copy that is stacked is one of the first.
    alone = copied(trainers[-1])
    reason = _step_alone(alone, states[-1], [tuple(x[-1] for x in batch) for batch in batches])
    if reason is not None:
        return reason
    _check_heads(trainers, alone)
    games = StackedGames(trainers, generators_of(states, device), device)
    try:
        games.trainer.set_numbers()
        games.learn(iter(batches))
    except ERRORS as error:
        return first_line(error)
    return _kept_tensors(games.trainer) or _difference(games.trainer, alone)


def _step_alone(trainer: Trainer, state: rng.State, batches: list[Batch]) -> str | None:
    """Make a step of one run, and return a reason if it draws numbers outside of torch."""
    rng.set_state(state)
    trainer.task.train()
    trainer.set_numbers()
    trainer.learn(iter(batches))
    after = rng.get_state()
    for name, label in (("numpy", "numpy.random"), ("python", "Python's random")):
        if repr(after[name]) != repr(state[name]):
            return f"a step draws random numbers from {label}"
    return None


def _check_heads(trainers: Sequence[Trainer], alone: Trainer) -> None:
    """Give every head the findings of the first checks of one of them."""
    for trainer in trainers:
        for name, head in trainer.adversaries.items():
            head._losses.apart = alone.adversaries[name]._losses.apart
            if not head._checked:
                head._history.look(head.critic)
            head._checked = head._shared = True


def _kept_tensors(trainer: Trainer) -> str | None:
    """Return a reason if a module keeps a tensor of the step outside of its buffers."""
    for part in (part for module in modules_of(trainer) for part in module.modules()):
        kept = pytree.tree_leaves(list(vars(part).values()))
        if not isinstance(part, Head) and any(stacked.is_member_wise(x) for x in kept):
            return f"{type(part).__name__} keeps tensors that are not buffers"
    return None


def _difference(together: Trainer, alone: Trainer) -> str | None:
    """Return a reason if the last run's step as one of several differs from its step by itself."""
    ours, its = _figures(together, member=True), _figures(alone, member=False)
    for name in ours | its:
        if name not in ours or name not in its or not _close(ours[name], its[name]):
            return f"{name} differs between a run by itself and as one of several"
    return None


def _figures(trainer: Trainer, *, member: bool) -> dict[str, Tensor]:
    """Return the losses, scores and gradients of a step by name."""
    found = {**trainer._latest()}
    for name, head in trainer.adversaries.items():
        scores = {} if head._scored is None else head._scored[1]
        named = {**head._figures, **scores}
        found |= {f"{name}/{key}": value for key, value in named.items()}
    if member:
        found = {name: stacked.of_all(value)[-1] for name, value in found.items()}
    for k, p in enumerate(trainer._parameters):
        if p.grad is not None:
            found[f"the gradient of parameter {k}"] = p.grad[-1] if member else p.grad
    return found


def _close(a: Tensor, b: Tensor) -> bool:
    size = torch.linalg.vector_norm(b.double())
    gap = torch.linalg.vector_norm(a.double() - b.double())
    if not bool(size.isfinite()):
        return not bool(gap.isfinite())
    return bool(gap <= ATOL + RTOL * size)
