"""Training loop: critic steps, then a step of the learner, with callbacks."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from typing import Any, cast, final

import torch
from torch import Tensor

from advlearn.core import agreement, distributed
from advlearn.core import capture as capturing
from advlearn.core.adversary import Adversary, OptimizerFactory
from advlearn.core.arguments import Count, Positive, checked
from advlearn.core.callback import Callback as Callback
from advlearn.core.callback import Stream as Stream
from advlearn.core.chain import FALLBACK, Schedule
from advlearn.core.finite import NonFiniteError as NonFiniteError
from advlearn.core.game import GameFactory
from advlearn.core.host_parts import on_host
from advlearn.core.host_reads import numbers
from advlearn.core.learning import Learning
from advlearn.core.optim import build_optimizer
from advlearn.core.optimizer_state import check_fits
from advlearn.core.rates import Rates, plain_rates
from advlearn.core.run_loop import run_loop
from advlearn.core.schedules import factor
from advlearn.core.state_guard import StateGuard
from advlearn.core.task import Batch, Task
from advlearn.core.turns import turns_by


@checked
@final
class Trainer:
    """Alternate critic steps and steps of the learner, and run the callbacks.

    The last critic step and the learner's step share one batch and one forward pass of the
    learner, as in the DCGAN reference code; earlier critic steps draw their own.

    Args:
        task: The task, with the modules that learn.
        adversaries: One for each critic of the task, by name; empty for a task without critics.
        data: Infinite stream of batches on the device.
        steps: Total number of steps of the learner.
        optimizer: ``"adam"``, ``"rmsprop"``, ``"sgd"``, or a callable from a list of parameters to
            the learner's optimizer; the first adversary's default if None.
        lr: Learning rate, unless `optimizer` is a callable.
        schedule: Schedule of all learning rates; the first adversary's default if None.
        callbacks: Called in this order.
        game: Rule that moves critics and learner together, such as ``"lookahead(k=5)"``, or a
            function from its sides to a `Game`; None moves them in turn.
        capture: On CUDA, replay each step as one CUDA graph; a single warning says why where a step
            cannot be captured. The results are those of the same steps without graphs.
        accumulate: Parts into which each batch is split. Their gradients are added before critics
            or learner move, so that memory holds the activations of one part. Without layers that
            depend on the batch, such as batch norm, the gradients are those of the whole batch.

    Raises:
        ValueError: If the adversaries' names differ from those of the task's critics, `steps` is
            not positive, or gradients of parts do not add up to that of a batch.
    """

    def __init__(
        self,
        task: Task,
        adversaries: Mapping[str, Adversary],
        data: Stream,
        *,
        steps: Count,
        optimizer: OptimizerFactory | str | None = None,
        lr: Positive | None = None,
        schedule: Schedule | None = None,
        callbacks: Sequence[Callback] = (),
        game: GameFactory | str | None = None,
        capture: bool = True,
        accumulate: Count = 1,
    ) -> None:
        defaults = next((a.defaults for a in adversaries.values()), FALLBACK)
        self.task = task
        self.adversaries = dict(adversaries)
        self.data = data
        self.steps = steps
        self.schedule: Schedule = schedule or defaults.schedule or "constant"
        self.callbacks = list(callbacks)
        self.step = 0
        self.stop_reason: str | None = None
        self.interrupted, self.is_mid_step = False, False
        self.last_checkpoint: str | None = None
        self._parameters = task.trainable_parameters()
        rate = cast(float, defaults.lr if lr is None else lr)
        betas = cast(tuple[float, float], defaults.betas)
        self.optimizer = (
            optimizer(self._parameters)
            if callable(optimizer)
            else build_optimizer(
                optimizer or cast(str, defaults.optimizer), self._parameters, lr=rate, betas=betas
            )
        )
        self.turns = turns_by(game, self.adversaries.values(), self.optimizer)
        # Without a trained critic, further critic steps would only draw unused samples.
        steps_of = (
            cast(int, a.defaults.critic_steps)
            for a in self.adversaries.values()
            if a.optimizer is not None
        )
        self.critic_steps = max(steps_of, default=1)
        self._learning = Learning(
            task, self.adversaries, self.turns, self._parameters, self.critic_steps, accumulate
        )
        critics = [a.optimizer for a in self.adversaries.values() if a.optimizer is not None]
        self.rates = Rates([self.optimizer, *critics])
        self.capture = capture
        self.captured: capturing.CapturedSteps | None = None
        # A number, or a tensor on the device that a captured step reads.
        self._weight: Tensor | float = 1.0
        self._task_loss: Tensor | None = None
        self.guard = StateGuard(self)

    def run(self) -> None:
        """Train to the last step, or until a callback sets `stop_reason` or Ctrl-C is pressed.

        Raises:
            NonFiniteError: If a loss, or a tensor of the state, stopped being finite; the message
                names the step, the term or tensor and the last good checkpoint.
            KeyboardInterrupt: After Ctrl-C or SIGTERM, once the callbacks have finished.
        """
        self._share_weights()
        self.task.train()
        self.stop_reason, self.interrupted, self.is_mid_step = None, False, False
        self.guard.start()
        run_loop(self, self._train_step, self._stream)

    def _share_weights(self) -> None:
        """Start every process from the first one's weights and buffers."""
        modules = (self.task, *self.adversaries.values())
        agreement.require_same_weights(self, modules, capture=self.capture)
        for module in modules:
            distributed.broadcast(filter(torch.is_tensor, module.state_dict().values()))

    def _stream(self) -> AbstractContextManager[Any]:
        """Prepare the steps for the device of the task, and return the context they run in."""
        device = next((p.device for p in self._parameters), torch.device("cpu"))
        if device.type != "cuda":
            return nullcontext()
        # Also without graphs, so that both ways compute the same numbers.
        self.hold_on_device(device)
        self.captured = capturing.captured_steps(self, device) if self.capture else None
        return nullcontext() if self.captured is None else self.captured.on_stream()

    def hold_on_device(self, device: torch.device) -> None:
        """Keep learning rates and the adversarial weight on the device, for captured steps."""
        self.rates.hold_on_device(device)
        self._weight = torch.ones((), device=device)

    def _train_step(self) -> None:
        """Make one step of the learner, and the critic steps before it."""
        self.set_numbers()
        # An error while the first batch is drawn leaves the state of the last complete step.
        batches = [next(self.data)]
        self.is_mid_step = True
        if self.captured is None:
            self.learn(chain(batches, self.data))
        else:
            batches += [next(self.data) for _ in range(self.critic_steps - 1)]
            self.captured.run(batches)
        self.is_mid_step = False

    def set_numbers(self) -> None:
        """Set the learning rates and the adversarial weight of the next step."""
        share = self.step / self.steps
        if self.schedule != "constant":
            self.rates.scale(factor(self.schedule, share))
        weight = self.task.adversarial_weight_at(share)
        if isinstance(self._weight, Tensor):
            self._weight.fill_(weight)
        else:
            self._weight = weight

    def learn(self, batches: Iterator[Batch]) -> None:
        """Compute one step from `critic_steps` batches: the part that a CUDA graph captures."""
        with self.guard.one_look():
            self._learn(batches)

    def _learn(self, batches: Iterator[Batch]) -> None:
        before = self._latest()
        loss = self._learning.step(batches, self._weight)
        on_host(partial(self._end_step, loss))
        self.guard.note(before, self._latest())

    def _end_step(self, loss: Tensor | None) -> None:
        self.step += 1
        self._task_loss = loss

    def _latest(self) -> dict[str, Tensor]:
        every = self.adversaries.items()
        named = {f"{n}/{term}": v for n, a in every for term, v in a.last_losses.items()}
        return named if self._task_loss is None else {**named, "task_loss": self._task_loss}

    def raise_if_not_finite(self) -> None:
        """Raise NonFiniteError if any loss has not been finite; waits for the device."""
        self.guard.raise_if_not_finite()

    def check_state(self, *, together: bool = True) -> None:
        """Raise NonFiniteError, in all processes together, if a loss or the state is not finite."""
        self.guard.check_state(self._parameters[0].device, together=together)

    def last_losses(self) -> dict[str, float]:
        """Return the latest losses and penalties by "adversary/term"; waits for the device."""
        return numbers(self._latest())

    def last_scores(self) -> dict[str, float]:
        """Return each critic's latest scores by "adversary/scores/name"; waits for the device."""
        every = self.adversaries.items()
        scores = {f"{n}/scores/{key}": v for n, a in every for key, v in a.last_scores.items()}
        return numbers(scores)

    def describe(self) -> str:
        """Describe the run, with every default that applies."""
        every = self.adversaries.items()
        lines = [f"{name}: {a.chain!r}, defaults {a.defaults}" for name, a in every]
        counts = f"{self.steps} learner steps, {self.critic_steps} critic steps each"
        return "\n".join([*lines, f"{counts}, {self.schedule} rate, {self.turns}"])

    def state_dict(self) -> dict[str, Any]:
        """Return the state for an exact resume, without the random state: values and tensors."""
        named = [(type(c).__name__, c.state_dict()) for c in self.callbacks]
        return {
            "step": self.step,
            "task": self.task.state_dict(),
            "adversaries": {name: a.state_dict() for name, a in self.adversaries.items()},
            "optimizer": plain_rates(self.optimizer.state_dict()),
            "game": self.turns.state_dict(),
            "data": self.data.state_dict(),
            "callbacks": [[name, state] for name, state in named if state],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; callbacks are matched by class, in order."""
        self.step = state["step"]
        self.task.load_state_dict(state["task"])
        for name, adversary in self.adversaries.items():
            adversary.load_state_dict(state["adversaries"][name])
        held = self.rates.are_on_device()
        check_fits(self.optimizer, state["optimizer"])
        self.optimizer.load_state_dict(state["optimizer"])
        if held:
            self.rates.hold_on_device(self._parameters[0].device)
        self.turns.load_state_dict(state["game"])
        self.data.load_state_dict(state["data"])
        saved = list(state["callbacks"])
        for callback in self.callbacks:
            match = next((entry for entry in saved if entry[0] == type(callback).__name__), None)
            if match is not None:
                saved.remove(match)
                callback.load_state_dict(match[1])
