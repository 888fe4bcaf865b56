"""An objective with its regularizers and default training settings."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, final

from advlearn.core.arguments import Count, Positive, Share, checked
from advlearn.core.described import Described
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer

Schedule = Literal["constant", "linear", "cosine"]
OptimizerName = Literal["adam", "rmsprop", "sgd"]


@checked
@final
@dataclass(frozen=True, slots=True)
class Defaults:
    """Default settings of a method or an alias; explicit arguments override them.

    Args:
        critic_steps: Critic steps for each step of the learner.
        lr: Learning rate of the learner.
        critic_lr: Learning rate of the critics; None uses `lr`.
        betas: Adam's decay rates, of the learner and of the critics.
        schedule: Schedule of the learning rates over the run.
        ema: Decay of the moving average of the learner's weights; 0 disables it.
        optimizer: ``"adam"``, ``"rmsprop"`` or ``"sgd"``, of the learner and of the critics.
        steps: Steps of the learner.
        batch_size: Samples in a batch.

    Example:
        >>> print(Defaults(lr=5e-5, optimizer="rmsprop").over(Defaults(lr=1.0, critic_steps=5)))
        critic_steps=5, lr=5e-05, optimizer=rmsprop
    """

    critic_steps: Count | None = None
    lr: Positive | None = None
    critic_lr: Positive | None = None
    betas: tuple[float, float] | None = None
    schedule: Schedule | None = None
    ema: Share | None = None
    optimizer: OptimizerName | None = None
    steps: Count | None = None
    batch_size: Count | None = None

    def over(self, other: "Defaults") -> "Defaults":
        """Return these settings with the gaps filled from `other`."""
        values = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return Defaults(**{n: b if a is None else a for n, (a, b) in values.items()})

    def given(self) -> dict[str, Any]:
        """Return the settings that are not None, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.given().items()) or "none"


# Settings that apply if neither the user nor a method gives one.
FALLBACK = Defaults(
    critic_steps=1,
    lr=2e-4,
    betas=(0.5, 0.999),
    schedule="constant",
    ema=0.999,
    optimizer="adam",
    steps=5000,
    batch_size=64,
)


@checked
@final
@dataclass(frozen=True)
class Chain:
    """At most one objective and any number of regularizers, added with ``+``.

    Args:
        objective: The objective, or None in a chain of regularizers only.
        regularizers: The regularizers, applied in this order.
        defaults: Default settings of the alias; comparisons ignore them.

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
        """Return a chain of one part; return a chain unchanged."""
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
        """Return the objective; raise a ValueError if the chain has none."""
        if self.objective is None:
            raise ValueError(
                f"objective: expected an objective with regularizers added to it, got only {self!r}"
            )
        return self.objective


Described.as_chain = staticmethod(Chain.of)
