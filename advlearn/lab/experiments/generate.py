"""Generation in the plane: a generator against a critic, with all their layers to draw."""

from typing import Any, cast, final

import torch
from torch import Tensor, nn

from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.objective import Objective
from advlearn.critics import build as build_critics
from advlearn.critics.propose import learns_nothing
from advlearn.data.batches import batches
from advlearn.lab import shapes
from advlearn.lab.divergences import kl_and_js
from advlearn.lab.experiments.base import Experiment, Frame, TaskExperiment, lattice
from advlearn.lab.packing import pack
from advlearn.metrics import mode_report, sliced_wasserstein
from advlearn.nets import MLP
from advlearn.tasks.generate import Generate
from advlearn.train_task import playable
from advlearn.training.surface import critic_surface

DRAWN, ARROWS, CELLS, LINES, BOUND = 400, 90, 36, 17, 1.4
JUDGED = 800
"""Samples of each side in the figures."""
VECTOR = 16
"""Size of the embedding where the objective compares sets."""


@final
class Uniform(nn.Module):
    """Map normal numbers to uniform ones in [-1, 1], by their distribution function."""

    def forward(self, z: Tensor) -> Tensor:
        """Return 2 Phi(z) - 1, of the shape of `z`."""
        return torch.erf(z / 2**0.5)


@final
class Generation(TaskExperiment):
    """Train `advlearn.tasks.generate.Generate` on points in the plane."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        s = settings
        with self.random.used():
            self.shape = shapes.draw(s["data"], s["seed"])
            noise = s["noise"]
            self.body = MLP(
                noise["size"], 2, s["generator"]["layers"], s["generator"]["activation"]
            )
            before = [Uniform()] if noise["kind"] == "uniform" else []
            task = Generate(nn.Sequential(*before, self.body), latent=noise["size"], shape=(2,))
            chain = playable(task, resolve(s["objective"]))
            own = self._critic(chain.required_objective())
            critic = build_critics(task, chain, own)["data"]
            self.raw_critic = critic
            step = s["critic_step"]
            adversary = Adversary(
                critic,
                chain,
                optimizer=step["optimizer"],
                lr=step["lr"],
                critic_steps=s["critic_steps"],
            )
            size = min(s["batch_size"], len(self.shape.x))
            stream = batches(shapes.dataset(self.shape.x), size, seed=s["seed"])
            self._set(
                task,
                "data",
                adversary,
                stream,
                optimizer=s["generator_step"]["optimizer"],
                lr=s["generator_step"]["lr"],
                game=s["game"] or None,
            )
            self.z = torch.randn(DRAWN, noise["size"])
            self.judged = torch.randn(JUDGED, noise["size"])
            self._try()

    def _try(self) -> None:
        """Compute both losses once, so that an unusable combination is refused at once."""
        random = torch.get_rng_state()
        pair = self.task((self.shape.x[:32],)).pairs["data"]
        try:
            self.adversary.critic_loss(*pair)
            self.adversary.player_loss(*pair)
        except (RuntimeError, IndexError) as error:
            reason = " ".join(str(error).split())[:120]
            raise ValueError(f"objective: not for points in the plane: {reason}") from None
        torch.set_rng_state(random)

    def _critic(self, objective: Objective) -> nn.Module | None:
        """Return a perceptron of the chosen size, or None where the objective needs another."""
        output = objective.critic_output
        if output not in ("logit", "vector") or learns_nothing(objective):
            return None
        own = self.settings["critic"]
        return MLP(2, 1 if output == "logit" else VECTOR, own["layers"], own["activation"])

    def take_over(self, other: Experiment) -> None:
        """Keep the weights of each network whose settings are the same, and its optimizer."""
        if not isinstance(other, Generation):
            return
        old, new = other.settings, self.settings
        if old["seed"] != new["seed"]:
            return
        if all(old[key] == new[key] for key in ("generator", "noise")):
            _copy(other.body, self.body)
            if old["generator_step"]["optimizer"] == new["generator_step"]["optimizer"]:
                _copy_optimizer(other.trainer.optimizer, self.trainer.optimizer)
            self.z, self.judged = other.z, other.judged
        if old["critic"] == new["critic"] and _copy(other.adversary.critic, self.adversary.critic):
            before, after = other.adversary.optimizer, self.adversary.optimizer
            same = old["critic_step"]["optimizer"] == new["critic_step"]["optimizer"]
            if before is not None and after is not None and same:
                _copy_optimizer(before, after)
        self.trainer.step = other.trainer.step
        self.random = other.random

    def scene(self) -> Frame:
        centres = self.shape.centres
        return {
            "bound": BOUND,
            "real": pack(self.shape.x[:: max(1, len(self.shape.x) // DRAWN)][:DRAWN]),
            "modes": 0 if centres is None else len(centres),
            "chain": repr(self.adversary.chain),
            "trained": self.adversary.optimizer is not None,
        }

    def drawing(self) -> Frame:
        fake = self._generated(self.z)
        surface = self._surface(lattice(CELLS, BOUND), fake)
        return {
            "fake": pack(fake),
            "noise": pack(self.z[:120]),
            "surface": pack(surface.reshape(CELLS, CELLS)),
            "manifold": pack(self._manifold()),
            "arrows": pack(self._arrows(fake[:ARROWS])),
        }

    def figures(self) -> dict[str, float]:
        real, fake = self.shape.x[:JUDGED], self._generated(self.judged)
        figures = super().figures()
        if not bool(fake.isfinite().all()):
            return figures
        figures["kl"], figures["js"] = kl_and_js(real, fake)
        figures["wasserstein"] = float(sliced_wasserstein(real, fake, projections=32))
        if self.shape.centres is not None:
            report = mode_report(fake, self.shape.centres, self.shape.sigma)
            figures |= {"modes": report.modes, "quality": report.high_quality}
        return figures

    @torch.no_grad()
    def _generated(self, z: Tensor) -> Tensor:
        return cast(Generate, self.task).decode(z)

    def _surface(self, points: Tensor, fake: Tensor) -> Tensor:
        """Return the critic's score of each point, high for real, scaled to [-1, 1]."""
        return critic_surface(self.adversary, points, self.shape.x[:200], fake[:200])

    def _manifold(self) -> Tensor:
        """Return where the generator maps a lattice of the noise: (LINES, LINES or 1, 2)."""
        share = torch.linspace(0.02, 0.98, LINES if self.z.shape[1] == 2 else 160)
        axis = torch.erfinv(2 * share - 1) * 2**0.5
        if self.z.shape[1] == 1:
            return self._generated(axis[:, None])[:, None]
        z = torch.cartesian_prod(axis, axis)
        return self._generated(z).reshape(LINES, LINES, 2)

    def _arrows(self, fake: Tensor) -> Tensor:
        """Return the step that the generator's loss asks of each sample, (N, 2), longest 1."""
        leaf = fake.clone().requires_grad_()
        try:
            loss = self.adversary.player_loss(self.shape.x[: len(fake)], leaf)
            (gradient,) = torch.autograd.grad(loss, leaf)
        except RuntimeError:  # a loss that is constant in the samples
            return torch.zeros_like(fake)
        return -gradient / gradient.norm(dim=1).max().clamp(min=1e-12)


def _copy(source: nn.Module, target: nn.Module) -> bool:
    """Copy the weights where both modules have the same ones; return whether they have."""
    old, new = source.state_dict(), target.state_dict()
    if {k: v.shape for k, v in old.items()} != {k: v.shape for k, v in new.items()}:
        return False
    target.load_state_dict(old)
    return True


def _copy_optimizer(source: torch.optim.Optimizer, target: torch.optim.Optimizer) -> None:
    """Copy the moments of an optimizer, and keep the new learning rates."""
    rates = [group["lr"] for group in target.param_groups]
    target.load_state_dict(source.state_dict())
    for group, rate in zip(target.param_groups, rates, strict=True):
        group["lr"] = rate


EXPERIMENT = Generation
