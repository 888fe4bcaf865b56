"""Checks of an objective's value and gradient at the optimal critic, without training."""

import math
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from advlearn.core.critic_batch import CriticBatch
from advlearn.core.objective import Objective, Pointwise
from advlearn.testing._material import close, critic, draw, hold, number, of_scores


def at_rest(obj: Objective) -> None:
    """Check that equal optimal scores of both sides give a learner of both sides no gradient."""
    # A density is normalised by the critic, so single scores are not enough to test it.
    if obj.critic_output in ("vector", "density"):
        return
    level = _level(obj).requires_grad_()
    (gradient,) = torch.autograd.grad(obj.player_loss(of_scores(level, level)), level)
    size = number(gradient.abs().max())
    what = f"the learner's gradient at equal sides and the optimal score is {size:.3g}, not 0"
    hold(close(gradient, torch.zeros_like(gradient), 1e-12), "at_rest", obj, what)


def loss_at_chance(obj: Objective) -> None:
    """Check that `loss_at_chance` is the loss of the optimal critic of equal densities."""
    hold(
        isinstance(cast(object, obj.loss_at_chance), float),
        "loss_at_chance",
        obj,
        f"loss_at_chance: expected a float, got {obj.loss_at_chance!r}",
    )
    if math.isnan(obj.loss_at_chance):
        return
    level = _level(obj)
    loss = number(obj.critic_loss(of_scores(level, level)))
    hold(
        abs(loss - obj.loss_at_chance) < 1e-9,
        "loss_at_chance",
        obj,
        f"loss_at_chance is {obj.loss_at_chance:.6g}, the loss of a critic at chance {loss:.6g}",
    )


def optimum(obj: Objective) -> None:
    """Check that `optimal_score` minimises the critic's loss, with `divergence` as its estimate."""
    if not isinstance(obj, Pointwise):
        return
    x = torch.linspace(-8, 8, 2001, dtype=torch.float64)
    logs = [
        torch.log_softmax(-(((x - mean) / scale) ** 2) / 2, 0)
        for mean, scale in ((0.0, 1.0), (1.0, 1.3))
    ]
    p, q = (log.exp() for log in logs)
    best = obj.optimal_score(logs[0] - logs[1])
    f = obj.divergence((logs[0] - logs[1]).exp())
    if best is None:
        return
    batch = CriticBatch(critic(obj.critic_output), x[:, None], x[:, None], best, best, p, q)
    if f is not None:
        estimate, exact = number(obj.divergence_estimate(batch)), number((q * f).sum())
        close_to_exact = abs(estimate - exact) <= 1e-6 * max(1.0, abs(exact))
        hold(
            close_to_exact,
            "optimum",
            obj,
            f"the estimate at the optimal critic is {estimate:.8g}, the divergence {exact:.8g}",
        )
    if obj.critic_output == "density":
        return  # the scores below do not belong to a normalised density
    least = number(obj.critic_loss(batch))
    for other in (0.7 * best, 1.3 * best, best - 0.3, best + 0.3, best + 0.3 * torch.sin(2 * x)):
        other = other.clamp(max=0) if obj.critic_output == "energy" else other
        loss = number(obj.critic_loss(replace(batch, real_scores=other, fake_scores=other)))
        hold(
            loss >= least - 1e-9,
            "optimum",
            obj,
            f"other scores than optimal_score have a lower loss: {loss:.8g} < {least:.8g}",
        )


def _level(obj: Objective) -> Tensor:
    """Return the score that an optimal critic gives samples of equal densities."""
    if obj.critic_output == "vector":
        return draw(1, 3).expand(6, 3).contiguous()
    # The total of the K classes equals the weight of the fake class.
    if obj.critic_output == "classes":
        return draw(1, 3).log_softmax(1).expand(6, 3).contiguous()
    equal = torch.zeros(6, dtype=torch.float64)
    best = obj.optimal_score(equal) if isinstance(obj, Pointwise) else None
    if best is not None:
        return best
    return equal - 0.5 if obj.critic_output == "energy" else equal
