"""The reward of transitions under an adversary, and the training steps of its critic."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.arguments import checked
from advlearn.core.modules import eval_mode
from advlearn.core.objective import Setwise
from advlearn.core.samples import Samples, concatenate, rows
from advlearn.imitation.demonstrations.layout import flat
from advlearn.imitation.demonstrations.transitions import Encoder, Transitions
from advlearn.imitation.rewards.airl_critic import AIRLCritic
from advlearn.imitation.rewards.shapes import REWARD_SHAPES, RewardShape

LogProb = Callable[[Transitions], Tensor]

# Largest number of rows of each side in a distance between two sets, whose matrices grow with the
# product of the two numbers.
COMPARED = 2048


@checked
@final
class LearnedReward:
    r"""Compute rewards from an adversary that separates the expert's and the policy's transitions.

    With `absorbing`, an episode that the environment ends continues for ever in an absorbing state.
    The critic gives this state a reward r_a, and the last step of the episode gets the reward

    .. math:: r_T + \frac{\gamma}{1 - \gamma}\, r_a,

    so that the expert's behaviour, and not the sign of the reward, decides whether it is better to
    end an episode or to continue it.

    Args:
        adversary: The critic with its objective; the critic is an `AIRLCritic` if `log_prob` is
            given.
        encoder: Encodes transitions as the critic's inputs.
        demonstrations: The expert's transitions, on the critic's device.
        reward_shape: Shape of the reward, a key of `REWARD_SHAPES`, a function from scores (N,) to
            rewards (N,), or ``"own"`` for the objective's own reward.
        gamma: Discount.
        absorbing: Whether there is an absorbing state.
        log_prob: Function from transitions to the policy's log-probability of their actions; for
            AIRL.
        window: Number of observations, the oldest first, in each vector of the transitions.

    Attributes:
        policy: Transitions of the policy in the last update, at most 2,048 of them, with which an
            objective that compares sets scores every transition; None before the first update,
            when the scored transitions are that set.

    Raises:
        ValueError: If the shape of the reward is unknown, or `log_prob` is given and the
            demonstrations have no actions.

    Reference:
        Kostrikov et al., "Discriminator-Actor-Critic", 2019, section 4.2.

    Deviations:
        The value of the absorbing state is computed in closed form, not learned. Both sides hold
        one absorbing state for each end. Its flag is 10 standard deviations, not 1. A critic that
        learns a density ratio is independent of how often both sides hold a state. The witness of
        an objective that compares sets grows with the share of a state, so there each end has the
        weight of its gamma / (1 - gamma) discounted steps.
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
        window: int = 1,
    ) -> None:
        if not callable(reward_shape) and reward_shape not in ("own", *REWARD_SHAPES):
            raise ValueError(
                f"reward: expected a function or one of own, {', '.join(REWARD_SHAPES)}, got "
                f"{reward_shape!r}"
            )
        if log_prob is not None and not demonstrations.has_actions:
            raise ValueError(
                "demonstrations: expected some with actions, which AIRL needs, got observations "
                "only; use method='gail' with critic_inputs='state-next'"
            )
        self.adversary = adversary
        self.encoder = encoder
        self.demonstrations = demonstrations
        self.reward_shape = reward_shape
        self.gamma = gamma
        self.absorbing = absorbing
        self.log_prob = log_prob
        self.window = window
        self.policy: Transitions | None = None

    def update(self, policy: Transitions, batch_size: int) -> Tensor:
        """Train the critic for one step.

        In a process group each process draws its part of the batch, and the gradients are
        averaged. With absorbing states, whose number differs, each scores the whole batch.

        Args:
            policy: The policy's transitions to draw from.
            batch_size: Transitions drawn from the expert, and from the policy.

        Returns:
            The critic's loss.
        """
        self._note(policy)
        expert, drawn = self.demonstrations.draw(batch_size), policy.draw(batch_size)
        if self.absorbing and not isinstance(self.adversary.objective, Setwise):
            expert, drawn = expert.joined(), drawn.joined()
        return self.adversary.update(self._compared(expert), self._compared(drawn))

    @torch.no_grad()
    def of(self, steps: Transitions) -> Tensor:
        """Return the reward of each transition, float32 (N,), for the policy that is trained."""
        return self._with_absorbed(self._rewards(steps), steps)

    @torch.no_grad()
    def recovered(self, steps: Transitions) -> Tensor:
        """Return the reward of each transition, float32 (N,), for any other policy.

        AIRL's critic is the sum of a reward, a shaping and the log-probability of the trained
        policy; only the reward transfers to other policies and dynamics. For every other critic the
        result is that of `of`.

        Reference: Fu et al. 2018, section 6 (disentangled rewards).
        """
        critic = self.adversary.critic
        shaped = next((part for part in critic.modules() if isinstance(part, AIRLCritic)), None)
        if shaped is None:
            return self.of(steps)
        with eval_mode(critic):
            x = self.encoder(steps)
            return self._with_absorbed(
                shaped.reward(torch.cat([x, self.encoder.absorbing(1)]) if self.absorbing else x),
                steps,
            )

    def _with_absorbed(self, rewards: Tensor, steps: Transitions) -> Tensor:
        """Add the value of the absorbing states, if any, to the reward of each last step.

        Args:
            rewards: Rewards of the transitions, then of the absorbing states.
            steps: The transitions.
        """
        rewards, absorbed = rewards[: steps.size], rewards[steps.size :]
        if not len(absorbed):
            return rewards
        return rewards + steps.terminated * (self.gamma / (1 - self.gamma)) * absorbed.mean()

    def __call__(
        self, observations: Any, actions: Any, next_observations: Any, terminated: Any
    ) -> NDArray[np.float32]:
        """Return the recovered reward of arrays of N rows, float32 (N,)."""
        steps = Transitions.of(flat(observations), actions, flat(next_observations), terminated)
        return self.recovered(steps.to(self.demonstrations.observations.device)).cpu().numpy()

    def figures(self) -> dict[str, float]:
        """Return the latest losses, penalties, scores and accuracy of the critic by name."""
        latest = {**self.adversary.last_losses, **self.adversary.last_scores}
        if not latest:
            return {}
        # One read, since each waits for the device.
        values: list[float] = torch.stack([value.double() for value in latest.values()]).tolist()
        return dict(zip(latest, values, strict=True))

    def samples(self, steps: Transitions) -> Samples:
        """Return the critic's inputs for transitions, then for an absorbing state for each end."""
        x = self.encoder(steps)
        ended = self.absorbing and bool(steps.terminated.any())
        absorbed = self._absorbed(int(steps.terminated.sum())) if ended else None
        if self.log_prob is None:
            return x if absorbed is None else concatenate(x, absorbed)
        o, after = (
            self.encoder.states(steps.observations),
            self.encoder.states(steps.next_observations),
        )
        continues = 1 - steps.terminated.to(x)
        if self.absorbing:  # then no episode ends
            after = torch.where(
                steps.terminated[:, None], self.encoder.absorbing_state(steps.size), after
            )
            continues = torch.ones_like(continues)
        inputs = x, o, after, continues, self.log_prob(steps)
        return inputs if absorbed is None else concatenate(inputs, absorbed)

    def _absorbed(self, n: int) -> Samples:
        """Return the critic's inputs for `n` absorbing states, with log-probabilities of 0."""
        x = self.encoder.absorbing(n)
        if self.log_prob is None:
            return x
        o = self.encoder.absorbing_state(n)
        return x, o, o, x.new_ones(n), x.new_zeros(n)

    def _rewards(self, steps: Transitions) -> Tensor:
        """Return the rewards of transitions, then of the absorbing state after each end."""
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
        if self.policy is None:
            policy = points[self._visits(steps, len(points))]
        else:
            policy = rows(self.adversary.score(self._compared(self.policy)))
        return objective.witness(points, _spaced(expert), _spaced(policy))

    def _note(self, policy: Transitions) -> None:
        """Keep transitions of the policy for an objective that compares sets."""
        if not isinstance(self.adversary.objective, Setwise):
            return
        joined = policy.joined()
        some = joined.at(slice(None, None, -(-joined.size // COMPARED)))
        if self.policy is None or self.policy.size != some.size:
            self.policy = Transitions(*(part.clone() for part in some))
            return
        # In place, since a CUDA graph reads and writes fixed tensors.
        for kept, part in zip(self.policy, some, strict=True):
            kept.copy_(part)

    def _compared(self, steps: Transitions) -> Samples:
        """Return the critic's inputs; for a set-wise objective, each as often as it is visited."""
        samples = self.samples(steps)
        if isinstance(samples, Tensor) and isinstance(self.adversary.objective, Setwise):
            return samples[self._visits(steps, len(samples))]
        return samples

    def _visits(self, steps: Transitions, states: int) -> Tensor:
        """Return indices of states, each as often as it is visited, as many as transitions.

        Args:
            steps: The transitions.
            states: Number of states: those of the transitions, then the absorbing ones.
        """
        absorbed = (states - steps.size) * self.gamma / (1 - self.gamma)
        count = max(1, round(steps.size * steps.size / (steps.size + absorbed)))
        device = steps.terminated.device
        # The rest are visits of the first absorbing state.
        indices = torch.full((steps.size,), steps.size, device=device)
        spaced = torch.linspace(0, steps.size - 1, count, dtype=torch.float64, device=device)
        indices[:count] = spaced.round().long()
        return indices


def _spaced(samples: Tensor) -> Tensor:
    """Return at most `COMPARED` evenly spaced rows."""
    return samples[:: -(-len(samples) // COMPARED)]
