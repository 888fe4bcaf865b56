"""The adversary of a model: a critic with its objective, regularizers and optimiser."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import copy
from collections.abc import Callable
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from advlearn.core import critic_batch, distributed
from advlearn.core.chain import FALLBACK, Chain, Defaults
from advlearn.core.critic_batch import CriticBatch, Samples
from advlearn.core.gradient_reversal import reverse_gradient
from advlearn.core.grammar import Spec, resolve
from advlearn.core.health import Health, diagnose
from advlearn.core.modules import eval_mode, freeze
from advlearn.core.optim import added, backward, build_optimizer, clear

OptimizerFactory = Callable[[list[nn.Parameter]], torch.optim.Optimizer]
Losses = dict[str, Tensor]


@final
class Adversary(nn.Module):
    r"""Train a critic against a model, in any training loop.

    `update` makes one critic step; `player_loss` is the loss of the generator, with the critic held
    fixed. For one backward pass for both, use `reversed_loss`, then `step`.

    .. math:: \min_\phi C(\theta, \phi) + \sum_k R_k(\phi), \qquad \min_\theta L(\theta) + \lambda P(\theta, \phi)

    Args:
        critic: Module that scores samples (N, ...) as (N,) or (N, 1), or as the objective's `score`
            tag says; a tuple of samples is unpacked into its arguments. Move it to its device
            first.
        objective: A string such as ``"hinge + spectral_norm"``, an `Objective` or a `Chain`.
        optimizer: ``"adam"``, ``"rmsprop"``, ``"sgd"``, or a callable from a list of parameters to
            an optimizer; the chain's default if None.
        lr: Learning rate, unless `optimizer` is a callable; the chain's if None.
        critic_steps: Critic steps that a Trainer makes for each learner step; the chain's if None.
        adversarial_weight: Weight lambda of this adversary in the learner's loss, used by the
            Trainer.
        compile: Compile the losses, penalties included, with ``torch.compile``.

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
        optimizer: OptimizerFactory | str | None = None,
        lr: float | None = None,
        critic_steps: int | None = None,
        adversarial_weight: float = 1.0,
        compile: bool = False,
    ) -> None:
        if critic_steps is not None and critic_steps < 1:
            raise ValueError(f"critic_steps: expected at least 1, got {critic_steps}")
        super().__init__()
        # A copy, since objectives and regularizers hold state that two adversaries must not share.
        self.chain: Chain = copy.deepcopy(resolve(objective))
        self.objective = self.chain.required_objective()
        self.regularizers = nn.ModuleList(self.chain.regularizers)
        self.defaults = Defaults(critic_steps=critic_steps).over(self.chain.defaults).over(FALLBACK)
        self.adversarial_weight = adversarial_weight
        for regularizer in self.chain.regularizers:
            critic = regularizer.wrap(critic)
        self.critic = critic
        # State on the host would make each step wait for the device.
        place = next((p.device for p in critic.parameters()), None)
        if place is not None:
            self.objective.to(place)
            self.regularizers.to(place)
        parameters = [p for p in critic.parameters() if p.requires_grad]
        self._parameters_of_critic = parameters if self.objective.trains_critic else []
        self._apart = critic_batch.mixes_samples(critic)
        self.optimizer = self._make_optimizer(optimizer, lr) if self._parameters_of_critic else None
        self.last_losses: Losses = {}
        self._last: tuple[Samples, Samples] | None = None
        self._checked = False
        self._critic_terms = cast(
            Callable[..., Losses],
            torch.compile(self._score_critic) if compile else self._score_critic,
        )
        self._player_terms = cast(
            Callable[..., Losses],
            torch.compile(self._score_player) if compile else self._score_player,
        )

    def update(
        self,
        real: Samples,
        fake: Samples,
        real_weights: Tensor | None = None,
        fake_weights: Tensor | None = None,
    ) -> Tensor:
        """Make one step of the critic.

        Args:
            real: Real, expert or source samples (N, ...), or a tuple of such tensors; detached
                here.
            fake: Fake, policy or target samples (M, ...), likewise.
            real_weights: Weights of the real samples, (N,); detached here.
            fake_weights: Weights of the fake samples, (M,), likewise.

        Returns:
            The critic's loss before the step, penalties included: a detached scalar on the device.
            Its parts are in `last_losses`.
        """
        self._check(real, fake)
        real, fake = (
            critic_batch.detach(real),
            critic_batch.detach(critic_batch.matched(fake, real)),
        )
        # Weights may carry gradient too: a policy gradient flows through them.
        real_weights, fake_weights = (
            None if w is None else w.detach() for w in (real_weights, fake_weights)
        )
        self._last = (real, fake)
        if self.optimizer is None:
            return torch.zeros((), device=critic_batch.as_tuple(real)[0].device)
        clear(self._parameters_of_critic)
        for regularizer in self.chain.regularizers:
            fake, fake_weights = regularizer.filter_fakes(fake, fake_weights)
        terms = self._critic_terms(real, fake, real_weights, fake_weights)
        total = self._sum_and_keep(terms)
        backward(total)
        self._step()
        return total.detach()

    def player_loss(
        self,
        real: Samples,
        fake: Samples,
        real_weights: Tensor | None = None,
        fake_weights: Tensor | None = None,
    ) -> Tensor:
        """Compute the generator's loss, with no gradient to the critic.

        Args:
            real: As for `update`; gradient flows into it where it carries one (adaptation,
                fairness).
            fake: As for `update`; carries the learner's gradient.
            real_weights: Weights of the real samples, (N,).
            fake_weights: Weights of the fake samples, (M,).

        Returns:
            The learner's loss, penalties included: a scalar.
        """
        self._check(real, fake)
        fake = critic_batch.matched(fake, real)
        self._last = (critic_batch.detach(real), critic_batch.detach(fake))
        with freeze(self.critic):
            terms = self._player_terms(real, fake, real_weights, fake_weights)
        return self._sum_and_keep(terms)

    def reversed_loss(
        self,
        real: Samples,
        fake: Samples,
        real_weights: Tensor | None = None,
        fake_weights: Tensor | None = None,
        *,
        adversarial_weight: float = 1.0,
    ) -> Tensor:
        r"""Compute both losses for one backward pass, by gradient reversal; call `step` afterwards.

        .. math:: \min_\phi C(\theta, \phi) + \sum_k R_k(\phi), \qquad \min_\theta L(\theta) - c\,C(\theta, \phi)

        It is the zero-sum game, without the objective's `player_loss` and without penalties on the
        generator, such as feature matching. With a critic that is not trained
        there is nothing to reverse: it is ``adversarial_weight * player_loss(real, fake)``.

        Args:
            real: As for `player_loss`.
            fake: As for `player_loss`.
            real_weights: Weights of the real samples, (N,).
            fake_weights: Weights of the fake samples, (M,).
            adversarial_weight: c, what the gradient to the samples is multiplied by, beside its
                change of sign.

        Returns:
            The critic's loss, penalties included: a scalar to be added to the model's own loss.
        """
        if self.optimizer is None:
            return adversarial_weight * self.player_loss(real, fake, real_weights, fake_weights)
        self._check(real, fake)
        fake = critic_batch.matched(fake, real)
        self._last = (critic_batch.detach(real), critic_batch.detach(fake))
        sides = (
            reverse_gradient(real, adversarial_weight),
            reverse_gradient(fake, adversarial_weight),
        )
        return self._sum_and_keep(self._critic_terms(*sides, real_weights, fake_weights))

    def step(self) -> None:
        """Update the critic with the gradients of `reversed_loss`, and clear them."""
        if self.optimizer is not None:
            self._step()
            clear(self._parameters_of_critic)

    @torch.no_grad()
    def score(self, x: Samples) -> Tensor:
        """Score `x` in evaluation mode, without gradient: (N,), or the critic's shape."""
        with eval_mode(self.critic):
            return critic_batch.score(self.critic, x)

    @torch.no_grad()
    def reward(self, x: Samples, real: Samples | None = None) -> Tensor:
        """Compute the reward of each sample of `x`, (N,): high where it resembles real samples.

        Args:
            x: Samples of the fake or policy side.
            real: Samples of the real or expert side; needed by objectives that compare sets.
        """
        with eval_mode(self.critic):
            scores = critic_batch.score(self.critic, x)
            real_scores = None if real is None else critic_batch.score(self.critic, real)
        return self.objective.reward(
            CriticBatch(self.critic, x if real is None else real, x, real_scores, scores)
        )

    def critic_batch(self, real: Samples, fake: Samples) -> CriticBatch:
        """Return the two sides with their scores, the input of objective and regularizers."""
        scores = critic_batch.score_both(self.critic, real, fake, apart=self._apart)
        return CriticBatch(self.critic, real, fake, *scores)

    def health(self) -> Health:
        """Diagnose this adversary on the last batch, as in balance, winning, dead or collapsed.

        Raises:
            RuntimeError: Before the first `update` or `player_loss`.
        """
        if self._last is None:
            raise RuntimeError(
                "health: expected a batch, got none; call update or player_loss first"
            )
        return diagnose(self.critic, self.objective, self.chain.regularizers, *self._last)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the optimiser's state, so that a checkpoint resumes exactly."""
        return {"optimizer": None if self.optimizer is None else self.optimizer.state_dict()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the state of `get_extra_state`."""
        if self.optimizer is not None and state["optimizer"] is not None:
            # A copy, since the optimiser keeps these tensors and adversaries must not share
            # moments.
            self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))

    def extra_repr(self) -> str:
        """Return the chain's spec, for the printed module."""
        return repr(self.chain)

    def _score_critic(
        self, real: Samples, fake: Samples, rw: Tensor | None, fw: Tensor | None
    ) -> Losses:
        needed = self.objective.critic_needs_real or bool(self.chain.regularizers)
        batch = CriticBatch(self.critic, real, fake, *self._scores(real, fake, needed), rw, fw)
        terms = {"critic_loss": self.objective.critic_loss(self._gather_scores(batch))}
        if self.chain.regularizers and (
            critic_batch.carries_gradient(real) or critic_batch.carries_gradient(fake)
        ):
            # A (reversed) gradient of the penalties must not reach the samples.
            sides = critic_batch.detach(real), critic_batch.detach(fake)
            batch = CriticBatch(
                self.critic,
                *sides,
                *critic_batch.score_both(self.critic, *sides, apart=self._apart),
                rw,
                fw,
            )
        for regularizer in self.chain.regularizers:
            penalty = regularizer.penalty(batch)
            if penalty is not None:
                terms[type(regularizer).__name__] = penalty
        return terms

    def _score_player(
        self, real: Samples, fake: Samples, rw: Tensor | None, fw: Tensor | None
    ) -> Losses:
        moved = self.objective.moves_both_sides and critic_batch.carries_gradient(real)
        scores = self._scores(real, fake, self.objective.player_needs_real or moved)
        batch = CriticBatch(self.critic, real, fake, *scores, rw, fw)
        terms = {"player_loss": self.objective.player_loss(self._gather_scores(batch))}
        for regularizer in self.chain.regularizers:
            penalty = regularizer.player_penalty(batch)
            if penalty is not None:
                terms[f"player_{type(regularizer).__name__}"] = penalty
        return terms

    def _scores(self, real: Samples, fake: Samples, needed: bool) -> tuple[Tensor | None, Tensor]:
        """Score both sides, or the fake side only where the real scores are not needed."""
        if needed:
            return critic_batch.score_both(self.critic, real, fake, apart=self._apart)
        return None, critic_batch.score(self.critic, fake)

    def _gather_scores(self, batch: CriticBatch) -> CriticBatch:
        """Gather the scores of all processes, unless the objective is decomposable."""
        return batch if self.objective.decomposable else batch.gathered()

    def _sum_and_keep(self, terms: Losses) -> Tensor:
        """Return the sum of the terms, and keep them in `last_losses`."""
        self.last_losses.update({name: value.detach() for name, value in terms.items()})
        return added(terms.values())

    def _step(self) -> None:
        distributed.average_gradients(self._parameters_of_critic)
        cast(torch.optim.Optimizer, self.optimizer).step()
        with torch.no_grad():
            self.objective.update_state()
            for regularizer in self.chain.regularizers:
                regularizer.after_step(self.critic)

    def _make_optimizer(
        self, make: OptimizerFactory | str | None, lr: float | None
    ) -> torch.optim.Optimizer:
        if callable(make):
            return make(self._parameters_of_critic)
        d = self.defaults
        rate = lr if lr is not None else d.critic_lr if d.critic_lr is not None else d.lr
        return build_optimizer(
            make or cast(str, d.optimizer),
            self._parameters_of_critic,
            lr=cast(float, rate),
            betas=cast(tuple[float, float], d.betas),
        )

    def _check(self, real: Samples, fake: Samples) -> None:
        critic_batch.check_sides(real, fake)
        if not self._checked:
            critic_batch.check_scores(self.critic, real)
            self._checked = True
