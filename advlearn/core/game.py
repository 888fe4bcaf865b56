"""Rules that move all sides of a game together: their base class, and rules by name."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from advlearn.core import grammar, naming, registry
from advlearn.core.adversary import Adversary
from advlearn.core.arguments import checked
from advlearn.core.described import keywords
from advlearn.core.optim import clear, gradient_norm

Side = Adversary | torch.optim.Optimizer
GameFactory = Callable[..., "Game"]
Tensors = list[Tensor]


class Game:
    """Move critics and model with their own optimizers, and correct the moves by a rule.

    Compute the gradients of all sides at the same weights, then call `step`. A subclass implements
    any of `before_step`, `after_step` and `after_all`, which correct the weights around the steps
    of the optimizers. Nothing waits for the device, and all tensors keep their storage.

    Args:
        *sides: Each critic's `Adversary`, and each optimizer of the model.

    Attributes:
        passes: Calls of `step`, each with new gradients, that make one update.
        cycle: Calls of `step` after which the rule is at the same point again; a CUDA graph of
            this many calls can be replayed.
        sides: The sides.
        kept: State of the rule: a tensor for each parameter of each side.
        open: For each side, whether `kept` holds weights to return to.
        count: Steps of all sides since the last average.

    Raises:
        TypeError: If a side is neither an `Adversary` nor an optimizer.
    """

    KIND: ClassVar[str] = "game"
    passes: ClassVar[int] = 1
    cycle: int = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            checked(cls)

    def __init__(self, *sides: Side) -> None:
        for side in sides:
            if not isinstance(cast(object, side), Adversary | torch.optim.Optimizer):
                raise TypeError(
                    f"sides: expected an Adversary or an optimizer, got {type(side).__name__}; "
                    "pass each critic's Adversary and the model's optimizer"
                )
        self.sides = sides
        self.kept: list[Tensors] = [[] for _ in sides]
        self.open = [False] * len(sides)
        self.count = 0

    def step(
        self,
        *sides: Side,
        scaler: torch.amp.GradScaler | None = None,
        clip: float | None = None,
    ) -> None:
        """Move the sides with the gradients their parameters hold, and clear the gradients.

        Gradients of several backward passes add up until `step`, so that a large batch can be
        passed in parts.

        Args:
            *sides: The sides to move; all of them if none is given. To give a critic more steps
                than the model, pass its adversary here before the joint step.
            scaler: The gradient scaler that scaled all losses; call its `update` after each `step`.
                A step that it skips counts as an update of zero.
            clip: Largest norm of the gradient of each side; larger ones are scaled down to it.

        Raises:
            ValueError: If a side does not belong to this game, or the game has no side.
        """
        chosen = self._indices(sides)
        with torch.no_grad():
            moving = {i: values for i in chosen if (values := self._parameters(i))}
            for i, values in moving.items():
                self.before_step(i, values)
            for i, values in moving.items():
                _move(self.sides[i], values, scaler, clip)
                self.after_step(i, values)
        for i in chosen:
            side = self.sides[i]
            # At an extrapolated point only the weights are temporary; nothing else may follow it.
            if isinstance(side, Adversary) and not self.is_extrapolated(i):
                side.finish_step()
        if len(chosen) == len(self.sides):
            with torch.no_grad():
                self.after_all(moving)

    def before_step(self, i: int, values: Tensors) -> None:
        """Prepare side i, with weights `values`, for the step of its optimizer."""

    def after_step(self, i: int, values: Tensors) -> None:
        """Correct the weights of side i after the step of its optimizer."""

    def is_extrapolated(self, i: int) -> bool:
        """Return whether side i is at a point that its next step does not start from."""
        return False

    def after_all(self, moving: dict[int, Tensors]) -> None:
        """Correct the weights of all sides after a step of all of them."""

    def initial(self, value: Tensor) -> Tensor:
        """Return the first kept tensor of a parameter."""
        return value.detach().clone()

    def _indices(self, sides: Sequence[Side]) -> list[int]:
        if not self.sides:
            raise ValueError(
                "sides: expected an Adversary and the model's optimizer, got none; "
                "pass them to the game"
            )
        chosen = [i for i, own in enumerate(self.sides) if any(own is side for side in sides)]
        if len(chosen) < len(sides):
            raise ValueError("sides: expected sides of this game, got another adversary or a copy")
        return chosen if sides else list(range(len(self.sides)))

    def _parameters(self, i: int) -> Tensors:
        """Return the parameters of side i; those added to its optimizer get a kept tensor."""
        side = self.sides[i]
        optimizer = side.optimizer if isinstance(side, Adversary) else side
        groups = [] if optimizer is None else optimizer.param_groups
        values = [p for group in groups for p in cast(list[nn.Parameter], group["params"])]
        kept = self.kept[i]
        kept += [self.initial(p) for p in values[len(kept) :]]
        return cast(Tensors, values)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state for an exact resume, as tensors by ``"SIDE.PARAMETER"``."""
        for i in range(len(self.sides)):
            self._parameters(i)
        kept = {f"{i}.{j}": x for i, own in enumerate(self.kept) for j, x in enumerate(own)}
        return {**kept, "open": torch.tensor(self.open), "count": torch.tensor(self.count)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned; the tensors are copied.

        Raises:
            ValueError: If it is the state of a game with other parameters.
        """
        own = self.state_dict()
        shapes = [{k: v.shape for k, v in s.items()} for s in (own, state)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "state: expected that of a game with the same sides and parameters, got another; "
                "build the game with the same sides in the same order"
            )
        for name in own.keys() - {"open", "count"}:
            own[name].copy_(state[name])
        self.open, self.count = state["open"].tolist(), int(state["count"])

    def __repr__(self) -> str:
        settings = (f"{name}={getattr(self, name)!r}" for name in keywords(type(self)))
        return f"{type(self).__name__}({', '.join(settings)})"


def _move(
    side: Side, values: Tensors, scaler: torch.amp.GradScaler | None, clip: float | None
) -> None:
    """Make the step of a side's own optimizer."""
    if isinstance(side, Adversary):
        side.move_weights(scaler, clip)
        return
    parameters = cast(list[nn.Parameter], values)
    if clip is not None:
        if scaler is not None:
            scaler.unscale_(side)
        gradient_norm(parameters, clip)
    side.step() if scaler is None else scaler.step(side)
    # A fused optimizer does not tell autograd that it changed the weights.
    torch.autograd.graph.increment_version(parameters)
    clear(parameters)


def game_factory(spec: str | GameFactory) -> GameFactory:
    """Return the function that builds a game from its sides.

    Args:
        spec: A name with arguments, such as ``"lookahead(k=5)"``; or such a function itself.

    Raises:
        ValueError: If the name or an argument is unknown or refused; near names are suggested.

    Example:
        >>> game_factory("lookahead(k=3)")()
        Lookahead(k=3, alpha=0.5)
    """
    if not isinstance(spec, str):
        return spec
    try:
        terms = grammar.parse(spec) if spec.strip() else []
    except ValueError as error:
        raise ValueError(str(error).replace("objective: ", "game: ", 1)) from None
    known = registry.games()
    if len(terms) != 1:
        raise ValueError(f"game: expected one of {', '.join(known)}, got {spec!r}")
    term = terms[0]
    name = registry.canonical("game", term.name)
    matches = [cls for own, cls in known.items() if naming.key(own) == naming.key(name)]
    if not matches:
        raise naming.UnknownNameError(term.name, sorted(known), "game")
    return _checked(matches[0], term)


def _checked(cls: Any, term: grammar.Term) -> GameFactory:
    """Return a factory with the arguments of a term, which are tried without sides."""
    for argument in term.arguments:
        if argument not in keywords(cls):
            hint = naming.unknown("argument", argument, keywords(cls))
            raise ValueError(f"game: {term.name}: {hint}")
    try:
        cls(**term.arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"game: {term}: {error}") from None
    return partial(cls, **term.arguments)
