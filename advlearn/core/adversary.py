"""The adversary of a model: a critic with its objective, regularizers and optimizer."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Iterable
from contextlib import nullcontext
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core import contracts, distributed, samples
from advlearn.core.arguments import Count, Positive, Share, checked
from advlearn.core.balance import AdversarialWeight, Weighting
from advlearn.core.chain import FALLBACK, Defaults, Schedule
from advlearn.core.checks import check_count, check_number
from advlearn.core.gradient_reversal import reverse_gradient
from advlearn.core.grammar import Spec, resolve
from advlearn.core.head import Head, Weights
from advlearn.core.modules import freeze
from advlearn.core.optim import (
    OptimizerFactory,
    added,
    backward,
    clear,
    make_optimizer,
)
from advlearn.core.samples import Samples
from advlearn.core.timing import Steps, Timing


@checked
@final
class Adversary(Head):
    r"""Train a critic against a model, in any training loop.

    `critic_loss` is the loss of the critic, `player_loss` the loss of the model with the critic
    held fixed, and `step` moves the critic. `update` is one whole critic step. For one backward
    pass for both, use `reversed_loss`, then `step`.

    .. math::
        \min_\phi C(\theta, \phi) + \sum_k R_k(\phi), \qquad
        \min_\theta L(\theta) + \lambda P(\theta, \phi)

    Args:
        critic: Module that scores samples (N, ...) as (N,) or (N, 1), or as the objective's
            `critic_output` says. It may return a list of scores, one for each scale or period,
            and feature maps as ``(scores, maps)``; the objective is averaged over the outputs. A
            tuple of samples gives its positional arguments, a dict its keyword arguments. Move it
            to its device first.
        objective: A string such as ``"hinge + spectral_norm"``, an `Objective` or a `Chain`.
        optimizer: ``"adam"``, ``"rmsprop"``, ``"sgd"``, an optimizer of the critic's parameters,
            or a callable from a list of parameters to one; the chain's default if None.
        lr: Learning rate, unless `optimizer` is an optimizer or callable; the chain's if None.
        critic_steps: Critic steps that a Trainer makes for each learner step; the chain's if None.
        adversarial_weight: Weight lambda of `player_loss`. ``"adaptive"`` is the ratio of the
            gradient norms of the task loss and of P at the model's last layer, ``"balanced"`` a
            moving average of their ratio at the model's output; both need ``task_loss=`` in
            `player_loss`.
        compile: Compile the losses, penalties included, with ``torch.compile``.
        conditions: Parts of the samples, by index in the tuple or key in the dict, that are
            conditions: penalties hold them fixed and no noise is added to them.
        start: First step at which the critic is trained and its loss counts for the model; a
            number, or a mapping with ``"critic"`` and ``"learner"``. Before it, `critic_loss` and
            `player_loss` are 0.
        warmup: Steps of a linear rise after the start, of the critic's learning rate and of
            lambda; a number, or a mapping.
        schedule: Course of the critic's learning rate over `steps`.
        steps: Critic steps in all, for `schedule`.
        ema: Decay of a moving average of the critic's weights, which `score` and `reward` then
            use; 0 for none.

    Raises:
        ValueError: If the spec, the critic or a setting is refused.

    Example:
        >>> import torch
        >>> from advlearn import Adversary
        >>> adversary = Adversary(torch.nn.Linear(2, 1), "hinge + r1")
        >>> real, fake = torch.randn(8, 2), torch.randn(8, 2, requires_grad=True)
        >>> _ = adversary.update(real, fake)
        >>> adversary.player_loss(real, fake).backward()
        >>> fake.grad.shape
        torch.Size([8, 2])
    """

    def __init__(
        self,
        critic: nn.Module,
        objective: Spec = "nsgan",
        *,
        optimizer: OptimizerFactory | torch.optim.Optimizer | str | None = None,
        lr: Positive | None = None,
        critic_steps: Count | None = None,
        adversarial_weight: AdversarialWeight = 1.0,
        compile: bool = False,
        conditions: int | str | Iterable[int | str] = (),
        start: Steps = 0,
        warmup: Steps = 0,
        schedule: Schedule = "constant",
        steps: Count | None = None,
        ema: Share = 0.0,
    ) -> None:
        if critic_steps is not None:
            check_count("critic_steps", critic_steps)
        contracts.check_module(critic)
        super().__init__(
            critic,
            resolve(objective),
            weighting=Weighting(adversarial_weight),
            timing=Timing.of(start, warmup, schedule, steps),
            conditions=frozenset([conditions] if isinstance(conditions, int | str) else conditions),
            compiled=compile,
            ema=check_number("ema", ema, low=0, high=1),
        )
        self.defaults = Defaults(critic_steps=critic_steps).over(self.chain.defaults).over(FALLBACK)
        if self._parameters_of_critic:
            made = make_optimizer(optimizer, self._parameters_of_critic, lr, self.defaults)
            contracts.check_trained(made, self.critic)
            self.optimizer = made
            self._rates = [group["lr"] for group in made.param_groups]
        self._moved = False

    def critic_loss(
        self,
        real: Samples,
        fake: Samples,
        real_weights: Weights = None,
        fake_weights: Weights = None,
    ) -> Tensor:
        """Compute the critic's loss, with graph to the critic only.

        Call `step` after its backward pass. Gradients of several calls add up in the critic's
        parameters until `step`, so that a large batch can be passed in parts, and so can those of
        another loss of a shared backbone.

        Args:
            real: Real, expert or source samples (N, ...), or a tuple, list or dict of tensors;
                detached here.
            fake: Fake, policy or target samples (M, ...), of the same structure; detached here.
            real_weights: Weights of the real samples, (N,) or (N, 1), or of the scores' shape, as
                a mask of them; detached here.
            fake_weights: Weights of the fake samples, (M,) or (M, 1), or of the scores' shape.

        Returns:
            The critic's loss, penalties included: a scalar. Its parts are in `last_losses`.
        """
        real, fake, weights = self._prepared(real, fake, real_weights, fake_weights)
        real, fake = samples.detach(real), samples.detach(fake)
        # Weights may carry gradient too: a policy gradient flows through them.
        weights = [None if w is None else w.detach() for w in weights]
        self._note_sides(real, fake, weights)
        if self.optimizer is None or not self.timing.trains_critic(self.steps_done):
            return torch.zeros((), device=samples.device_of(real), requires_grad=True)
        for regularizer in self.chain.regularizers:
            fake, weights[1] = regularizer.filter_fakes(fake, weights[1])
        found = self._losses.critic(self.critic, real, fake, *weights)
        return self._sum_and_keep(found, (real, fake))

    def update(
        self,
        real: Samples,
        fake: Samples,
        real_weights: Weights = None,
        fake_weights: Weights = None,
        *,
        scaler: torch.amp.GradScaler | None = None,
        clip: float | None = None,
    ) -> Tensor:
        """Make one step of the critic: `critic_loss`, its backward pass, and `step`.

        Gradients that the critic's parameters hold from elsewhere are dropped; use `critic_loss`
        and `step` to keep them.

        It can be captured in your own ``torch.cuda.graph`` after a few usual steps; a replay
        then repeats it on the same tensors, and the counts of the head do not advance
        (`docs/performance.md`).

        Args:
            real: As for `critic_loss`.
            fake: As for `critic_loss`.
            real_weights: As for `critic_loss`.
            fake_weights: As for `critic_loss`.
            scaler: As for `step`; the loss is scaled here.
            clip: As for `step`.

        Returns:
            The critic's loss before the step, penalties included: a detached scalar on the device.
            Its parts are in `last_losses`.
        """
        clear(self._parameters_of_critic)
        loss = self.critic_loss(real, fake, real_weights, fake_weights)
        if self.optimizer is not None:
            backward(loss if scaler is None else scaler.scale(loss))
            self.step(scaler, clip)
        return loss.detach()

    def player_loss(
        self,
        real: Samples,
        fake: Samples,
        real_weights: Weights = None,
        fake_weights: Weights = None,
        *,
        task_loss: Tensor | None = None,
        last_layer: Tensor | None = None,
    ) -> Tensor:
        """Compute the model's adversarial loss times its weight, with no gradient to the critic.

        Args:
            real: As for `critic_loss`; gradient flows into it where it carries one (adaptation,
                fairness).
            fake: As for `critic_loss`; carries the model's gradient.
            real_weights: As for `critic_loss`.
            fake_weights: As for `critic_loss`.
            task_loss: The model's own loss, a scalar with graph, for an adversarial weight that is
                ``"adaptive"`` or ``"balanced"``.
            last_layer: The weight of the model's last layer, for ``"adaptive"``.

        Returns:
            The loss to add to the model's own, penalties included: a scalar.

        Raises:
            ValueError: If no sample or weight carries gradient or `task_loss` carries none, unless
                gradients are switched off; the loss is then that of this process's samples.
        """
        # The task loss depends on the output itself, not on its cast to the critic's precision.
        output = fake
        real, fake, weights = self._prepared(real, fake, real_weights, fake_weights)
        contracts.check_gradient((real, fake, *weights))
        self.weighting.check(task_loss, last_layer)
        self._note_sides(real, fake, weights)
        self._note_player_loss(real, fake, weights)
        factor = self.timing.weight(self.steps_done)
        if factor == 0:
            return added(x.sum() * 0 for x in samples.tensors(fake) if x.is_floating_point())
        # Without gradient it may be a report, which one process may ask for.
        together = nullcontext() if torch.is_grad_enabled() else distributed.only_this_process()
        with freeze(self.critic), together:
            loss = self._sum_and_keep(self._losses.learner(self.critic, real, fake, *weights))
        held = [x for x in (real, *weights, samples.fixed(fake, self.conditions)) if x is not None]
        return self.weighting(
            loss,
            output,
            task_loss,
            last_layer,
            self.conditions,
            factor=factor,
            only_output=not any(map(samples.carries_gradient, held)),
        )

    def reversed_loss(
        self,
        real: Samples,
        fake: Samples,
        real_weights: Weights = None,
        fake_weights: Weights = None,
        *,
        adversarial_weight: Tensor | float | None = None,
    ) -> Tensor:
        r"""Compute both losses for one backward pass, by gradient reversal; call `step` afterwards.

        .. math::
            \min_\phi C(\theta, \phi) + \sum_k R_k(\phi), \qquad
            \min_\theta L(\theta) - c\,C(\theta, \phi)

        It is the zero-sum game, without the objective's `player_loss` and without penalties on the
        generator, such as feature matching. With a critic that is not trained
        there is nothing to reverse: it is ``adversarial_weight * player_loss(real, fake)``.

        Args:
            real: As for `player_loss`.
            fake: As for `player_loss`.
            real_weights: As for `critic_loss`.
            fake_weights: As for `critic_loss`.
            adversarial_weight: c, by which the reversed gradient to the samples is multiplied; the
                weight of this adversary if None.

        Returns:
            The critic's loss, penalties included: a scalar to be added to the model's own loss.
        """
        if adversarial_weight is None:
            adversarial_weight = self.weighting.fixed()
        # Not in place: a captured step has a tensor here, which the next step reads again.
        adversarial_weight = adversarial_weight * self.timing.weight(self.steps_done)
        real, fake, weights = self._prepared(real, fake, real_weights, fake_weights)
        contracts.check_gradient((real, fake, *weights))
        self._note_sides(real, fake, weights)
        self._note_player_loss(real, fake, weights)
        if self.optimizer is None:
            found = self._losses.learner(self.critic, real, fake, *weights)
            return adversarial_weight * self._sum_and_keep(found)
        sides = (
            reverse_gradient(real, adversarial_weight),
            reverse_gradient(fake, adversarial_weight),
        )
        found = self._losses.critic(self.critic, *sides, *weights)
        return self._sum_and_keep(found, (samples.detach(real), samples.detach(fake)))

    def step(self, scaler: torch.amp.GradScaler | None = None, clip: float | None = None) -> Tensor:
        """Move the critic with the gradients its parameters hold, and clear them.

        Args:
            scaler: The gradient scaler of an fp16 loop, which scaled the loss; its `update` is
                called by the loop, once for all optimizers.
            clip: Largest norm of the gradient; larger ones are scaled down to it.

        Returns:
            The norm of the gradient before clipping, a detached scalar on the device; 0 where
            there is no gradient.

        Raises:
            ValueError: If a parameter of the critic requires grad that the optimizer does not have.
        """
        if clip is not None:
            check_number("clip", clip, low=0, open_low=True)
        norm = self.move_weights(scaler, clip)
        self.finish_step()
        return norm
