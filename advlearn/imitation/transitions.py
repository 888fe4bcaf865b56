"""Steps of an environment as tensors, a memory of them, and what a critic sees of them."""

from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

Inputs = Literal["state-action", "state", "state-next", "state-action-next"]
INPUTS = ("state-action", "state", "state-next", "state-action-next")


class Transitions(NamedTuple):
    """N steps: what was seen, what was done, what came of it.

    Attributes:
        observations: Observations, float32 (N, d).
        actions: Actions as the environment took them, float32 (N, k) or int64 (N,).
        next_observations: Observations after the step, float32 (N, d); the last one where an episode ended.
        terminated: Whether the environment, not a time limit, ended the episode, bool (N,).
    """

    observations: Tensor
    actions: Tensor
    next_observations: Tensor
    terminated: Tensor

    @classmethod
    def of(cls, observations: Any, actions: Any, next_observations: Any, terminated: Any) -> "Transitions":
        """Transitions from arrays of N rows."""
        acts = torch.as_tensor(actions)
        return cls(
            torch.as_tensor(observations, dtype=torch.float32),
            acts.float() if acts.is_floating_point() else acts.long(),
            torch.as_tensor(next_observations, dtype=torch.float32),
            torch.as_tensor(terminated, dtype=torch.bool),
        )

    @property
    def size(self) -> int:
        """Number of steps N."""
        return self.observations.shape[0]

    def at(self, rows: Tensor | slice) -> "Transitions":
        """The transitions with these row numbers."""
        return Transitions(*(part[rows] for part in self))

    def to(self, device: torch.device | str) -> "Transitions":
        """The same transitions on a device."""
        return Transitions(*(part.to(device) for part in self))

    def draw(self, n: int) -> "Transitions":
        """`n` of them at random, with replacement."""
        return self.at(torch.randint(self.size, (n,), device=self.observations.device))


@final
class Memory:
    """The newest transitions, up to a capacity.

    Args:
        capacity: Most transitions that are kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held: Transitions | None = None

    def add(self, new: Transitions) -> None:
        """Keep `new`, and let go of the oldest beyond the capacity."""
        joined = new if self.held is None else Transitions(*map(torch.cat, zip(self.held, new, strict=True)))
        self.held = joined.at(slice(max(0, joined.size - self.capacity), None))

    def draw(self, n: int) -> Transitions:
        """`n` transitions at random, with replacement.

        Raises:
            RuntimeError: Before any was added.
        """
        if self.held is None:
            raise RuntimeError("memory: add transitions first")
        return self.held.draw(n)


@final
class Encoder(nn.Module):
    """What a critic sees of a transition: standardised vectors, a flag for the absorbing state behind an end.

    Statistics are those of the demonstrations and stay as they are, so that a reward does not drift with the policy. A
    feature that is constant there is left at its own scale.

    Args:
        demonstrations: Where the statistics come from.
        choices: Number of discrete actions, counted from `first`; 0 for vectors.
        first: The smallest discrete action.
        inputs: ``"state-action"``, ``"state"``, ``"state-next"`` (no actions needed) or ``"state-action-next"``.

    Raises:
        ValueError: Any other `inputs`.

    Example:
        >>> steps = Transitions.of(torch.randn(9, 3), torch.arange(9) % 2, torch.randn(9, 3), torch.zeros(9))
        >>> Encoder(steps, choices=2)(steps).shape
        torch.Size([9, 6])
    """

    mean: Tensor
    scale: Tensor
    action_mean: Tensor
    action_scale: Tensor

    def __init__(
        self, demonstrations: Transitions, *, choices: int = 0, first: int = 0, inputs: Inputs = "state-action"
    ) -> None:
        super().__init__()
        if inputs not in INPUTS:
            raise ValueError(f"inputs: expected one of {', '.join(INPUTS)}, got {inputs!r}")
        self.choices = choices
        self.first = first
        self.inputs: Inputs = inputs
        mean, scale = _statistics(demonstrations.observations)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        if not choices:
            action_mean, action_scale = _statistics(demonstrations.actions)
            self.register_buffer("action_mean", action_mean)
            self.register_buffer("action_scale", action_scale)

    @property
    def width(self) -> int:
        """Size of a vector that comes out."""
        state = self.mean.shape[0] + 1
        action = self.choices or self.action_mean.shape[0]
        return state + action * ("action" in self.inputs) + state * ("next" in self.inputs)

    def states(self, observations: Tensor) -> Tensor:
        """Standardised observations and a flag that is 0: (N, d + 1)."""
        flag = observations.new_zeros(observations.shape[0], 1)
        return torch.cat([(observations - self.mean) / self.scale, flag], 1)

    def forward(self, steps: Transitions) -> Tensor:
        """Vectors (N, width) of transitions."""
        parts = [self.states(steps.observations)]
        if "action" in self.inputs:
            parts.append(self._actions(steps.actions))
        if "next" in self.inputs:
            after = self.states(steps.next_observations)
            parts.append(torch.where(steps.terminated[:, None], self.absorbing_state(steps.size), after))
        return torch.cat(parts, 1)

    def absorbing_state(self, n: int) -> Tensor:
        """The absorbing state, as `states` would give it: (n, d + 1)."""
        vector = self.mean.new_zeros(n, self.mean.shape[0] + 1)
        vector[:, -1] = 1
        return vector

    def absorbing(self, n: int) -> Tensor:
        """The vector of the absorbing state, where nothing is seen or done and the flag is 1: (n, width)."""
        state = self.absorbing_state(n)
        rest = self.mean.new_zeros(n, self.width - state.shape[1] * (1 + ("next" in self.inputs)))
        return torch.cat([state, rest, state] if "next" in self.inputs else [state, rest], 1)

    def _actions(self, actions: Tensor) -> Tensor:
        if self.choices:
            return (actions[:, None] - self.first == torch.arange(self.choices, device=actions.device)).to(self.mean)
        return (actions - self.action_mean) / self.action_scale


def _statistics(values: Tensor) -> tuple[Tensor, Tensor]:
    scale = values.std(0)
    return values.mean(0), torch.where(scale > 1e-6, scale, torch.ones_like(scale))
