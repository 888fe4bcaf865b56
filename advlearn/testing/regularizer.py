"""Checks of the properties that the library expects of a regularizer."""

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck

from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.critic_batch import CriticBatch, Samples, detach
from advlearn.core.regularizer import Regularizer
from advlearn.objectives.hinge import Hinge
from advlearn.testing import _both
from advlearn.testing._material import (
    CLASSES,
    N,
    close,
    critic,
    fixed_seed,
    hold,
    labelled,
    linear,
    meet,
    number,
    seeded,
    sides,
)
from advlearn.testing._weights import weights

Check = Callable[[Regularizer], None]
Term = Callable[[CriticBatch], Tensor | None]
METHODS = ("wrap", "filter_fakes", "penalty", "player_penalty", "after_step")


def check_regularizer(obj: Regularizer, *, exempt: Mapping[str, str] | None = None) -> None:
    """Check every property that the library expects of a regularizer, in a few seconds.

    `CHECKS` of this module has the checks by name: penalties are finite in every precision, first
    and second derivatives agree with finite differences, the critic's penalty has no gradient to
    the fakes, labels are accepted, state can be saved, steps lower the loss, no operation waits for
    the device. `obj` is copied, not changed; it must not have wrapped a critic yet.

    Args:
        obj: The regularizer.
        exempt: The reason by the name of each check that does not apply, in addition to the
            class's `EXEMPT`.

    Raises:
        TypeError: If `obj` is not a `Regularizer`.
        ValueError: If an exemption does not name a check or has no reason.
        AssertionError: If a property fails; the message names it.

    Example:
        >>> from advlearn.regularizers.zero_centred import R1
        >>> check_regularizer(R1(weight=5))
    """
    if not isinstance(cast(object, obj), Regularizer):
        raise TypeError(f"obj: expected a Regularizer, got {type(obj).__name__}")
    for check in _both.applicable(obj, CHECKS, exempt):
        check(copy.deepcopy(obj))


def acts(obj: Regularizer) -> None:
    """Check that it implements at least one of the five methods."""
    implemented = [
        name for name in METHODS if getattr(type(obj), name) is not getattr(Regularizer, name)
    ]
    hold(
        bool(implemented),
        "acts",
        obj,
        f"expected at least one method of {', '.join(METHODS)}, got none",
    )


def wraps(obj: Regularizer) -> None:
    """Check that `wrap` returns a trainable module with one score per sample."""
    before, (real, _) = critic(), sides()
    shape = before(real).shape
    after = obj.wrap(before)
    hold(
        isinstance(cast(object, after), nn.Module),
        "wraps",
        obj,
        f"wrap: expected a module, got {type(after).__name__}",
    )
    wrapped_shape = after(real).shape
    hold(
        wrapped_shape == shape,
        "wraps",
        obj,
        f"scores of {N} samples have shape {tuple(shape)}, wrapped {tuple(wrapped_shape)}",
    )
    trainable = any(p.requires_grad for p in after.parameters())
    hold(trainable, "wraps", obj, "the wrapped critic has no trainable parameters")


def shows(obj: Regularizer) -> None:
    """Check that `filter_fakes` returns finite samples of the same shape and dtype, detached."""
    _, fake = labelled()
    given, weights = cast(tuple[Tensor, ...], fake), torch.ones(N)
    for _ in range(3):
        filtered, filtered_weights = obj.filter_fakes(fake, weights)
        parts = cast(tuple[Tensor, ...], filtered)
        alike = [(p.shape, p.dtype, p.requires_grad) for p in parts] == [
            (p.shape, p.dtype, False) for p in given
        ]
        hold(
            alike,
            "shows",
            obj,
            "filter_fakes returns samples of another shape or dtype, or with a graph",
        )
        hold(
            filtered_weights is not None and filtered_weights.shape == (N,),
            "shows",
            obj,
            "filter_fakes does not return a weight for each sample",
        )
        hold(
            all(bool(p.isfinite().all()) for p in parts),
            "shows",
            obj,
            "filter_fakes returns samples that are not finite",
        )


def finite(obj: Regularizer) -> None:
    """Check that penalties are None or finite scalars in fp32, fp64 and bf16 autocast."""
    for make in (linear, critic):
        for dtype, precision in (
            (torch.float64, "fp64"),
            (torch.float32, "fp32"),
            (torch.float32, "bf16 autocast"),
        ):
            own = copy.deepcopy(obj)
            wrapped = own.wrap(make(dtype=dtype))
            real, fake = sides(dtype)
            with fixed_seed(), torch.autocast("cpu", torch.bfloat16, enabled="bf16" in precision):
                batch = meet(wrapped, real, fake.requires_grad_())
                values = {name: term(batch) for name, term in _terms(own).items()}
            for name, value in values.items():
                if value is None:
                    continue
                hold(
                    value.shape == (),
                    "finite",
                    obj,
                    f"{name}: expected a scalar, got shape {tuple(value.shape)}",
                )
                hold(
                    bool(value.isfinite()),
                    "finite",
                    obj,
                    f"{name} in {precision} is {number(value)}",
                )
                hold(value.dtype == dtype, "finite", obj, f"{name} in {precision} is {value.dtype}")


def gradients(obj: Regularizer) -> None:
    """Check first and second derivatives against finite differences."""
    wrapped, (real, fake) = obj.wrap(critic()), sides()
    with torch.no_grad(), fixed_seed():
        for p in wrapped.parameters():  # away from the initial values, which may be a minimum
            p += 0.1 * torch.randn_like(p)
    fake.requires_grad_()
    for name, term in _terms(obj).items():
        of_critic = name == "penalty"
        wrapped.requires_grad_(of_critic)
        inputs = tuple(wrapped.parameters()) if of_critic else (fake,)
        if _evaluate(term, wrapped, real, fake, of_critic) is None:
            continue

        def value(*_: Tensor, term: Term = term, of_critic: bool = of_critic) -> Tensor:
            result = _evaluate(term, wrapped, real, fake, of_critic)
            return cast(Tensor, result) + 0 * (fake.sum() if not of_critic else _total(wrapped))

        try:
            gradcheck(value, inputs, atol=1e-6, fast_mode=True)
            gradgradcheck(value, inputs, atol=1e-5, fast_mode=True)
        except GradcheckError as error:
            hold(False, "gradients", obj, f"{name}: {' '.join(str(error).split())}")


def detached(obj: Regularizer) -> None:
    """Check that the critic's penalty has no gradient to the fake samples."""
    wrapped, (real, fake) = obj.wrap(critic()), sides()
    scored = meet(wrapped, real, fake)
    live = fake.clone().requires_grad_()
    penalty = obj.penalty(CriticBatch(wrapped, real, live, *scored.scores))
    if penalty is not None and penalty.requires_grad:
        (gradient,) = torch.autograd.grad(penalty, live, allow_unused=True)
        still = gradient is None or not bool(gradient.any())
        hold(still, "detached", obj, "the critic's penalty has a gradient to the fake samples")


def labels(obj: Regularizer) -> None:
    """Check that every method accepts pairs of a vector and an integer class."""
    real, fake = labelled(torch.float32)
    head = _head(obj, critic(dtype=torch.float32, classes=CLASSES))
    try:
        head.update(real, fake)
        head.player_loss(
            real,
            (cast(tuple[Tensor, ...], fake)[0].requires_grad_(), cast(tuple[Tensor, ...], fake)[1]),
        ).backward()
    except (RuntimeError, TypeError, IndexError) as error:
        hold(False, "labels", obj, f"samples (x, y) with int64 y: {str(error).splitlines()[0]}")


def state(obj: Regularizer) -> None:
    """Check that an adversary resumes exactly, from its state dict and as a deep copy."""
    real, fake = sides(torch.float32)
    first = _head(copy.deepcopy(obj), critic(dtype=torch.float32))
    for _ in range(2):
        first.update(real, fake)
    loaded = _head(copy.deepcopy(obj), critic(dtype=torch.float32))
    # A copy, as from a file: otherwise both optimizers share their moments.
    loaded.load_state_dict(copy.deepcopy(first.state_dict()))
    heads = {
        "unchanged": first,
        "after a state dict": loaded,
        "after a deep copy": copy.deepcopy(first),
    }
    totals: dict[str, Tensor] = {}
    for how, head in heads.items():
        with fixed_seed():
            head.update(real, fake)
            totals[how] = head.update(real, fake)
    for how, total in totals.items():
        same = close(total, totals["unchanged"], 0.0)
        hold(
            same,
            "state",
            obj,
            f"the loss two steps later is {number(total):.8g} {how}, but "
            f"{number(totals['unchanged']):.8g} without",
        )


def steps(obj: Regularizer) -> None:
    """Check that a small gradient step of either side lowers its loss with the penalty."""
    wrapped, (real, fake) = obj.wrap(critic()), sides()
    objective = Hinge()
    fake.requires_grad_()

    def total(loss: Term, term: Term, x: Tensor) -> Tensor:
        with fixed_seed():
            batch = meet(wrapped, real, x)
            penalty = term(batch)
        return cast(Tensor, loss(batch)) + (0 if penalty is None else penalty)

    parameters = [p for p in wrapped.parameters() if p.requires_grad]
    before = total(objective.critic_loss, obj.penalty, fake.detach())
    gradients = torch.autograd.grad(before, parameters, allow_unused=True)
    with torch.no_grad():
        for p, g in zip(parameters, gradients, strict=True):
            p -= 1e-4 * (0 if g is None else g)
    after = total(objective.critic_loss, obj.penalty, fake.detach())
    hold(
        number(after) < number(before),
        "steps",
        obj,
        f"a critic step raises the critic's loss by {number(after - before):.3g}",
    )
    before = total(objective.player_loss, obj.player_penalty, fake)
    (gradient,) = torch.autograd.grad(before, fake)
    after = total(objective.player_loss, obj.player_penalty, fake - 1e-4 * gradient)
    hold(
        number(after) < number(before),
        "steps",
        obj,
        f"a learner step raises the learner's loss by {number(after - before):.3g}",
    )


def host_sync(obj: Regularizer) -> None:
    """Check that updates and losses of an adversary do not wait for the device."""
    _both.host_sync(obj, _head(obj, critic(dtype=torch.float32)))


def _terms(obj: Regularizer) -> dict[str, Term]:
    return {"penalty": obj.penalty, "player_penalty": obj.player_penalty}


def _evaluate(
    term: Term, wrapped: nn.Module, real: Samples, fake: Samples, of_critic: bool
) -> Tensor | None:
    with fixed_seed():
        return term(meet(wrapped, real, detach(fake) if of_critic else fake))


def _total(module: nn.Module) -> Tensor:
    """Sum all parameters: a penalty need not depend on each of them."""
    return torch.stack([p.sum() for p in module.parameters()]).sum()


def _head(obj: Regularizer, scorer: nn.Module) -> Adversary:
    return Adversary(scorer, Chain(Hinge(), (obj,)))


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        check.__name__: seeded(check)
        for check in (
            _both.tags,
            _both.printed,
            acts,
            wraps,
            shows,
            finite,
            gradients,
            detached,
            weights,
            labels,
            state,
            steps,
            host_sync,
        )
    }
)
