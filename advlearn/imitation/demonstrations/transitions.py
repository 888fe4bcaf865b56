"""Steps of an environment as tensors, a memory of them, and what a critic sees of them."""

import math
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

CriticInputs = Literal["state-action", "state", "state-next", "state-action-next"]
# Start and shape (C, H, W) of each image in a vector.
Images = tuple[tuple[int, tuple[int, ...]], ...]
# The flag of the absorbing state, in standard deviations of what the expert saw. A critic that may
# not be steep, by a penalty or because it is small, tells only what lies far apart; with a flag of
# 1 the absorbing state is nearer to the expert than most of what a beginner sees, and ending is
# paid like it.
ABSORBING_FLAG = 10.0
INPUTS = ("state-action", "state", "state-next", "state-action-next")


class Transitions(NamedTuple):
    """N steps: what was seen, what was done, what came of it.

    Attributes:
        observations: Observations, float32 (N, d), or uint8 where they are images and nothing else.
        actions: Actions as the environment took them, float32 (N, k) or int64 (N,); (N, 0) where
            they are not known.
        next_observations: Observations after the step, as `observations`; the last one where an
            episode ended.
        terminated: Whether the environment, not a time limit, ended the episode, bool (N,).
    """

    observations: Tensor
    actions: Tensor
    next_observations: Tensor
    terminated: Tensor

    @classmethod
    def of(
        cls, observations: Any, actions: Any, next_observations: Any, terminated: Any
    ) -> "Transitions":
        """Transitions from arrays of N rows."""
        acts = torch.as_tensor(actions)
        return cls(
            _seen(observations),
            acts.float() if acts.is_floating_point() else acts.long(),
            _seen(next_observations),
            torch.as_tensor(terminated, dtype=torch.bool),
        )

    @property
    def size(self) -> int:
        """Number of steps N."""
        return self.observations.shape[0]

    @property
    def has_actions(self) -> bool:
        """Whether it is known what was done."""
        return self.actions.shape[1:] != (0,)

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
class TransitionMemory:
    """The newest transitions, up to a capacity.

    Args:
        capacity: Most transitions that are kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held: Transitions | None = None

    def add(self, new: Transitions) -> None:
        """Keep `new`, and let go of the oldest beyond the capacity."""
        joined = (
            new
            if self.held is None
            else Transitions(*map(torch.cat, zip(self.held, new, strict=True)))
        )
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
    """What a critic sees of a transition: standardised vectors, a flag of 10 in the absorbing state behind an end.

    Statistics are those of the demonstrations and stay as they are, so that a reward does not drift
    with the policy. A feature that is constant there is left at its own scale. Pixels, from 0 to
    255, are mapped to -1 to 1.

    Args:
        demonstrations: Where the statistics come from.
        choices: Number of discrete actions, counted from `first`; 0 for vectors.
        first: The smallest discrete action.
        critic_inputs: ``"state-action"``, ``"state"``, ``"state-next"`` (no actions needed) or
            ``"state-action-next"``.
        images: Start and shape (C, H, W) of each image in an observation; see `layout.Layout`.

    Attributes:
        state_images: Start and shape of each image in what `states` gives.

    Raises:
        ValueError: Any other `inputs`, or one with actions where the demonstrations have none.

    Example:
        >>> steps = Transitions.of(
        ...     torch.randn(9, 3), torch.arange(9) % 2, torch.randn(9, 3), torch.zeros(9)
        ... )
        >>> Encoder(steps, choices=2)(steps).shape
        torch.Size([9, 6])
    """

    mean: Tensor
    scale: Tensor
    action_mean: Tensor
    action_scale: Tensor

    def __init__(
        self,
        demonstrations: Transitions,
        *,
        choices: int = 0,
        first: int = 0,
        critic_inputs: CriticInputs = "state-action",
        images: Images = (),
    ) -> None:
        super().__init__()
        if critic_inputs not in INPUTS:
            raise ValueError(
                f"critic_inputs: expected one of {', '.join(INPUTS)}, got {critic_inputs!r}"
            )
        if "action" in critic_inputs and not demonstrations.has_actions:
            raise ValueError(
                "critic_inputs: expected 'state' or 'state-next', since the demonstrations have no "
                f"actions, got {critic_inputs!r}"
            )
        self.choices = choices
        self.first = first
        self.critic_inputs: CriticInputs = critic_inputs
        self.state_images = images
        mean, scale = _statistics(demonstrations.observations)
        for start, shape in images:
            mean[start : start + math.prod(shape)] = scale[start : start + math.prod(shape)] = 127.5
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
        return (
            state
            + action * ("action" in self.critic_inputs)
            + state * ("next" in self.critic_inputs)
        )

    @property
    def images(self) -> Images:
        """Start and shape of each image in a vector that comes out."""
        if "next" not in self.critic_inputs:
            return self.state_images
        behind = self.width - self.mean.shape[0] - 1
        return self.state_images + tuple(
            (behind + start, shape) for start, shape in self.state_images
        )

    def states(self, observations: Tensor) -> Tensor:
        """Standardised observations and a flag that is 0: (N, d + 1)."""
        flag = self.mean.new_zeros(observations.shape[0], 1)
        return torch.cat([(observations - self.mean) / self.scale, flag], 1)

    def forward(self, steps: Transitions) -> Tensor:
        """Vectors (N, width) of transitions."""
        parts = [self.states(steps.observations)]
        if "action" in self.critic_inputs:
            parts.append(self._actions(steps.actions))
        if "next" in self.critic_inputs:
            after = self.states(steps.next_observations)
            parts.append(
                torch.where(steps.terminated[:, None], self.absorbing_state(steps.size), after)
            )
        return torch.cat(parts, 1)

    def absorbing_state(self, n: int) -> Tensor:
        """The absorbing state, as `states` would give it: (n, d + 1)."""
        vector = self.mean.new_zeros(n, self.mean.shape[0] + 1)
        vector[:, -1] = ABSORBING_FLAG
        return vector

    def absorbing(self, n: int) -> Tensor:
        """The vector of the absorbing state, where nothing is seen or done: (n, width)."""
        state = self.absorbing_state(n)
        rest = self.mean.new_zeros(
            n, self.width - state.shape[1] * (1 + ("next" in self.critic_inputs))
        )
        return torch.cat([state, rest, state] if "next" in self.critic_inputs else [state, rest], 1)

    def _actions(self, actions: Tensor) -> Tensor:
        if self.choices:
            return (
                actions[:, None] - self.first == torch.arange(self.choices, device=actions.device)
            ).to(self.mean)
        return (actions - self.action_mean) / self.action_scale


def _seen(observations: Any) -> Tensor:
    seen = torch.as_tensor(observations)
    return seen if seen.dtype == torch.uint8 else seen.float()


def _statistics(values: Tensor) -> tuple[Tensor, Tensor]:
    values = values.float()
    scale = values.std(0)
    return values.mean(0), torch.where(scale > 1e-6, scale, torch.ones_like(scale))
