"""Adapt a classifier to a domain without labels: features of source and target that no critic tells apart."""

import copy
from typing import Any, Literal, Self, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from advlearn.core.chain import Chain
from advlearn.core.checks import choice, parameter
from advlearn.core.modes import evaluating
from advlearn.core.objective import Objective
from advlearn.core.ramp import ramp as grown
from advlearn.core.tap import Tap, attach
from advlearn.core.task import Batch, Round, Sides, Task
from advlearn.data.domains import open_domains
from advlearn.data.several import Domains
from advlearn.data.source import Source
from advlearn.nets import Joined, Multilinear, Network, build, predictor_for
from advlearn.nets.network import indicators
from advlearn.tasks import _heads as heads

Beside = Literal["nothing", "predictions", "labels"]


@final
class Adapt(Task):
    r"""A classifier whose features h are asked to be alike on each source and on the target.

    .. math:: L = E_{source}[-\log p(y \mid x)], \qquad real = h(x_s), \quad fake = h(x_t)

    The objective makes the method: ``nsgan`` is DANN, ``wgan-gp`` WDGRL, ``mmd`` DAN, ``coral`` Deep CORAL,
    ``sinkhorn`` and ``assignment`` optimal transport; `beside` makes it conditional.

    Args:
        model: Module from samples (N, *shape) to class logits (N, K).
        shape: Shape of one sample.
        layer: Name of the layer whose output is h; empty for the logits.
        sources: Number of source domains; each has an adversary of its own.
        beside: What is compared with h: ``"nothing"``; ``"predictions"``, held fixed (CDAN); ``"labels"`` of the
            source and predictions of the target, which move (DeepJDOT's joint distribution).
        entropy: Count each sample by how sure its prediction is (CDAN+E); needs ``beside="predictions"``.
        reversal: Move critic and model in one backward pass, by gradient reversal, instead of in turn: faster, and the
            zero-sum game whatever the objective's own player loss.
        strength: Weight of the adversaries in the player's loss.
        ramp: Let the weight grow from zero as `advlearn.ramp` has it.
        fixed: A trained model that gives the source features and stays as it is (ADDA); then the target's features
            alone are trained, from `model`'s weights, without L. `adda` puts it here.

    Raises:
        ValueError: If a setting is refused, the model does not fit `shape`, or there is no such layer.

    Example:
        >>> from advlearn.nets import MLPPredictor
        >>> task = Adapt(MLPPredictor((2,), 3), shape=(2,))
        >>> task.predict(torch.zeros(5, 2)).shape
        torch.Size([5, 3])

    Reference:
        Ganin et al. 2016, eq. 9 (DANN) and section 5.2.2 (ramp); Long et al. 2018, eq. 5 and 8 (CDAN, CDAN+E); Tzeng
        et al. 2017 (ADDA); Shen et al. 2018 (WDGRL); Long et al. 2015 (DAN); Damodaran et al. 2018 (DeepJDOT).

    Deviations:
        Critic and player alternate on one batch and one forward pass unless `reversal` asks for the paper's way;
        ``"labels"`` compares labels by squared distance, DeepJDOT by cross-entropy; DAN compares one layer.
        A player's loss that its paper gives to fakes alone, as that of the loss-sensitive GAN, has the source's scores
        with the other sign beside it wherever the source moves too, as here; so none is refused for being one-sided.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        shape: tuple[int, ...],
        layer: str = "features",
        sources: int = 1,
        beside: Beside = "nothing",
        entropy: bool = False,
        reversal: bool = False,
        strength: float = 1.0,
        ramp: bool = True,
        fixed: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.beside: Beside = choice("beside", beside, ("nothing", "predictions", "labels"))
        if entropy and beside != "predictions":
            raise ValueError(f"entropy: weighs by predictions, so it needs beside='predictions', got {beside!r}")
        self.model = model
        self.shape = tuple(shape)
        self.layer = layer
        self.sources = int(parameter("sources", sources, low=1))
        self.entropy = entropy
        self.reversal = reversal
        self.weight = parameter("strength", strength, low=0)
        self.ramp = ramp
        self.tap = attach(model, layer)
        logits = heads.outputs_of(model, self.shape)
        self.width = self.tap.value.flatten(1).shape[1]
        if logits.ndim != 2:
            raise ValueError(f"model: expected class logits (N, K), got {tuple(logits.shape)}")
        self.classes = logits.shape[1]
        self.fixed = None if fixed is None else _still(fixed)
        self.fixed_tap = None if self.fixed is None else attach(self.fixed, layer)
        if fixed is not None:
            _only_features(model, self.shape, layer)

    @staticmethod
    def open(data: Any) -> Domains:
        """Domains from what `advlearn.data.open_domains` takes: ``"mnist->usps"``, (source, target[, known])."""
        return open_domains(data)

    @classmethod
    def for_data(
        cls,
        data: Domains,
        *,
        beside: Beside = "nothing",
        entropy: bool = False,
        reversal: bool = False,
        strength: float = 1.0,
        ramp: bool = True,
    ) -> Self:
        """A task with a network sized from the data."""
        model = predictor_for(data.shape, data.classes)
        settings: dict[str, Any] = {"beside": beside, "entropy": entropy, "reversal": reversal}
        settings |= {"strength": strength, "ramp": ramp}
        return cls(model, shape=data.shape, sources=len(data.sources), **settings)

    @classmethod
    def from_recipe(cls, recipe: dict[str, Any]) -> Self:
        """The task whose `recipe` this is, with fresh weights."""
        settings = {k: v for k, v in recipe.items() if k not in ("model", "shape", "fixed")}
        fixed = recipe.get("fixed")
        settings["fixed"] = None if fixed is None else build(fixed)
        return cls(build(recipe["model"]), shape=tuple(recipe["shape"]), **settings)

    def adda(self, *, strength: float = 1.0, ramp: bool = True) -> "Adapt":
        """The second stage of ADDA, with this task, trained on the source, as the first.

        Args:
            strength: Weight of the adversaries, as for the task.
            ramp: Whether it grows from zero, likewise.

        Returns:
            A task whose source features are this task's and stay so; those of the target start as a copy of them.

        Example:
            >>> import advlearn
            >>> settings = {"data": "digits->digits", "steps": 2, "device": "cpu", "callbacks": ()}
            >>> first = advlearn.fit("adapt(strength=0.0)", **settings)
            >>> advlearn.fit(first.player.adda(), "nsgan", **settings).predict(torch.zeros(1, 1, 8, 8)).shape
            torch.Size([1, 10])
        """
        model = copy.deepcopy(self.model)
        if not any(p.requires_grad for p in model.parameters()):
            model.requires_grad_(True)  # an averaged player is frozen
        settings: dict[str, Any] = {"strength": strength, "ramp": ramp, "fixed": self.model}
        return Adapt(model, shape=self.shape, layer=self.layer, sources=self.sources, **settings)

    def forward(self, batch: Batch) -> Round:
        xs, ys = batch[0 : 2 * self.sources : 2], batch[1 : 2 * self.sources : 2]
        xt, known = batch[2 * self.sources :]
        sizes = [len(x) for x in (*xs, xt)]
        logits = self.model(torch.cat([*xs, xt]))
        features = list(self.tap.value.flatten(1).split(sizes))
        outputs = list(logits.split(sizes))
        loss = None
        if self.fixed is None:
            loss = torch.stack([cross_entropy(o, y) for o, y in zip(outputs, ys, strict=False)]).mean()
            loss = loss + _known_loss(outputs[-1], known)
        elif self.fixed_tap is not None:
            with torch.no_grad():
                outputs[:-1] = self.fixed(torch.cat(xs)).split(sizes[:-1])
            features[:-1] = self.fixed_tap.value.flatten(1).split(sizes[:-1])
        target = self._sample(features[-1], outputs[-1], None)
        weight = _certainty(outputs[-1]) if self.entropy else None
        contests = {
            name: Sides(self._sample(h, o, y), target, _certainty(o) if self.entropy else None, weight)
            for name, h, o, y in zip(self._names(), features, outputs, ys, strict=False)
        }
        return Round(contests, loss, {"logits": logits.detach()})

    def critics(self, chain: Chain) -> dict[str, nn.Module]:
        return {name: self._critic(chain) for name in self._names()}

    def refuses(self, objective: Objective) -> str | None:
        if objective.score in ("density", "classes"):
            return (
                f"its critic scores {objective.score!r}, and there is neither an attribute nor a class to predict here"
            )
        if not objective.two_sided:
            return f"it moves one side alone ({objective.reasons['two_sided']}), and adaptation must move both"
        return None

    def strength(self, progress: float) -> float:
        return self.weight * (grown(progress) if self.ramp else 1.0)

    def predict(self, x: Tensor) -> Tensor:
        """Class logits (N, K) of samples `x` (N, *shape), in evaluation mode."""
        return heads.predict(self.model, x)

    def embedding(self, data: Domains, n: int = 500) -> dict[str, Tensor]:
        """Features (n, width) of samples of each domain in memory, evenly taken, by its name: points of a picture."""
        source = (self.model, self.tap) if self.fixed is None else (self.fixed, cast(Tap, self.fixed_tap))
        named = [(f"source {part.name}", part, *source) for part in data.sources]
        named.append((f"target {data.target.name}", data.target, self.model, self.tap))
        return {
            name: _features(model, tap, part.x[:: -(-len(part) // n)])
            for name, part, model, tap in named
            if isinstance(part, Source)
        }

    def recipe(self) -> dict[str, Any] | None:
        fixed = self.fixed
        if not isinstance(self.model, Network) or not isinstance(fixed, Network | None):
            return None
        names = ("layer", "sources", "beside", "entropy", "reversal", "ramp")
        settings = {name: getattr(self, name) for name in names}
        settings |= {"strength": self.weight, "fixed": None if fixed is None else fixed.recipe()}
        return {"model": self.model.recipe(), "shape": list(self.shape), **settings}

    def _names(self) -> list[str]:
        return ["domain"] if self.sources == 1 else [f"domain{k}" for k in range(self.sources)]

    def _sample(self, h: Tensor, logits: Tensor, y: Tensor | None) -> Tensor | tuple[Tensor, Tensor]:
        if self.beside == "nothing":
            return h
        p = logits.softmax(1)
        if self.beside == "predictions":
            return h, p.detach()
        return h, p if y is None else indicators(y, self.classes, p)

    def _critic(self, chain: Chain) -> nn.Module:
        objective = chain.required_objective()
        if self.beside == "nothing":
            return heads.critic_of(self.width, chain)
        if heads.learns_nothing(objective):
            return Joined(nn.Identity())
        if objective.score == "energy":
            return Joined(heads.critic_of(self.width + self.classes, chain))
        return Multilinear(heads.critic_of(self.width * self.classes, chain))


def _known_loss(logits: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of the target samples with a label, over as many as there are; zero where there is none."""
    labelled = (known >= 0).to(logits.dtype)
    losses = cross_entropy(logits, known.clamp(min=0), reduction="none")
    return (labelled * losses).sum() / labelled.sum().clamp(min=1)


def _certainty(logits: Tensor) -> Tensor:
    """1 + exp(-entropy) of each prediction, (N,), without graph: contests divide by the sum."""
    log_p = logits.detach().log_softmax(1)
    return 1 + (log_p.exp() * log_p).sum(1).exp()


def _features(model: nn.Module, tap: Tap, x: Tensor) -> Tensor:
    """What passes a tapped layer for samples `x`, (n, width), in evaluation mode."""
    with torch.no_grad(), evaluating(model):
        model(x.to(next(model.parameters()).device))
    return tap.value.flatten(1).cpu()


def _still(model: nn.Module) -> nn.Module:
    """A copy that is never trained."""
    copied = copy.deepcopy(model)
    for p in copied.parameters():
        p.requires_grad_(False)
    return copied.eval()


def _only_features(model: nn.Module, shape: tuple[int, ...], layer: str) -> None:
    """Hold fixed what lies behind the layer: no gradient from its output reaches it."""
    trained = [p for p in model.parameters() if p.requires_grad]
    with attach(model, layer) as tap:
        model(torch.zeros(2, *shape).to(trained[0]))
        reached = torch.autograd.grad(tap.value.sum(), trained, allow_unused=True)
    for p, g in zip(trained, reached, strict=True):
        p.requires_grad_(g is not None)


TASK = Adapt
