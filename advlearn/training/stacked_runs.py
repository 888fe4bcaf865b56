"""Run several trainers of one game as one, or one after another where they cannot be stacked."""

# pyright: reportPrivateUsage=false

import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, final

import torch
from torch import Tensor

from advlearn.core.callback import Callback
from advlearn.core.capture import CapturedSteps, captured_by
from advlearn.core.finite import NonFiniteError
from advlearn.core.graphs import CudaGraphs
from advlearn.core.run_loop import finish_step, run_loop
from advlearn.core.stacked_games import StackedGames, reason_against_stacking
from advlearn.core.trainer import Trainer
from advlearn.data.stacked_batches import StackedBatches
from advlearn.training import rng
from advlearn.training.ema import EMA
from advlearn.training.progress import Progress
from advlearn.training.stacked_trial import generators_of, reason_of_trial


def run_all(
    trainers: Sequence[Trainer],
    states: Sequence[rng.State],
    names: Sequence[str],
    device: torch.device,
) -> None:
    """Run several trainers to their ends, each as if it ran by itself.

    Trainers of one structure make their steps as one. Where that is impossible a warning says why,
    and they run one after another.

    Args:
        trainers: The trainers.
        states: The state of the random generators at the start of each.
        names: Name of each, for messages.
        device: Their device.

    Raises:
        NonFiniteError: If a loss or a tensor of the state of one of them stopped being finite.
        KeyboardInterrupt: After Ctrl-C or SIGTERM, once the callbacks have finished.
    """
    with rng.isolated(0):
        reason = reason_against_stacking(trainers) or reason_of_trial(trainers, states, device)
        if reason is None:
            StackedRuns(trainers, states, names, device).run()
            return
        warn(reason)
        for trainer, state in zip(trainers, states, strict=True):
            rng.set_state(state)
            trainer.run()


def warn(reason: str) -> None:
    """Tell in one line why runs are not computed as one."""
    warnings.warn(f"seeds: {reason}; the runs are trained one after another", stacklevel=3)


@final
class StackedRuns:
    """Make the steps of several trainers as one, and call the callbacks of each.

    A trainer that a callback stops keeps its state of that step while the others continue.

    Args:
        trainers: The trainers, of one structure and at one step.
        states: The state of the random generators at the start of each.
        names: Name of each, for messages.
        device: Their device.
    """

    def __init__(
        self,
        trainers: Sequence[Trainer],
        states: Sequence[rng.State],
        names: Sequence[str],
        device: torch.device,
    ) -> None:
        self.members = list(trainers)
        self.names = list(names)
        self.live = list(range(len(self.members)))
        self.states = list(states)
        self.step, self.steps = trainers[0].step, trainers[0].steps
        self.stop_reason: str | None = None
        self.interrupted = self.is_mid_step = False
        self.callbacks: list[Callback] = [_OfMembers(self)]
        self._device = device
        self._games: StackedGames | None = None
        self._captured: CapturedSteps | None = None
        self._averages: list[_Averages] = []

    def run(self) -> None:
        """Train to the last step, or until every member is stopped or Ctrl-C is pressed."""
        try:
            run_loop(self, self._make_step, self._stacked)
        finally:
            for index in list(self.live):
                self._release(index)

    def _stacked(self) -> Any:
        """Stack the members, whose callbacks have started."""
        generators = generators_of(self.states, self._device)
        self._games = StackedGames(self.members, generators, self._device)
        self._games.share()
        self._data = StackedBatches([member.data for member in self.members])
        averages = zip(*(_averages_of(member) for member in self.members), strict=False)
        self._averages = [
            _Averages(own, self._games.trainer) for own in averages if _can_be_stacked(own)
        ]
        if self._device.type != "cuda" or not self._games.trainer.capture:
            return nullcontext()
        self._captured = captured_by(
            self._games.learn,
            self._games.trainer,
            CudaGraphs(self._device, self._games.level.generators),
        )
        return nullcontext() if self._captured is None else self._captured.on_stream()

    @property
    def games(self) -> StackedGames:
        """The stacked games, once the callbacks have started."""
        assert self._games is not None
        return self._games

    def _make_step(self) -> None:
        trainer = self.games.trainer
        trainer.set_numbers()
        batches = [next(self._data) for _ in range(trainer.critic_steps)]
        self.is_mid_step = True
        if self._captured is None:
            self.games.learn(iter(batches))
        else:
            self._captured.run(batches)
        self.is_mid_step = False
        self.step = trainer.step

    def average(self) -> list[Callback]:
        """Move the moving averages of all members, and return the callbacks that keep them."""
        for averages in self._averages:
            averages.move()
        return [callback for averages in self._averages for callback in averages.callbacks]

    def publish(self, index: int) -> None:
        """Bring the counts, losses and states of a member up to date."""
        if self._games is not None and index in self.live:
            self._games.publish(index)

    def check_state(self, *, together: bool = True) -> None:
        """Raise NonFiniteError if a loss or the state of a member is not finite."""
        for index in self.live:
            self.publish(index)
            with self.named(index):
                self.members[index].check_state(together=together)

    @contextmanager
    def named(self, index: int) -> Generator[None]:
        """Add the name of a member to a NonFiniteError from the block."""
        try:
            yield
        except NonFiniteError as error:
            raise NonFiniteError(f"{self.names[index]}: {error}") from error

    @contextmanager
    def random_state(self, index: int) -> Generator[None]:
        """Draw from the generators of a member in the block."""
        games, key = self._games, "cuda" if self._device.type == "cuda" else "torch"
        state = dict(self.states[index])
        if games is not None:
            now = games.level.generators[index].get_state()
            state[key] = _with_device(state[key], now, self._device)
        rng.set_state(state)
        try:
            yield
        finally:
            self.states[index] = rng.get_state()
            if games is not None:
                (generator,) = generators_of([self.states[index]], self._device)
                games.level.generators[index].set_state(generator.get_state())

    def finish(self, index: int) -> None:
        """End a member that a callback has stopped; its weights are its own from here on."""
        self.publish(index)
        member = self.members[index]
        self._release(index)
        with self.named(index), self.random_state(index):
            member.check_state()
            for callback in member.callbacks:
                callback.on_end(member)

    def _release(self, index: int) -> None:
        if self._games is not None:
            self.publish(index)
            self._games.release(index)
            for averages in self._averages:
                averages.release(index)
        self.live.remove(index)


@final
class _OfMembers(Callback):
    """Call the callbacks of each member.

    Args:
        runs: The stacked runs.
    """

    def __init__(self, runs: StackedRuns) -> None:
        self.runs = runs

    def on_start(self, trainer: Any) -> None:
        for index, member in enumerate(self.runs.members):
            member.task.train()
            member.stop_reason, member.interrupted, member.is_mid_step = None, False, False
            member.guard.start()
            self._call(index, member.callbacks, lambda c, m: c.on_start(m))

    def on_step(self, trainer: Any) -> None:
        moved, failures = self.runs.average(), list[Exception]()
        for index in list(self.runs.live):
            member = self.runs.members[index]
            member.step = self.runs.step
            callbacks = [c for c in member.callbacks if all(c is not own for own in moved)]
            try:
                self._step(index, callbacks)
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]
        if not self.runs.live:
            self.runs.stop_reason = "every run has stopped"

    def _step(self, index: int, callbacks: list[Callback]) -> None:
        member = self.runs.members[index]
        due = any(_is_due(callback, member.step) for callback in callbacks)
        if due or any(isinstance(c, Progress) for c in callbacks):
            self.runs.publish(index)
        with (
            self.runs.named(index),
            self.runs.random_state(index) if due else nullcontext(),
        ):
            for place, callback in enumerate(callbacks):
                try:
                    callback.on_step(member)
                except Exception:
                    finish_step(member, callbacks[place + 1 :])
                    raise
        if member.stop_reason is not None:
            self.runs.finish(index)

    def on_end(self, trainer: Any) -> None:
        for index in self.runs.live:
            member = self.runs.members[index]
            member.interrupted = self.runs.interrupted
            self._call(index, member.callbacks, lambda c, m: c.on_end(m))

    def on_error(self, trainer: Any) -> None:
        for index in self.runs.live:
            self.runs.publish(index)
            callbacks = self.runs.members[index].callbacks
            with suppress(NonFiniteError):
                self._call(index, callbacks, lambda c, m: c.on_error(m))

    def _call(
        self,
        index: int,
        callbacks: Sequence[Callback],
        act: Callable[[Callback, Trainer], None],
    ) -> None:
        with self.runs.named(index), self.runs.random_state(index):
            for callback in callbacks:
                act(callback, self.runs.members[index])


@final
class _Averages:
    """Move the averages of all members at once.

    Args:
        callbacks: The `EMA` of each member, all with as many updates.
        trainer: The trainer of the stacked weights.
    """

    def __init__(self, callbacks: Sequence[EMA], trainer: Trainer) -> None:
        self.callbacks = list(callbacks)
        self._task = trainer.task
        modules = [callback.module for callback in callbacks]
        self._averaged = _joined([list(module.parameters()) for module in modules])
        self._buffers = _joined([list(module.buffers()) for module in modules])

    @torch.no_grad()
    def move(self) -> None:
        """Make the step of each member's `EMA`."""
        first = self.callbacks[0]
        lerp, copy_ = torch._foreach_lerp_, torch._foreach_copy_  # pyright: ignore[reportPrivateImportUsage]
        lerp(self._averaged, list(self._task.parameters()), 1 - first.decay_at(first.updates))
        for callback in self.callbacks:
            callback.updates += 1
        if self._buffers:
            copy_(self._buffers, list(self._task.buffers()))

    def release(self, index: int) -> None:
        """Copy the average of a member out of the stacked ones."""
        module = self.callbacks[index].module
        for x in (*module.parameters(), *module.buffers()):
            x.data = x.data.clone()


@torch.no_grad()
def _joined(each: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Stack tensors of several modules, and make those of the modules views."""
    joined = [torch.stack([x.detach() for x in same]) for same in zip(*each, strict=True)]
    for index, own in enumerate(each):
        for values, x in zip(joined, own, strict=True):
            x.data = values[index]
    return joined


def _averages_of(member: Trainer) -> list[EMA]:
    return [callback for callback in member.callbacks if isinstance(callback, EMA)]


def _can_be_stacked(averages: Sequence[EMA]) -> bool:
    return len({(average.decay, average.updates) for average in averages}) == 1


def _is_due(callback: Callback, step: int) -> bool:
    """Return whether a callback may read the losses and states of its run at this step."""
    if isinstance(callback, Progress) or type(callback).on_step is Callback.on_step:
        return False
    every = getattr(callback, "every", None)
    is_own = type(callback).__module__.partition(".")[0] == "advlearn"
    return not (is_own and isinstance(every, int) and step % every)


def _with_device(state: Any, now: Tensor, device: torch.device) -> Any:
    """Return the state of torch's generators with that of the device replaced."""
    if device.type != "cuda":
        return now
    index = torch.cuda.current_device() if device.index is None else device.index
    return [now if k == index else of_device for k, of_device in enumerate(state)]
