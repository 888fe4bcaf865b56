"""The reward that an adversary gives for transitions, and the steps that train it."""

from collections.abc import Callable
from typing import Any, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.samples import Samples, concatenate, rows
from advlearn.core.modules import eval_mode
from advlearn.core.objective import Setwise
from advlearn.imitation.demonstrations.layout import flat
from advlearn.imitation.demonstrations.transitions import Encoder, Transitions
from advlearn.imitation.rewards.airl_critic import AIRLCritic
from advlearn.imitation.rewards.shapes import REWARD_SHAPES, RewardShape

LogProb = Callable[[Transitions], Tensor]

# Rows of each side that a distance between two sets compares: its matrices grow with their product,
# and a long record of an expert would not fit into memory.
COMPARED = 2048


@final
class LearnedReward:
    r"""An adversary of the expert's transitions against the policy's, as a reward.

    With `absorbing`, an episode that the environment ends goes on for ever in an absorbing state,
    which experts and policies may reach alike. Its reward r_a is the critic's like any other, and a
    last step is paid what follows it,

    .. math:: r_T + \frac{\gamma}{1 - \gamma}\, r_a,

    so that ending and living on are weighed by what the expert did, not by the sign of the reward.

    Args:
        adversary: The critic with its objective; of a `AIRLCritic` if `log_prob` is given.
        encoder: What the critic sees of a transition.
        demonstrations: The expert's transitions, on the critic's device.
        reward_shape: Shape of the reward, a key of `REWARD_SHAPES`, a function from scores (N,) to
            rewards (N,), or ``"own"`` for the objective's reward.
        gamma: Discount.
        absorbing: Whether there is an absorbing state.
        log_prob: The policy's log-probability of the actions of transitions; for AIRL.

    Raises:
        ValueError: An unknown form, or a `log_prob` where the demonstrations have no actions.

    Reference:
        Kostrikov et al., "Discriminator-Actor-Critic", 2019, section 4.2.

    Deviations:
        The value of the absorbing state is written down, not learned; both sides hold one absorbing
        state for each end; its flag is 10 standard deviations from everything, not 1. A critic that
        learns a ratio finds the same one however often both sides show a state. The witness of an
        objective that compares sets grows with the share of a state instead, so there an end counts
        as the gamma / (1 - gamma) discounted steps that it lasts.
    """

    def __init__(
        self,
        adversary: Adversary,
        encoder: Encoder,
        demonstrations: Transitions,
        *,
        reward_shape: RewardShape | Callable[[Tensor], Tensor] = "own",
        gamma: float = 0.99,
        absorbing: bool = False,
        log_prob: LogProb | None = None,
    ) -> None:
        if not callable(reward_shape) and reward_shape not in ("own", *REWARD_SHAPES):
            raise ValueError(
                f"reward: expected a function or one of own, {', '.join(REWARD_SHAPES)}, got "
                f"{reward_shape!r}"
            )
        if log_prob is not None and not demonstrations.has_actions:
            raise ValueError(
                "objective: AIRL weighs what the expert did, and the demonstrations have no actions"
            )
        self.adversary = adversary
        self.encoder = encoder
        self.demonstrations = demonstrations
        self.reward_shape = reward_shape
        self.gamma = gamma
        self.absorbing = absorbing
        self.log_prob = log_prob

    def update(self, policy: Transitions, batch_size: int) -> Tensor:
        """One step of the critic on as many transitions of the expert and of `policy`; returns its loss."""
        expert = self.demonstrations.draw(batch_size)
        return self.adversary.update(
            self._compared(expert), self._compared(policy.draw(batch_size))
        )

    @torch.no_grad()
    def of(self, steps: Transitions) -> Tensor:
        """The reward of each transition, float32 (N,), for the policy that is training against the critic."""
        return self._paid(self._scored(steps), steps)

    @torch.no_grad()
    def recovered(self, steps: Transitions) -> Tensor:
        """The reward of each transition, float32 (N,), for any other policy.

        AIRL's critic is a reward, a shaping and the log-probability of the policy it was trained
        against; the reward alone is what goes on to other policies and dynamics. Every other critic
        gives the same as `of`.

        Reference: Fu et al. 2018, section 6 (disentangled rewards).
        """
        critic = self.adversary.critic
        shaped = next((part for part in critic.modules() if isinstance(part, AIRLCritic)), None)
        if shaped is None:
            return self.of(steps)
        with eval_mode(critic):
            x = self.encoder(steps)
            return self._paid(
                shaped.reward(torch.cat([x, self.encoder.absorbing(1)]) if self.absorbing else x),
                steps,
            )

    def _paid(self, scored: Tensor, steps: Transitions) -> Tensor:
        """Scores of transitions, and of the absorbing states behind them if any, as the reward of each transition."""
        scored, absorbed = scored[: steps.size], scored[steps.size :]
        if not len(absorbed):
            return scored
        return scored + steps.terminated * (self.gamma / (1 - self.gamma)) * absorbed.mean()

    def __call__(
        self, observations: Any, actions: Any, next_observations: Any, terminated: Any
    ) -> NDArray[np.float32]:
        """The recovered reward of arrays of N rows, float32 (N,): for a loop that knows no tensors."""
        steps = Transitions.of(flat(observations), actions, flat(next_observations), terminated)
        return self.recovered(steps.to(self.demonstrations.observations.device)).cpu().numpy()

    def figures(self) -> dict[str, float]:
        """The latest losses and penalties of the critic, by name."""
        return {name: float(value) for name, value in self.adversary.last_losses.items()}

    def samples(self, steps: Transitions) -> Samples:
        """What the critic sees of transitions, and of an absorbing state for each end among them."""
        x = self.encoder(steps)
        ended = self.absorbing and bool(steps.terminated.any())
        beyond = self._beyond(int(steps.terminated.sum())) if ended else None
        if self.log_prob is None:
            return x if beyond is None else concatenate(x, beyond)
        o, after = (
            self.encoder.states(steps.observations),
            self.encoder.states(steps.next_observations),
        )
        goes_on = 1 - steps.terminated.to(x)
        if self.absorbing:  # nothing ends then
            after = torch.where(
                steps.terminated[:, None], self.encoder.absorbing_state(steps.size), after
            )
            goes_on = torch.ones_like(goes_on)
        seen = x, o, after, goes_on, self.log_prob(steps)
        return seen if beyond is None else concatenate(seen, beyond)

    def _beyond(self, n: int) -> Samples:
        """What the critic sees in the absorbing state, where there is nothing to choose."""
        x = self.encoder.absorbing(n)
        if self.log_prob is None:
            return x
        o = self.encoder.absorbing_state(n)
        return x, o, o, x.new_ones(n), x.new_zeros(n)

    def _scored(self, steps: Transitions) -> Tensor:
        """The reward at each transition, and at the absorbing state behind each end."""
        samples, objective = self.samples(steps), self.adversary.objective
        if callable(self.reward_shape):
            return self.reward_shape(self.adversary.score(samples))
        if self.reward_shape != "own":
            return REWARD_SHAPES[self.reward_shape](self.adversary.score(samples))
        if objective.pointwise:
            return self.adversary.reward(samples)
        real = self._compared(self.demonstrations)
        if not isinstance(objective, Setwise):
            return self.adversary.reward(samples, real)
        points = rows(self.adversary.score(samples))
        expert = rows(self.adversary.score(real))
        policy = points[self._visits(steps, len(points))]
        return objective.witness(points, _spaced(expert), _spaced(policy))

    def _compared(self, steps: Transitions) -> Samples:
        """What the critic is shown of transitions; of sets, each state as often as it is visited."""
        samples = self.samples(steps)
        if isinstance(samples, Tensor) and isinstance(self.adversary.objective, Setwise):
            return samples[self._visits(steps, len(samples))]
        return samples

    def _visits(self, steps: Transitions, seen: int) -> Tensor:
        """As many indices as transitions into the `seen` states, the absorbing ones last, each as often as visited."""
        lasting = (seen - steps.size) * self.gamma / (1 - self.gamma)
        kept = max(1, round(steps.size * steps.size / (steps.size + lasting)))
        device = steps.terminated.device
        shown = torch.full((steps.size,), steps.size, device=device)  # the first absorbing state
        shown[:kept] = (
            torch.linspace(0, steps.size - 1, kept, dtype=torch.float64, device=device)
            .round()
            .long()
        )
        return shown


def _spaced(samples: Tensor) -> Tensor:
    """Return at most `COMPARED` rows at even spacing."""
    return samples[:: -(-len(samples) // COMPARED)]
