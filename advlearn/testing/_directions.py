"""Checks of the direction in which an objective moves the samples."""

import torch

from advlearn.core.objective import Objective
from advlearn.testing._material import hold, number, of_scores, scores


def sign(obj: Objective) -> None:
    """Check that the generator's step moves fake scores towards real ones and raises rewards."""
    real, fake = scores(obj.critic_output)
    fake = fake.requires_grad_()
    loss = obj.player_loss(of_scores(real, fake))
    (gradient,) = torch.autograd.grad(loss, fake)
    if fake.ndim == 1:
        hold(
            bool((gradient < 0).all()),
            "sign",
            obj,
            "the learner's step does not raise every fake score",
        )
        rising = fake.detach().sort().values
        rewards = obj.reward(of_scores(real, rising))
        hold(
            bool((rewards.diff() > 0).all()), "sign", obj, "the reward does not grow with the score"
        )
        return
    towards = (real.mean(0) - fake.detach().mean(0)).flatten()
    along = gradient.sum(0).flatten() @ towards
    hold(
        number(along) < 0,
        "sign",
        obj,
        "the learner's step does not move fake scores towards real ones",
    )
    among = torch.cat([real + 0.01, fake.detach()])
    rewards = obj.reward(of_scores(real, among)).unflatten(0, (2, -1)).mean(1)
    hold(
        number(rewards[0]) > number(rewards[1]),
        "sign",
        obj,
        "samples near the real ones get a lower reward than distant ones",
    )


def both_sides(obj: Objective) -> None:
    """Check that `moves_both_sides` moves the two sides in opposite directions."""
    if not obj.moves_both_sides:
        return
    real, fake = (s.requires_grad_() for s in scores(obj.critic_output))
    of_real, of_fake = torch.autograd.grad(
        obj.player_loss(of_scores(real, fake)), (real, fake), allow_unused=True
    )
    hold(
        of_real is not None,
        "both_sides",
        obj,
        "the learner's loss does not move the real side, but moves_both_sides is True",
    )
    assert of_real is not None and of_fake is not None
    if real.ndim == 1:
        along_real, along_fake = of_real.sum(), of_fake.sum()
    else:
        apart = (real - fake).mean(0).detach()
        along_real, along_fake = (of_real.sum(0) * apart).sum(), (of_fake.sum(0) * apart).sum()
    hold(
        number(along_real) > 0 > number(along_fake),
        "both_sides",
        obj,
        "the learner's loss does not bring the sides together",
    )
