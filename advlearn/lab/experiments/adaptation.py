"""Domain adaptation in the plane: moons, and the same moons rotated without labels."""

import math
from collections import OrderedDict
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.critics import build as build_critics
from advlearn.data import toy
from advlearn.data.batches import batches
from advlearn.data.compound import Domains
from advlearn.lab import shapes
from advlearn.lab.experiments.base import Frame, TaskExperiment, lattice
from advlearn.lab.packing import pack
from advlearn.metrics import accuracy
from advlearn.nets import MLP
from advlearn.tasks.domain_adaptation import DomainAdaptation
from advlearn.train_task import playable

SAMPLES, DRAWN, CELLS, BOUND = 2000, 200, 36, 1.4


@final
class Adaptation(TaskExperiment):
    """Train `advlearn.tasks.domain_adaptation.DomainAdaptation` with two features to draw."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        s = settings
        with self.random.used():
            self.source = _moons(s["seed"], 0.0)
            self.target = _moons(s["seed"] + 1, s["angle"])
            # Two features without an activation, which can be drawn as they are.
            parts = {"features": MLP(2, 2, s["layers"]), "head": nn.Linear(2, 2)}
            model = nn.Sequential(OrderedDict(parts))
            task = DomainAdaptation(
                model,
                shape=(2,),
                adversarial_weight=s["adversarial_weight"],
                dann_schedule=False,
            )
            chain = playable(task, resolve(s["objective"]))
            (critic,) = build_critics(task, chain).values()
            adversary = Adversary(critic, chain, lr=s["lr"], critic_steps=s["critic_steps"])
            domains = Domains(
                (shapes.dataset(*self.source, "source"),), shapes.dataset(*self.target, "target")
            )
            stream = batches(domains, s["batch_size"], seed=s["seed"])
            self._set(task, "domain", adversary, stream, lr=s["lr"])

    def scene(self) -> Frame:
        return {
            "bound": BOUND,
            "source": pack(self.source[0][:DRAWN]),
            "source_classes": self.source[1][:DRAWN].tolist(),
            "target": pack(self.target[0][:DRAWN]),
            "target_classes": self.target[1][:DRAWN].tolist(),
            "chain": repr(self.adversary.chain),
        }

    def drawing(self) -> Frame:
        features_of = cast(nn.Sequential, cast(DomainAdaptation, self.task).model)[0]
        logits = self._logits(lattice(CELLS, BOUND))
        with torch.no_grad():
            features = [features_of(x[:DRAWN]) for x, _ in (self.source, self.target)]
        scale = torch.cat(features).abs().max().clamp(min=1e-6)
        return {
            "surface": pack((2 * logits.softmax(1)[:, 1] - 1).reshape(CELLS, CELLS)),
            "source_features": pack(features[0] / scale),
            "target_features": pack(features[1] / scale),
        }

    def figures(self) -> dict[str, float]:
        figures = super().figures()
        for name, (x, y) in (("source", self.source), ("target", self.target)):
            figures[f"{name}_accuracy"] = accuracy(self._logits(x[:500]), y[:500])
        return figures

    def _logits(self, x: Tensor) -> Tensor:
        return cast(DomainAdaptation, self.task).predict(x)


def _moons(seed: int, degrees: float) -> tuple[Tensor, Tensor]:
    """Return moons, rotated about their centre, and their classes."""
    data = toy.moons(SAMPLES, sigma=0.08, seed=seed)
    x = (data.x - torch.tensor([0.5, 0.25])) * 0.7
    a = math.radians(degrees)
    rotation = torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    return x @ rotation, cast(Tensor, data.y)


EXPERIMENT = Adaptation
