"""Check that a penalty uses the weights of the samples."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from advlearn.core.critic_batch import CriticBatch
from advlearn.core.regularizer import Regularizer
from advlearn.testing._material import N, close, critic, fixed_seed, hold, meet, number, sides

Term = Callable[[CriticBatch], Tensor | None]


def weights(obj: Regularizer) -> None:
    """Check that a penalty that depends on the samples depends on their weights too.

    Equal weights must not change it. If the penalty draws no random numbers, a fake sample of
    weight two must count as that sample given twice, unless the weights of fakes are ignored.
    """
    wrapped, (real, fake) = obj.wrap(critic()), sides()
    with torch.no_grad():
        for p in wrapped.parameters():  # steep enough for penalties on steep critics only
            p *= 2
    batch = meet(wrapped, real, fake)
    two = torch.ones(N, dtype=torch.float64).index_fill_(0, torch.tensor([0]), 2.0)
    for name, term in {"penalty": obj.penalty, "player_penalty": obj.player_penalty}.items():
        plain = _valued(term, batch)
        if plain is None or close(_required(term, meet(wrapped, real.flip(1), fake + 1)), plain, 0):
            continue  # no penalty, or a penalty on the critic's weights only
        equal = _required(term, replace(batch, real_weights=two * 0 + 3, fake_weights=two * 0 + 5))
        hold(close(equal, plain, 1e-10), "weights", obj, f"equal weights change {name}")
        values = {
            side: _required(term, replace(batch, **{f"{side}_weights": two}))
            for side in ("real", "fake")
        }
        counting = [side for side, value in values.items() if not close(value, plain, 1e-10)]
        hold(bool(counting), "weights", obj, f"{name} does not change with a sample's weight")
        if "fake" in counting and close(_required(term, batch, seed=6), plain, 0):
            twice = _required(term, meet(wrapped, real, torch.cat([fake, fake[:1]])))
            what = (
                f"{name} is {number(values['fake']):.6g} with weight 2 of a fake sample, "
                f"{number(twice):.6g} with that sample twice"
            )
            hold(close(values["fake"], twice, 1e-8), "weights", obj, what)


def _valued(term: Term, batch: CriticBatch, seed: int = 5) -> Tensor | None:
    with fixed_seed(seed):
        value = term(batch)
    return None if value is None else value.detach()


def _required(term: Term, batch: CriticBatch, seed: int = 5) -> Tensor:
    return cast(Tensor, _valued(term, batch, seed))
