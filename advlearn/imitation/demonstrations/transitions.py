"""Transitions as tensors, a memory of transitions, and their encoding for a critic."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value

CriticInputs = Literal["state-action", "state", "state-next", "state-action-next"]
# Start and shape (C, H, W) of each image in a vector.
Images = tuple[tuple[int, tuple[int, ...]], ...]
# The flag of the absorbing state, in standard deviations of the expert's observations. A critic
# with a small slope separates only distant points. With a flag of 1 the absorbing state would be
# nearer to the expert than most observations of an untrained policy, and would be rewarded for it.
ABSORBING_FLAG = 10.0
# Largest distance of an entry from the expert's mean, in standard deviations. A state that a steady
# expert never visits can be hundreds of them away.
LARGEST = 10.0
INPUTS = ("state-action", "state", "state-next", "state-action-next")


class Transitions(NamedTuple):
    """Hold N steps: observations, actions, next observations and terminations.

    Attributes:
        observations: Observations, float32 (N, d), or uint8 if they are images only.
        actions: Actions in the environment's units, float32 (N, k) or int64 (N,); (N, 0) if they
            are unknown.
        next_observations: Observations after the step, like `observations`; the last one of an
            episode that ended.
        terminated: Whether the environment ended the episode, bool (N,); False at a time limit.
    """

    observations: Tensor
    actions: Tensor
    next_observations: Tensor
    terminated: Tensor

    @classmethod
    def of(
        cls, observations: Any, actions: Any, next_observations: Any, terminated: Any
    ) -> "Transitions":
        """Build transitions from arrays of N rows."""
        acts = torch.as_tensor(actions)
        return cls(
            _bytes_or_floats(observations),
            acts.float() if acts.is_floating_point() else acts.long(),
            _bytes_or_floats(next_observations),
            torch.as_tensor(terminated, dtype=torch.bool),
        )

    @property
    def size(self) -> int:
        """Number of steps N."""
        return self.observations.shape[0]

    @property
    def has_actions(self) -> bool:
        """Whether the actions are known."""
        return self.actions.shape[1:] != (0,)

    def at(self, rows: Tensor | slice) -> "Transitions":
        """Return the transitions with these row numbers."""
        return Transitions(*(part[rows] for part in self))

    def to(self, device: torch.device | str) -> "Transitions":
        """Return the transitions on a device."""
        return Transitions(*(part.to(device) for part in self))

    def draw(self, n: int) -> "Transitions":
        """Draw `n` transitions with replacement; several processes draw different ones."""
        return self.at(distributed.randint(self.size, n, device=self.observations.device))

    def joined(self) -> "Transitions":
        """Return the transitions of all processes, by rank; each has as many."""
        if distributed.world_size() == 1:
            return self
        gather = distributed.gather
        # Not every backend sends booleans.
        ended = gather(self.terminated.to(torch.uint8)).to(torch.bool)
        parts = self.observations, self.actions, self.next_observations
        return Transitions(*(gather(part) for part in parts), terminated=ended)


# What a critic reads: parts of a transition, or a function from transitions to features (N, k).
CriticView = CriticInputs | Callable[[Transitions], Tensor]


@final
class TransitionMemory:
    """Keep the newest transitions.

    Args:
        capacity: Largest number of transitions.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held: Transitions | None = None

    def add(self, new: Transitions) -> None:
        """Add transitions, and drop the oldest beyond the capacity."""
        joined = (
            new
            if self.held is None
            else Transitions(*map(torch.cat, zip(self.held, new, strict=True)))
        )
        self.held = joined.at(slice(max(0, joined.size - self.capacity), None))

    def draw(self, n: int) -> Transitions:
        """Draw `n` transitions with replacement.

        Raises:
            RuntimeError: If the memory is empty.
        """
        if self.held is None:
            raise RuntimeError("memory: expected transitions, got none; call add first")
        return self.held.draw(n)


@checked
@final
class Encoder(nn.Module):
    """Encode transitions as the critic's inputs: standardised vectors with a flag.

    The flag is 10 in the absorbing state, which follows the end of an episode, and 0 elsewhere. The
    statistics are those of the demonstrations and stay fixed, so that a reward does not drift with
    the policy. Vectors are clipped at 10 standard deviations. A feature that is constant in the
    demonstrations keeps its scale. Pixels, from 0 to 255, are mapped to -1 to 1.

    Args:
        demonstrations: Transitions that give the statistics.
        choices: Number of discrete actions, counted from `first`; 0 for vectors.
        first: The smallest discrete action.
        critic_inputs: ``"state-action"``, ``"state"``, ``"state-next"`` (no actions needed) or
            ``"state-action-next"``; or a function from `Transitions`, in the environment's units,
            to features, float (N, k), which are standardised and get the flag too.
        images: Start and shape (C, H, W) of each image in an observation; see `layout.Layout`.

    Attributes:
        state_images: Start and shape of each image in the vectors of `states`.

    Raises:
        ValueError: If `critic_inputs` is none of these, or has actions and the demonstrations have
            none.
        TypeError: If a function returns something else than features of each transition.

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
    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(
        self,
        demonstrations: Transitions,
        *,
        choices: int = 0,
        first: int = 0,
        critic_inputs: CriticView = "state-action",
        images: Images = (),
    ) -> None:
        super().__init__()
        self.function = critic_inputs if callable(critic_inputs) else None
        # The parts of a transition that the critic reads; none with a function.
        self._parts = "" if callable(critic_inputs) else critic_inputs
        if not callable(critic_inputs) and critic_inputs not in INPUTS:
            raise ValueError(
                f"critic_inputs: expected a function or one of {', '.join(INPUTS)}, got "
                f"{critic_inputs!r}"
            )
        if "action" in self._parts and not demonstrations.has_actions:
            raise ValueError(
                "critic_inputs: expected 'state' or 'state-next', since the demonstrations have no "
                f"actions, got {critic_inputs!r}"
            )
        self.choices = choices
        self.first = first
        self.critic_inputs: CriticView = critic_inputs
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
        if self.function is not None:
            feature_mean, feature_scale = _statistics(self._features(demonstrations))
            self.register_buffer("feature_mean", feature_mean)
            self.register_buffer("feature_scale", feature_scale)

    @property
    def width(self) -> int:
        """Size of an encoded vector."""
        if self.function is not None:
            return self.feature_mean.shape[0] + 1
        state = self.mean.shape[0] + 1
        action = self.choices or self.action_mean.shape[0]
        return state + action * ("action" in self._parts) + state * ("next" in self._parts)

    @property
    def images(self) -> Images:
        """Start and shape of each image in an encoded vector."""
        if self.function is not None:
            return ()
        if "next" not in self._parts:
            return self.state_images
        offset = self.width - self.mean.shape[0] - 1
        return self.state_images + tuple(
            (offset + start, shape) for start, shape in self.state_images
        )

    def states(self, observations: Tensor) -> Tensor:
        """Return standardised observations and a flag of 0, (N, d + 1)."""
        flag = self.mean.new_zeros(observations.shape[0], 1)
        vectors = (observations - self.mean) / self.scale
        return torch.cat([vectors.clamp(-LARGEST, LARGEST), flag], 1)

    def forward(self, steps: Transitions) -> Tensor:
        """Encode transitions as vectors (N, width)."""
        if self.function is not None:
            vectors = (self._features(steps) - self.feature_mean) / self.feature_scale
            flag = self.mean.new_zeros(steps.size, 1)
            return torch.cat([vectors.clamp(-LARGEST, LARGEST), flag], 1)
        parts = [self.states(steps.observations)]
        if "action" in self._parts:
            parts.append(self._actions(steps.actions))
        if "next" in self._parts:
            after = self.states(steps.next_observations)
            parts.append(
                torch.where(steps.terminated[:, None], self.absorbing_state(steps.size), after)
            )
        return torch.cat(parts, 1)

    def absorbing_state(self, n: int) -> Tensor:
        """Return the absorbing state in the form of `states`, (n, d + 1)."""
        vector = self.mean.new_zeros(n, self.mean.shape[0] + 1)
        vector[:, -1] = ABSORBING_FLAG
        return vector

    def absorbing(self, n: int) -> Tensor:
        """Return the absorbing state as encoded vectors (n, width), 0 in all other entries."""
        if self.function is not None:
            vector = self.mean.new_zeros(n, self.width)
            vector[:, -1] = ABSORBING_FLAG
            return vector
        state = self.absorbing_state(n)
        rest = self.mean.new_zeros(n, self.width - state.shape[1] * (1 + ("next" in self._parts)))
        return torch.cat([state, rest, state] if "next" in self._parts else [state, rest], 1)

    def _features(self, steps: Transitions) -> Tensor:
        """Return the features of the user's function, (N, k)."""
        assert self.function is not None
        features: object = self.function(steps)
        if (
            not isinstance(features, Tensor)
            or features.ndim != 2
            or features.shape[0] != steps.size
            or not features.is_floating_point()
        ):
            got = f"{type(features).__name__} {describe_value(features)}"
            raise TypeError(
                f"critic_inputs: expected a function that returns a float tensor ({steps.size}, k) "
                f"for {steps.size} transitions, got one that returns {got}"
            )
        return features

    def _actions(self, actions: Tensor) -> Tensor:
        if self.choices:
            return (
                actions[:, None] - self.first == torch.arange(self.choices, device=actions.device)
            ).to(self.mean)
        return ((actions - self.action_mean) / self.action_scale).clamp(-LARGEST, LARGEST)


def _bytes_or_floats(observations: Any) -> Tensor:
    tensor = torch.as_tensor(observations)
    return tensor if tensor.dtype == torch.uint8 else tensor.float()


def _statistics(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each column; 1 in place of a deviation of 0."""
    values = values.float()
    scale = values.std(0)
    return values.mean(0), torch.where(scale > 1e-6, scale, torch.ones_like(scale))
