"""Stack the weights and optimizers of several games of one structure, and make their steps."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportPrivateUsage=false
# (PyTorch's own annotations are partial)

import copy
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrizations

from advlearn.core import distributed, stacked
from advlearn.core.capture import modules_of
from advlearn.core.head import Head
from advlearn.core.protocols import Grows
from advlearn.core.samples import map_tensors
from advlearn.core.task import Batch
from advlearn.core.trainer import Trainer
from advlearn.core.turns import InTurn

# Optimizers that treat each element by itself, apart from a count of steps.
ELEMENTWISE = (torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.SGD)
STEP = "step"


def copied(trainer: Trainer) -> Trainer:
    """Return a trainer of copies of the networks, optimizers and counts, without callbacks."""
    task, adversaries, optimizer = copy.deepcopy(
        (trainer.task, trainer.adversaries, trainer.optimizer)
    )
    twin = Trainer(
        task,
        adversaries,
        trainer.data,
        steps=trainer.steps,
        optimizer=lambda _: optimizer,
        schedule=trainer.schedule,
        capture=trainer.capture,
    )
    twin.step = trainer.step
    twin.rates.take_first(trainer.rates)
    return twin


def reason_against_stacking(trainers: Sequence[Trainer]) -> str | None:
    """Return why the steps of several runs cannot be computed as one, or None."""
    first = trainers[0]
    if distributed.world_size() > 1:
        return "several processes train together"
    if not isinstance(first.turns, InTurn):
        return f"{first.turns} keeps further weights"
    for name, adversary in first.adversaries.items():
        reason = adversary.reason_against_capture()
        if reason is not None:
            return f"{name}: {reason}"
    for optimizer in first.rates.optimizers:
        if type(optimizer) not in ELEMENTWISE:
            return f"{type(optimizer).__name__} may mix the weights that it moves"
    for part in (part for module in modules_of(first) for part in module.modules()):
        if isinstance(part, Grows):
            return f"{type(part).__name__} grows"
    if len({(t.step, t.steps) for t in trainers}) > 1:
        return "the runs to resume are at different steps"
    shapes = [[x.shape for x in _tensors(modules_of(t))] for t in trainers]
    if any(of_one != shapes[0] for of_one in shapes):
        return "the networks of the runs have different shapes"
    return None


@final
class StackedGames:
    """Make the steps of several games at once.

    The members' weights, buffers and states of optimizers become views of the stacked tensors that
    are trained, so that callbacks, checkpoints and samples of a member need no copy.

    Args:
        trainers: The games, of one structure and at one step.
        generators: The random generator of each.
        device: Their device.

    Attributes:
        trainer: Trainer of the stacked weights, whose `learn` is called in an open level.
    """

    def __init__(
        self,
        trainers: Sequence[Trainer],
        generators: Sequence[torch.Generator],
        device: torch.device,
    ) -> None:
        self.trainer = copied(trainers[0])
        self.members = list(trainers)
        self.level = stacked.Level(generators)
        self._device = device
        self._modules = modules_of(self.trainer)
        for module in self._modules:
            _replace_power_iterations(module)
        self._stack()
        self.trainer.task.train()
        if device.type == "cuda":
            self.trainer.hold_on_device(device)
        self._held = [
            (owner, key, x) for owner, key, x in _entries(self._modules) if isinstance(x, Tensor)
        ]

    @torch.no_grad()
    def _stack(self) -> None:
        """Stack the tensors of the members into those of the trainer."""
        each = [_tensors(modules_of(t)) for t in self.members]
        for own, *values in zip(_tensors(self._modules), *each, strict=True):
            own.data = torch.stack([v.detach() for v in values])
        for index, optimizer in enumerate(self.trainer.rates.optimizers):
            others = [t.rates.optimizers[index] for t in self.members]
            for k, p in enumerate(_parameters(optimizer)):
                states = [o.state.get(_parameters(o)[k], {}) for o in others]
                for key, value in states[0].items():
                    # The copy's own count of steps stays; a trial must not advance a member's.
                    if key != STEP and isinstance(value, Tensor):
                        optimizer.state[p][key] = torch.stack([state[key] for state in states])

    @torch.no_grad()
    def share(self) -> None:
        """Make the weights and buffers of the members views of the stacked ones."""
        for i, member in enumerate(self.members):
            own = _tensors(modules_of(member))
            for values, x in zip(_tensors(self._modules), own, strict=True):
                x.data = values[i]

    @torch.no_grad()
    def release(self, index: int) -> None:
        """Copy the weights and states of a member out of the stacked ones."""
        member = self.members[index]
        for x in _tensors(modules_of(member)):
            x.data = x.data.clone()
        for optimizer in member.rates.optimizers:
            for state in optimizer.state.values():
                state.update({k: v.clone() for k, v in state.items() if isinstance(v, Tensor)})

    def learn(self, batches: Iterator[Batch]) -> None:
        """Make one step of all games.

        Args:
            batches: Stacked batches, of tensors (members, N, ...).
        """
        with self.level.opened(), self._as_one():
            self.trainer.learn(tuple(map(stacked.of_member, batch)) for batch in batches)

    @contextmanager
    def _as_one(self) -> Generator[None]:
        """Let the modules see their stacked tensors as those of one member."""
        for owner, key, values in self._held:
            owner[key] = stacked.of_member(values)
        try:
            yield
        finally:
            for owner, key, values in self._held:
                owner[key] = values

    def publish(self, index: int) -> None:
        """Give a member the counts, losses and states that its callbacks and checkpoints read."""
        member, own = self.members[index], self.trainer
        take = partial(_of_one, index)
        member.step = own.step
        member._task_loss = None if own._task_loss is None else take(own._task_loss)
        member.guard.losses = own.guard.losses.of_member(index)
        for name, head in own.adversaries.items():
            _publish_head(head, member.adversaries[name], index)
        for module, other in zip(self._modules, modules_of(member), strict=True):
            for part, its in zip(module.modules(), other.modules(), strict=True):
                _copy_numbers(part, its)
        for optimizer, other in zip(own.rates.optimizers, member.rates.optimizers, strict=True):
            _publish_optimizer(optimizer, other, index)


def _of_one(index: int, value: Tensor) -> Tensor:
    return stacked.of_all(value)[index]


def _publish_head(head: Head, other: Head, index: int) -> None:
    """Give the head of a member the record of the stacked head."""
    take = partial(_of_one, index)
    other.last_losses = {name: take(value) for name, value in head.last_losses.items()}
    other._figures = {name: take(value) for name, value in head._figures.items()}
    other._scored = None if head._scored is None else map_tensors(take, head._scored)
    other._last = None if head._last is None else map_tensors(take, head._last)
    other._monitor = head._monitor.of_member(index)
    _copy_numbers(head._history, other._history)


def _copy_numbers(part: Any, other: Any) -> None:
    """Copy the counts and flags that a step keeps on the host."""
    for name, value in vars(part).items():
        if isinstance(value, int | float) and name != "training":
            vars(other)[name] = value


def _publish_optimizer(
    optimizer: torch.optim.Optimizer, other: torch.optim.Optimizer, index: int
) -> None:
    """Give the optimizer of a member views of the stacked state, and the present rates."""
    for p, q in zip(_parameters(optimizer), _parameters(other), strict=True):
        for key, value in optimizer.state.get(p, {}).items():
            shared = key == STEP or not isinstance(value, Tensor)
            other.state[q][key] = value if shared else value[index]
    for group, its in zip(optimizer.param_groups, other.param_groups, strict=True):
        its["lr"] = group["lr"]


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _entries(modules: Sequence[nn.Module]) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """Yield owner, name and value of all weights and buffers; one module may be in several."""
    seen: set[int] = set()
    for part in (part for module in modules for part in module.modules()):
        if id(part) not in seen:
            seen.add(id(part))
            for owner in (part._parameters, part._buffers):
                yield from ((owner, key, value) for key, value in owner.items())


def _tensors(modules: Sequence[nn.Module]) -> list[Tensor]:
    """Return all weights and buffers, each once."""
    found = (x for _, _, x in _entries(modules) if isinstance(x, Tensor))
    return list({id(x): x for x in found}.values())


def _replace_power_iterations(module: nn.Module) -> None:
    """Let torch's spectral norm iterate by operations that can be stacked."""
    for part in module.modules():
        if isinstance(part, parametrizations._SpectralNorm):
            vars(part)["_power_method"] = partial(_power_method, part)


@torch.no_grad()
def _power_method(norm: Any, weight: Tensor, iterations: int) -> None:
    """Update u and v as torch's own method does, which writes its results by ``out=``."""
    for _ in range(iterations):
        norm._u.copy_(normalize(torch.mv(weight, norm._v), dim=0, eps=norm.eps))
        norm._v.copy_(normalize(torch.mv(weight.T, norm._u), dim=0, eps=norm.eps))
