"""An objective with its regularizers and the settings its paper trains with."""

from dataclasses import dataclass, field, fields
from typing import Literal, final

from advlearn.core.described import Described
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer

Schedule = Literal["constant", "linear", "cosine"]


@final
@dataclass(frozen=True, slots=True)
class Defaults:
    """Settings that an alias brings, used only where the user said nothing.

    Args:
        critic_steps: Critic steps for each player step.
        lr: Adam's learning rate of the player.
        critic_lr: Adam's learning rate of the critic; None: the player's.
        betas: Adam's decay rates of both.
        schedule: How the learning rates go from their start to the last step.
        ema: Decay of the average of the player's weights that samples are drawn from; 0 for none.
    """

    critic_steps: int | None = None
    lr: float | None = None
    critic_lr: float | None = None
    betas: tuple[float, float] | None = None
    schedule: Schedule | None = None
    ema: float | None = None

    def over(self, other: "Defaults") -> "Defaults":
        """These settings, with the gaps filled from `other`."""
        names = [f.name for f in fields(self)]
        mine = {n: getattr(self, n) for n in names}
        return Defaults(**{n: getattr(other, n) if v is None else v for n, v in mine.items()})

    def __str__(self) -> str:
        said = ((f.name, getattr(self, f.name)) for f in fields(self))
        return ", ".join(f"{name}={value}" for name, value in said if value is not None) or "none"


# What applies where neither the user nor an alias said anything.
FALLBACK = Defaults(critic_steps=1, lr=2e-4, betas=(0.5, 0.999), schedule="constant", ema=0.999)


@final
@dataclass(frozen=True)
class Chain:
    """At most one objective and any number of regularizers, added with ``+``.

    Args:
        objective: The objective, or None in a chain of regularizers that is yet to be added to one.
        regularizers: Applied in this order.
        defaults: Settings of the alias the chain came from; they do not take part in comparisons.

    Example:
        >>> from advlearn import resolve
        >>> resolve("hinge + spectral_norm")
        Hinge() + SpectralNorm(iterations=1)
    """

    objective: Objective | None = None
    regularizers: tuple[Regularizer, ...] = ()
    defaults: Defaults = field(default=Defaults(), compare=False)

    @staticmethod
    def of(part: "Described | Chain") -> "Chain":
        """A chain of one part; a chain is returned as it is."""
        if isinstance(part, Chain):
            return part
        if isinstance(part, Objective):
            return Chain(part)
        if isinstance(part, Regularizer):
            return Chain(regularizers=(part,))
        raise TypeError(
            f"objective: expected an Objective, a Regularizer or a Chain, got {type(part).__name__}"
        )

    def __add__(self, other: "Described | Chain") -> "Chain":
        added = Chain.of(other)
        if self.objective is not None and added.objective is not None:
            raise ValueError(
                f"objective: a chain has one objective, got {self.objective} and {added.objective}"
            )
        return Chain(
            self.objective if added.objective is None else added.objective,
            self.regularizers + added.regularizers,
            self.defaults.over(added.defaults),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chain) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        objective = () if self.objective is None else (self.objective,)
        return " + ".join(repr(part) for part in (*objective, *self.regularizers))

    def required_objective(self) -> Objective:
        """The objective, or one line that says it is missing."""
        if self.objective is None:
            raise ValueError(
                f"objective: expected an objective with regularizers added to it, got only {self!r}"
            )
        return self.objective
