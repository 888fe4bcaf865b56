"""Checks of the properties that the library expects of an objective."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError, gradcheck

from advlearn.core.adversary import Adversary
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.objective import Objective
from advlearn.testing import _both
from advlearn.testing._at_optimum import at_rest, loss_at_chance, optimum
from advlearn.testing._directions import both_sides, sign
from advlearn.testing._material import (
    close,
    critic,
    hold,
    meet,
    number,
    of_scores,
    scored_batch,
    scores,
    seeded,
    sides,
)

Check = Callable[[Objective], None]
Loss = Callable[[CriticBatch], Tensor]


def check_objective(obj: Objective, *, exempt: Mapping[str, str] | None = None) -> None:
    """Check every property that the library expects of an objective, in a few seconds.

    `CHECKS` of this module has the checks by name: losses are finite in every precision,
    derivatives agree with finite differences, real samples get high scores, both sides move, the
    value at the analytic optimum is the divergence, state can be saved, steps lower the loss, no
    operation waits for the device. `obj` is copied, not changed.

    Args:
        obj: The objective.
        exempt: The reason by the name of each check that does not apply, in addition to the
            class's `EXEMPT`.

    Raises:
        TypeError: If `obj` is not an `Objective`.
        ValueError: If an exemption does not name a check or has no reason.
        AssertionError: If a property fails; the message names it.

    Example:
        >>> from advlearn.objectives.hinge import Hinge
        >>> check_objective(Hinge())
    """
    if not isinstance(cast(object, obj), Objective):
        raise TypeError(f"obj: expected an Objective, got {type(obj).__name__}")
    for check in _both.applicable(obj, CHECKS, exempt):
        check(copy.deepcopy(obj))


def finite(obj: Objective) -> None:
    """Check for finite scalar losses and one reward per sample, in fp32, fp64, bf16 autocast."""
    for dtype, precision in (
        (torch.float64, "fp64"),
        (torch.float32, "fp32"),
        (torch.float32, "bf16 autocast"),
    ):
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in precision):
            batch = scored_batch(obj, dtype)
            losses = {name: loss(batch).detach() for name, loss in _losses(obj).items()}
            rewards = obj.reward(batch)
        for name, loss in losses.items():
            hold(
                loss.shape == (),
                "finite",
                obj,
                f"{name}: expected a scalar, got shape {tuple(loss.shape)}",
            )
            hold(bool(loss.isfinite()), "finite", obj, f"{name} in {precision} is {number(loss)}")
            hold(loss.dtype == dtype, "finite", obj, f"{name} in {precision} is {loss.dtype}")
        n = len(batch.fake_scores)
        hold(
            rewards.shape == (n,),
            "finite",
            obj,
            f"reward of {n} samples has shape {tuple(rewards.shape)}",
        )
        hold(bool(rewards.isfinite().all()), "finite", obj, f"reward in {precision} is not finite")


def full_precision(obj: Objective) -> None:
    """Check that scores in full precision give the same losses inside and outside autocast."""
    batch = of_scores(*scores(obj.critic_output, torch.float32, width=16))
    for name, loss in _losses(obj).items():
        outside = loss(batch)
        with torch.autocast("cpu", torch.bfloat16):
            inside = loss(batch)
        what = f"{name} is {number(outside):.6g}, inside bf16 autocast {number(inside):.6g}"
        hold(close(inside, outside, 1e-5), "full_precision", obj, what)


def order(obj: Objective) -> None:
    """Check that the order of the samples of each side does not change the losses."""
    n = len(of_scores(*scores(obj.critic_output)).fake_scores)
    shuffled = (torch.tensor([4, 2, 0, 5, 1, 3]), torch.arange(n))
    _reordered(obj, "order", shuffled, (shuffled[1], shuffled[0]))


def pair_order(obj: Objective) -> None:
    """Check that the order of the (real, fake) pairs in each half does not change the losses."""
    n = len(of_scores(*scores(obj.critic_output)).fake_scores)
    flipped = torch.cat([torch.arange(n // 2).flip(0), torch.arange(n // 2, n).flip(0)])
    _reordered(obj, "pair_order", (flipped, flipped))


def _reordered(obj: Objective, check: str, *orders: tuple[Tensor, Tensor]) -> None:
    batch = of_scores(*scores(obj.critic_output))
    for rows in orders:
        samples = _rows((batch.real, batch.fake), rows)
        reordered = CriticBatch(batch.critic, *samples, *_rows(batch.scores, rows))
        for name, loss in _losses(obj).items():
            same = close(loss(reordered), loss(batch), 1e-10)
            hold(same, check, obj, f"{name} changes with the order of the samples")


def weights(obj: Objective) -> None:
    """Check that equal weights change nothing, or are refused by an error that names them."""
    batch = of_scores(*scores(obj.critic_output))
    n = len(batch.fake_scores)
    weighted = replace(
        batch,
        real_weights=torch.full((n,), 2.0).double(),
        fake_weights=torch.full((n,), 3.0).double(),
    )
    for name, loss in _losses(obj).items():
        try:
            value = loss(weighted)
        except ValueError as error:
            hold(
                "weights" in str(error),
                "weights",
                obj,
                f"{name} refuses weights, but the message does not name them: {error}",
            )
        else:
            hold(
                close(value, loss(batch), 1e-10),
                "weights",
                obj,
                f"{name} changes when all samples get the same weight",
            )


def unequal_weights(obj: Objective) -> None:
    """Check that a sample of weight two counts as that sample given twice.

    Objectives that refuse weights pass. If samples are paired by position, a weight must at least
    change the losses.
    """
    once = of_scores(*scores(obj.critic_output))
    n = len(once.fake_scores)
    first = torch.zeros(1, dtype=torch.int64)
    two = torch.ones(n, dtype=torch.float64).index_fill_(0, first, 2.0)
    paired = "order" in obj.EXEMPT
    for name, loss in _losses(obj).items():
        changed = False
        for side in ("real", "fake"):
            try:
                value = loss(replace(once, **{f"{side}_weights": two}))
            except ValueError:
                return  # `weights` checks that the refusal names them
            changed |= not close(value, loss(once), 1e-8)
            if paired:
                continue
            once_each = torch.arange(n)
            rows = [
                torch.cat([once_each, first]) if s == side else once_each for s in ("real", "fake")
            ]
            samples = _rows((once.real, once.fake), rows)
            repeated = loss(CriticBatch(once.critic, *samples, *_rows(once.scores, rows)))
            what = (
                f"{name} is {number(value):.6g} with weight 2 of a {side} sample, "
                f"{number(repeated):.6g} with that sample twice"
            )
            hold(close(value, repeated, 1e-8), "unequal_weights", obj, what)
        hold(changed, "unequal_weights", obj, f"{name} does not change with a sample's weight")


def parts(obj: Objective) -> None:
    """Check that decomposable losses are the means of the losses of two halves of a batch."""
    if not obj.decomposable:
        return
    batch = of_scores(*scores(obj.critic_output))
    half = torch.arange(len(batch.fake_scores) // 2)
    for name, loss in _losses(obj).items():
        rows = ((half, half), (half + len(half), half + len(half)))
        values = [
            loss(
                CriticBatch(
                    batch.critic, *_rows((batch.real, batch.fake), r), *_rows(batch.scores, r)
                )
            )
            for r in rows
        ]
        what = f"{name} is not the mean over two halves of a batch, but decomposable is True"
        hold(close(torch.stack(values).mean(), loss(batch), 1e-10), "parts", obj, what)


def gradients(obj: Objective) -> None:
    """Check derivatives of both losses by the scores against finite differences."""
    real, fake = (s.requires_grad_() for s in scores(obj.critic_output))
    for name, loss in _losses(obj).items():

        def of(r: Tensor, f: Tensor, loss: Loss = loss) -> Tensor:
            return loss(of_scores(r, f))

        try:
            gradcheck(of, (real, fake), atol=1e-6, fast_mode=True)
        except GradcheckError as error:
            hold(False, "gradients", obj, f"{name}: {' '.join(str(error).split())}")


def state(obj: Objective) -> None:
    """Check that state dict and deep copy give the same losses and share no memory."""
    first, second = of_scores(*scores(obj.critic_output)), scored_batch(obj)
    for batch in (second, first):
        obj.critic_loss(batch)
        with torch.no_grad():
            obj.update_state()
    cls = cast(Callable[[], Objective], type(obj))
    loaded = copy.deepcopy(obj) if repr(cls()) != repr(obj) else cls()
    loaded.load_state_dict(obj.state_dict())
    for how, other in (("state dict", loaded), ("deep copy", copy.deepcopy(obj))):
        for name, loss in _losses(obj).items():
            same = close(_losses(other)[name](second), loss(second), 0.0)
            hold(same, "state", obj, f"{name} is different after a {how}")
        shared = {b.data_ptr() for b in obj.buffers()} & {b.data_ptr() for b in other.buffers()}
        hold(not shared, "state", obj, f"a {how} shares memory with the original")


def steps(obj: Objective) -> None:
    """Check that a small step of the critic, or of the fake samples, lowers its own loss."""
    scorer, (real, fake) = critic(obj.critic_output), sides()
    if obj.trains_critic:
        before, unchanged = meet(scorer, real, fake), copy.deepcopy(obj)
        loss = unchanged.critic_loss(before)
        adversary = Adversary(scorer, obj, optimizer=lambda ps: torch.optim.SGD(ps, lr=1e-3))
        adversary.update(real, fake)
        after = unchanged.critic_loss(meet(scorer, real, fake))
        hold(
            number(after) < number(loss),
            "steps",
            obj,
            f"a critic step raises the critic's loss by {number(after - loss):.3g}",
        )
    moving = fake.clone().requires_grad_()
    loss = obj.player_loss(meet(scorer, real, moving))
    (gradient,) = torch.autograd.grad(loss, moving)
    hold(bool(gradient.any()), "steps", obj, "no gradient reaches the fake samples")
    after = obj.player_loss(meet(scorer, real, fake - 1e-3 * gradient))
    hold(
        number(after) < number(loss),
        "steps",
        obj,
        f"a learner step raises the learner's loss by {number(after - loss):.3g}",
    )


def host_sync(obj: Objective) -> None:
    """Check that updates and losses of an adversary do not wait for the device."""
    _both.host_sync(obj, Adversary(critic(obj.critic_output, torch.float32), obj))


def _losses(obj: Objective) -> dict[str, Loss]:
    return {"critic_loss": obj.critic_loss, "player_loss": obj.player_loss}


def _rows(pair: tuple[object, object], rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the chosen rows of each side."""
    return cast(Tensor, pair[0])[rows[0]], cast(Tensor, pair[1])[rows[1]]


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        check.__name__: seeded(check)
        for check in (
            _both.tags,
            _both.printed,
            finite,
            full_precision,
            order,
            pair_order,
            weights,
            unequal_weights,
            parts,
            gradients,
            sign,
            both_sides,
            at_rest,
            loss_at_chance,
            optimum,
            state,
            steps,
            host_sync,
        )
    }
)
