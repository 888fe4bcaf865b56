"""What a head is made of: critic, objective, regularizers and the record of its steps."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import copy
import math
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from advlearn.core import agreement, contracts, distributed, samples, saving, stacked
from advlearn.core.balance import AdversarialWeight, Weighting
from advlearn.core.chain import Chain
from advlearn.core.critic_batch import (
    CriticBatch,
    batches_of_outputs,
    joined_batch,
    mean_of,
    mixes_samples,
)
from advlearn.core.finite import FiniteMonitor, NonFiniteError
from advlearn.core.health import Health, diagnose
from advlearn.core.health_history import History
from advlearn.core.host_parts import on_host
from advlearn.core.losses import Losses, LossFunctions
from advlearn.core.modules import eval_mode
from advlearn.core.optim import added, clear, gradient_norm, move_average
from advlearn.core.rates import set_rate, silence
from advlearn.core.samples import Conditions, Samples
from advlearn.core.scores import outputs, outputs_of_both, score
from advlearn.core.timing import Timing

Weights = Tensor | None


class Head(nn.Module):
    """Hold a critic and its losses, check what they are given, and score samples.

    `Adversary` adds the verbs that train it.

    Args:
        critic: The critic.
        chain: Objective and regularizers; copied here.
        weighting: Weight of the loss for the model.
        timing: When critic and loss set in.
        conditions: Parts of the samples that are conditions.
        compiled: Whether the losses are compiled.
        ema: Decay of the moving average of the critic's weights; 0 for none.
    """

    def __init__(
        self,
        critic: nn.Module,
        chain: Chain,
        *,
        weighting: Weighting,
        timing: Timing,
        conditions: Conditions,
        compiled: bool,
        ema: float,
    ) -> None:
        super().__init__()
        # A copy, since objectives and regularizers hold state that two adversaries must not share.
        self.chain = copy.deepcopy(chain)
        self.objective = self.chain.required_objective()
        self.regularizers = nn.ModuleList(self.chain.regularizers)
        self.weighting = weighting
        self.timing = timing
        self.conditions = conditions
        for regularizer in self.chain.regularizers:
            regularizer.conditions = conditions
            critic = contracts.wrapped(critic, regularizer)
        self.critic = critic
        # State on the host would make each step wait for the device.
        place = next((p.device for p in critic.parameters()), None)
        if place is not None:
            self.objective.to(place)
            self.regularizers.to(place)
            self.weighting.to(place)
        trained = [p for p in critic.parameters() if p.requires_grad]
        self._parameters_of_critic = trained if self.objective.trains_critic else []
        self._frozen = [p for p in critic.parameters() if not p.requires_grad]
        self.optimizer: torch.optim.Optimizer | None = None
        self._rates: list[float] = []
        contracts.check_average(critic, ema)
        self.average = (
            AveragedModel(critic, multi_avg_fn=partial(move_average, ema)) if ema else None
        )
        self.last_losses: Losses = {}
        self._figures: Losses = {}
        # Samples and scores of the last critic step, until figures of them are asked for.
        self._scored: tuple[tuple[Samples, Samples], Losses] | None = None
        self.steps_done = 0
        self._last: tuple[Samples, Samples, Weights, Weights] | None = None
        self._checked = self._shared = False
        self._monitor = FiniteMonitor()
        self._history = History()
        self._losses = LossFunctions(
            self.objective, self.chain.regularizers, apart=mixes_samples(critic), compiled=compiled
        )
        self.register_state_dict_post_hook(saving.add_state)
        self.register_load_state_dict_pre_hook(saving.take_state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.optimizer is not None:
            silence(self.optimizer)

    @torch.no_grad()
    def score(self, x: Samples) -> Tensor:
        """Score `x` in evaluation mode, without gradient: (N,), or the critic's shape."""
        critic = self._judge()
        with eval_mode(critic), distributed.only_this_process():
            return score(critic, x)

    @torch.no_grad()
    def reward(self, x: Samples, real: Samples | None = None) -> Tensor:
        """Compute the reward of each sample of `x`, (N,): high where it resembles real samples.

        Args:
            x: Samples of the fake or policy side.
            real: Samples of the real or expert side; needed by objectives that compare sets.
        """
        on_host(self._history.note_reward)
        critic = self._judge()
        with eval_mode(critic), distributed.only_this_process():
            scored = outputs(critic, x)
            real_scored = None if real is None else outputs(critic, real)
            sides = (x if real is None else real, x)
            batches = batches_of_outputs(critic, sides, (real_scored, scored), (None, None))
            return mean_of([self.objective.reward(batch) for batch in batches])

    def critic_batch(self, real: Samples, fake: Samples) -> CriticBatch:
        """Return the two sides with their scores, the input of the regularizers."""
        scored = outputs_of_both(self.critic, real, fake, apart=self._losses.apart)
        return joined_batch(self.critic, (real, fake), scored, (None, None))

    def health(self, task_gradient: Tensor | float = math.nan) -> Health:
        """Diagnose this adversary on the last batch, as in balance, winning, dead or collapsed.

        It uses the samples of this process, so that a single process may call it. Samples of
        weight zero, such as padding, are left out.

        Args:
            task_gradient: Norm of the gradient of the model's own loss at the fake samples, such as
                ``torch.autograd.grad(loss, fake, retain_graph=True)[0].norm()``; with it, the
                report says whether one of the two gradients has no effect.

        Raises:
            RuntimeError: Before the first `update`, `critic_loss` or `player_loss`.
        """
        if self._last is None:
            raise RuntimeError(
                "health: expected a batch, got none; call update or player_loss first"
            )
        weight = self.adversarial_weight
        real, fake, real_weights, fake_weights = self._last
        return diagnose(
            self.critic,
            self.objective,
            self.chain.regularizers,
            real,
            fake,
            (real_weights, fake_weights),
            task_gradient=float(task_gradient),
            conditions=self.conditions,
            apart=self._losses.apart,
            optimizer=self.optimizer,
            history=self._history,
            own_accuracy=float(self.last_scores.get("accuracy", math.nan)),
            adversarial_weight=1.0 if isinstance(weight, str) else abs(weight),
        )

    def move_weights(
        self, scaler: torch.amp.GradScaler | None = None, clip: float | None = None
    ) -> Tensor:
        """Make the first half of `step`: move the weights, and count no step.

        A rule of `advlearn.games` corrects the weights between the two halves.
        """
        self._moved = False
        if self.optimizer is None:
            return torch.zeros(())
        distributed.reshard(self.critic)
        if any(p.requires_grad for p in self._frozen):
            contracts.check_trained(self.optimizer, self.critic)
        self._set_rates()
        own = self._parameters_of_critic
        if distributed.world_size() == 1 and all(p.grad is None for p in own):
            return torch.zeros((), device=own[0].device)
        distributed.average_gradients(own)
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        norm = gradient_norm(own, clip)
        self._monitor.note(self._next_step, {"gradient_norm": norm})
        on_host(partial(self._keep_norm, norm))
        with stacked.outside():
            self.optimizer.step() if scaler is None else scaler.step(self.optimizer)
        # A fused optimizer does not tell autograd that it changed the weights.
        torch.autograd.graph.increment_version(own)
        clear(own)
        self._moved = True
        return norm

    def finish_step(self) -> None:
        """Make the second half of `step`: count it, and update what follows the weights."""
        if self.optimizer is None:
            return
        if self.timing.trains_critic(self.steps_done):
            on_host(self._history.note_critic_step)
        else:
            on_host(self._history.note_step_before_start)
        on_host(self._count_step)
        if not self._moved:
            return
        with torch.no_grad():
            self.objective.update_state()
            for regularizer in self.chain.regularizers:
                regularizer.after_step(self.critic)
        if self.average is not None:
            self.average.update_parameters(self.critic)

    def _next_step(self) -> int:
        return self.steps_done + 1

    def _count_step(self) -> None:
        self.steps_done += 1

    def raise_if_not_finite(self) -> None:
        """Raise NonFiniteError if a term or gradient was not finite; waits for the device."""
        failure = self._monitor.first_failure()
        if failure is not None:
            raise NonFiniteError(f"critic step {failure[0]}: {failure[1]} is not finite")

    def extra_repr(self) -> str:
        """Return the chain's spec, for the printed module."""
        return repr(self.chain)

    @property
    def last_scores(self) -> Losses:
        """Figures of the last critic step: real_score, fake_score, accuracy, gradient_norm.

        The first three are computed when they are asked for, so that a step does not wait for them.
        """
        if self._scored is not None:
            (sides, scores), self._scored = self._scored, None
            self._figures.update(self._losses.figures(self.critic, sides, scores))
        return self._figures

    @property
    def adversarial_weight(self) -> AdversarialWeight:
        """The weight of `player_loss`: a number, ``"adaptive"`` or ``"balanced"``."""
        return self.weighting.value

    def _judge(self) -> nn.Module:
        """Return the critic that scores: the moving average, if there is one."""
        return self.critic if self.average is None else self.average

    def _prepared(
        self, real: Samples, fake: Samples, rw: Weights, fw: Weights
    ) -> tuple[Samples, Samples, list[Weights]]:
        """Check both sides and their weights, and cast them to the critic's precision."""
        if torch.is_grad_enabled():
            agreement.check_call(real, fake, rw, fw, first=not self._shared)
        contracts.check_sides(real, fake)
        weights = [
            contracts.check_weights("real_weights", rw, real),
            contracts.check_weights("fake_weights", fw, fake),
        ]
        sides = (real, samples.matched(fake, real))
        real, fake = cast(tuple[Samples, Samples], samples.to_critic_precision(sides, self.critic))
        # Without gradient it may be a report, which one process may ask for.
        if not self._shared and torch.is_grad_enabled():
            self._share_first()
            self._shared = True
        if not self._checked:
            self._check_first(real, fake)
            self._checked = True
        return real, fake, weights

    def _share_first(self) -> None:
        """Copy the weights of the first process to all others, before the first step."""
        distributed.reshard(self.critic)
        contracts.check_same_parameters(self._parameters_of_critic, self.critic)
        if self.chain.regularizers:
            distributed.hold_gathered(self.critic)
        distributed.share(self)

    def _check_first(self, real: Samples, fake: Samples) -> None:
        """Check the conditions, and find out what the critic returns."""
        contracts.check_conditions(self.conditions, real)
        contracts.check_scores(self.critic, real)
        if not self._losses.apart:
            self._losses.apart = contracts.finds_mixing(self.critic, real, fake)
        self._history.look(self.critic)

    def _note_player_loss(self, real: Samples, fake: Samples, weights: list[Weights]) -> None:
        sides = (real, fake, *(w for w in weights if w is not None))
        carries = any(samples.carries_gradient(side) for side in sides)
        on_host(partial(self._history.note_player_loss, carries_gradient=carries))

    def _sum_and_keep(
        self, found: tuple[Losses, Losses], sides: tuple[Samples, Samples] | None = None
    ) -> Tensor:
        """Return the sum of the terms; keep them in `last_losses`, and scores with their sides."""
        terms, scores = found
        kept = {name: value.detach() for name, value in terms.items()}
        on_host(partial(self._keep, kept, (sides, scores) if sides and scores else None))
        self._monitor.note(lambda: self.steps_done, kept)
        return added(terms.values())

    def _keep(self, losses: Losses, scored: tuple[tuple[Samples, Samples], Losses] | None) -> None:
        self.last_losses.update(losses)
        self._scored = scored or self._scored

    def _keep_norm(self, norm: Tensor) -> None:
        self._figures["gradient_norm"] = norm

    def _note_sides(self, real: Samples, fake: Samples, weights: list[Weights]) -> None:
        """Keep the samples and their weights for a report, without their graph."""
        of_real, of_fake = (None if w is None else w.detach() for w in weights)
        last = samples.detach(real), samples.detach(fake), of_real, of_fake
        on_host(partial(setattr, self, "_last", last))

    def coming(self, steps: int) -> tuple[float, ...] | None:
        """Return what decides the operations of the next critic steps; None while it changes."""
        first, last = (self.timing.factors(self.steps_done + k) for k in (0, steps))
        return first if first == last else None

    def reason_against_capture(self) -> str | None:
        """Return why a step of this head cannot be captured as a CUDA graph, or None."""
        if self._losses.compiled:
            return "compile=True compiles the losses"
        if self.timing.schedule != "constant":
            return f"the critic has its own schedule, {self.timing.schedule!r}"
        return None

    def _set_rates(self) -> None:
        if self.optimizer is not None and self.timing.sets_rate:
            factor = self.timing.rate(self.steps_done)
            for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
                set_rate(group, rate * factor)
