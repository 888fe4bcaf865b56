"""Every regularizer on samples that are a dict with a nested list, a None and a condition."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.chain import Chain
from advlearn.core.regularizer import Regularizer
from advlearn.objectives.hinge import Hinge
from advlearn.regularizers.image_pool import ImagePool
from advlearn.testing._found import regularizers


class Structured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(7, 5)
        self.last = nn.Linear(5, 1)

    def forward(self, points: list[Tensor], label: Tensor, mask: None, text: Tensor) -> Tensor:
        joined = torch.cat([*points, label[:, None].float(), text], 1)
        return self.last(self.first(joined).tanh())


def side(seed: int, n: int = 6) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    a, b, text = (torch.randn(n, d, generator=generator) for d in (2, 3, 1))
    return {"points": [a, b], "label": torch.arange(n) % 3, "mask": None, "text": text}


@pytest.mark.parametrize("regularizer", regularizers(), ids=repr)
def test_a_step_of_each_side(regularizer: Regularizer) -> None:
    torch.manual_seed(0)
    chain = Chain(Hinge(), (copy.deepcopy(regularizer),))
    adversary = Adversary(Structured(), chain, conditions=("text",))
    real, fake = side(0), side(1)
    for _ in range(2):
        assert adversary.update(real, fake).isfinite()
    fake["points"] = [x.requires_grad_() for x in fake["points"]]
    adversary.player_loss(real, fake).backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in fake["points"])


def test_the_pool_keeps_the_structure_and_the_parts_of_a_sample_together() -> None:
    pool, fake = ImagePool(size=6), side(1)
    pool.filter_fakes(fake, torch.zeros(6))
    fresh = side(2)
    shown, weights = pool.filter_fakes(fresh, torch.arange(6.0))
    assert isinstance(shown, dict) and shown["mask"] is None and weights is not None
    both = [torch.cat([*x["points"], x["text"]], 1) for x in (fake, fresh)]
    rows = {tuple(row.tolist()) for row in torch.cat(both)}
    assert all(tuple(r.tolist()) in rows for r in torch.cat([*shown["points"], shown["text"]], 1))
