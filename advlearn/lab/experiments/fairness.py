"""Fairness in the plane: two groups, outcomes that depend on the group, and a boundary."""

from typing import Any, cast, final

import torch
from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.critics import build as build_critics
from advlearn.data.batches import batches
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.lab.experiments.base import Frame, TaskExperiment, lattice
from advlearn.lab.packing import pack
from advlearn.metrics import demographic_parity_difference, equalized_odds_difference
from advlearn.nets import MLPPredictor
from advlearn.tasks.fairness import Fairness
from advlearn.train_task import playable

SAMPLES, DRAWN, CELLS, BOUND = 2000, 300, 36, 1.4


@final
class FairPrediction(TaskExperiment):
    """Train `advlearn.tasks.fairness.Fairness` on points of two groups."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        s = settings
        with self.random.used():
            self.x, self.y, self.group = _people(s["bias"], s["seed"])
            task = Fairness(
                MLPPredictor((2,), 1, hidden=tuple(s["layers"])),
                shape=(2,),
                attributes={"group": 2},
                criterion=s["criterion"],
                adversarial_weight=s["adversarial_weight"],
            )
            chain = playable(task, resolve(s["objective"]))
            (critic,) = build_critics(task, chain).values()
            adversary = Adversary(critic, chain, lr=s["lr"], critic_steps=s["critic_steps"])
            table = TabularDataset(self.x, self.y, {"group": self.group})
            stream = batches(table, s["batch_size"], seed=s["seed"])
            self._set(task, "group", adversary, stream, lr=s["lr"])

    def scene(self) -> Frame:
        return {
            "bound": BOUND,
            "people": pack(self.x[:DRAWN]),
            "groups": self.group[:DRAWN].tolist(),
            "classes": self.y[:DRAWN].tolist(),
            "chain": repr(self.adversary.chain),
        }

    def drawing(self) -> Frame:
        surface = 2 * self._logit(lattice(CELLS, BOUND)).sigmoid() - 1
        return {"surface": pack(surface.reshape(CELLS, CELLS))}

    def figures(self) -> dict[str, float]:
        chosen = (self._logit(self.x[:1000]) > 0).long()
        y, group = self.y[:1000], self.group[:1000]
        return super().figures() | {
            "accuracy": float((chosen == y).double().mean()),
            "parity_gap": demographic_parity_difference(y, chosen, sensitive_features=group),
            "odds_gap": equalized_odds_difference(y, chosen, sensitive_features=group),
        }

    def _logit(self, x: Tensor) -> Tensor:
        return cast(Fairness, self.task).predict(x)


def _people(bias: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return points (N, 2), outcomes and groups.

    The first coordinate is the merit, the second tells the group; the outcome depends on the merit
    and, by `bias`, on the group.
    """
    generator = torch.Generator().manual_seed(seed)
    group = torch.randint(2, (SAMPLES,), generator=generator)
    x = torch.randn(SAMPLES, 2, generator=generator) * 0.4
    x[:, 1] += 0.6 * (2 * group - 1)
    chance = 4 * (x[:, 0] + bias * 0.5 * (2 * group - 1))
    y = torch.bernoulli(chance.sigmoid(), generator=generator).long()
    return x, y, group


EXPERIMENT = FairPrediction
