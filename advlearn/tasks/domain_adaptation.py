"""Adapt a classifier to a target domain without labels, by features that match across domains."""

import copy
from typing import Any, Literal, Self, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from advlearn.core.arguments import Widths
from advlearn.core.chain import Chain
from advlearn.core.checks import check_choice, check_number
from advlearn.core.inputs import Inputs
from advlearn.core.layer_capture import LayerCapture, attach
from advlearn.core.modules import eval_mode
from advlearn.core.objective import Objective, Setwise
from advlearn.core.schedules import dann_schedule
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import Domains
from advlearn.data.domains import open_domains
from advlearn.nets.network import one_hot
from advlearn.tasks import _heads as heads
from advlearn.tasks._examples import labelled_points

Conditioning = Literal["nothing", "predictions", "labels"]


@final
class DomainAdaptation(Task):
    r"""Train a classifier whose features h have the same distribution on all domains.

    .. math:: L = E_{source}[-\log p(y \mid x)], \qquad real = h(x_s), \quad fake = h(x_t)

    The objective determines the method: ``nsgan`` is DANN, ``wgan-gp`` WDGRL, ``mmd`` DAN,
    ``coral`` Deep CORAL, ``sinkhorn`` and ``assignment`` optimal transport. `conditioning` makes it
    conditional.

    Args:
        model: Module from samples (N, *shape) to class logits (N, K).
        shape: Shape of one sample.
        layer: Name of the layer whose output is h; empty for the logits.
        sources: Number of source domains, each with its own critic.
        conditioning: Second input of the critic: ``"nothing"``; ``"predictions"``, without their
            gradient (CDAN); ``"labels"`` of the source and predictions of the target, with their
            gradient (DeepJDOT's joint distribution).
        entropy: Weight each sample by the certainty of its prediction (CDAN+E); needs
            ``conditioning="predictions"``.
        gradient_reversal: Move critic and model in one backward pass, by gradient reversal, instead
            of in turn: faster, and a zero-sum game whatever generator loss the objective has.
        adversarial_weight: Weight of the adversarial losses in the model's loss.
        dann_schedule: Whether the weight grows from zero by `advlearn.dann_schedule`.
        source_model: A trained model whose source features are fixed (ADDA). The task then trains
            only the target's features, from `model`'s weights, without L. `adda` sets it.

    Raises:
        ValueError: A setting is out of range, the model does not fit `shape`, or there is no such
            layer.

    Example:
        >>> from advlearn.nets import MLPPredictor
        >>> task = DomainAdaptation(MLPPredictor((2,), 3), shape=(2,))
        >>> task.predict(torch.zeros(5, 2)).shape
        torch.Size([5, 3])

    Reference:
        Ganin et al. 2016, eq. 9 (DANN) and section 5.2.2 (ramp); Long et al. 2018, eq. 5 and 8
        (CDAN, CDAN+E); Tzeng et al. 2017 (ADDA); Shen et al. 2018 (WDGRL); Long et al. 2015 (DAN);
        Damodaran et al. 2018 (DeepJDOT).

    Deviations:
        Critic and model alternate on one batch and one forward pass unless `gradient_reversal`
        selects the paper's method; ``"labels"`` compares labels by squared distance, DeepJDOT by
        cross-entropy; DAN compares one layer. A generator loss that a paper defines only for fakes,
        such as that of the loss-sensitive GAN, also takes the negated scores of the source, because
        the source features are trained too.
    """

    data_settings = (*Task.data_settings, "sources")
    example_options = (
        {},
        {"conditioning": "predictions", "entropy": True},
        {"conditioning": "labels", "gradient_reversal": True},
    )

    def __init__(
        self,
        model: nn.Module,
        *,
        shape: tuple[int, ...],
        layer: str = "features",
        sources: int = 1,
        conditioning: Conditioning = "nothing",
        entropy: bool = False,
        gradient_reversal: bool = False,
        adversarial_weight: float = 1.0,
        dann_schedule: bool = True,
        source_model: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conditioning: Conditioning = check_choice(
            "conditioning", conditioning, ("nothing", "predictions", "labels")
        )
        if entropy and conditioning != "predictions":
            raise ValueError(
                "entropy: expected False without conditioning='predictions', "
                f"got True with {conditioning!r}"
            )
        self.model = model
        self.shape = tuple(shape)
        self.layer = layer
        self.sources = int(check_number("sources", sources, low=1))
        self.entropy = entropy
        self.gradient_reversal = gradient_reversal
        self.adversarial_weight = check_number("adversarial_weight", adversarial_weight, low=0)
        self.dann_schedule = dann_schedule
        self.compares_sets = False
        self.capture = attach(model, layer)
        logits = heads.outputs_of(model, self.shape)
        self.width = self.capture.output.flatten(1).shape[1]
        if logits.ndim != 2:
            raise ValueError(f"model: expected class logits (N, K), got {tuple(logits.shape)}")
        self.classes = logits.shape[1]
        self.source_model = None if source_model is None else _frozen_copy(source_model)
        self.source_capture = (
            None if self.source_model is None else attach(self.source_model, layer)
        )
        if source_model is not None:
            _only_features(model, self.shape, layer)

    @staticmethod
    def load_data(data: Any) -> Domains:
        """Open domains with `advlearn.data.open_domains`: ``"mnist->usps"``, (source, target)."""
        return open_domains(data)

    @classmethod
    def from_data(cls, data: Domains, *, hidden: Widths | None = None, **settings: Any) -> Self:
        """Build the task with a classifier sized from the data.

        Args:
            data: Source domains with labels, and a target domain.
            hidden: Sizes of the hidden layers of a perceptron; None chooses a network by the shape.
            **settings: Other keywords of the constructor.
        """
        cls.check_options(settings)
        model = heads.predictor(data.shape, data.classes, hidden)
        return cls(model, shape=data.shape, sources=len(data.sources), **settings)

    def adda(
        self, *, adversarial_weight: float = 1.0, dann_schedule: bool = True
    ) -> "DomainAdaptation":
        """Return the second stage of ADDA; this task, trained on the source, is the first.

        Args:
            adversarial_weight: Weight of the adversaries, as for the task.
            dann_schedule: Whether the weight grows from zero.

        Returns:
            A task with the source features of this task, which are fixed; the target features start
            as a copy of them.

        Example:
            >>> import advlearn
            >>> settings = {"data": "digits->digits", "steps": 2, "device": "cpu", "callbacks": ()}
            >>> first = advlearn.fit("domain_adaptation(adversarial_weight=0.0)", **settings)
            >>> advlearn.fit(first.ema_model.adda(), "nsgan", **settings).predict(
            ...     torch.zeros(1, 1, 8, 8)
            ... ).shape
            torch.Size([1, 10])
        """
        model = copy.deepcopy(self.model)
        if not any(p.requires_grad for p in model.parameters()):
            model.requires_grad_(True)  # an averaged model is frozen
        settings: dict[str, Any] = {
            "adversarial_weight": adversarial_weight,
            "dann_schedule": dann_schedule,
            "source_model": self.model,
        }
        return DomainAdaptation(
            model, shape=self.shape, layer=self.layer, sources=self.sources, **settings
        )

    @classmethod
    def example_data(cls) -> Domains:
        """Return two domains of labelled points."""
        return Domains((labelled_points(),), labelled_points(shift=1.0, name="moved"))

    def forward(self, batch: Batch) -> TaskOutput:
        *of_sources, xt, known = batch
        stride = len(of_sources) // self.sources
        xs, ys = of_sources[0::stride], of_sources[1::stride]
        weights = of_sources[2::stride] if stride > 2 else [None] * self.sources
        sizes = [len(x) for x in (*xs, xt)]
        logits = self.model(torch.cat([*xs, xt]))
        features = list(self.capture.output.flatten(1).split(sizes))
        outputs = list(logits.split(sizes))
        loss = None
        if self.source_model is None:
            losses = zip(outputs, ys, weights, strict=False)
            loss = torch.stack([_source_loss(o, y, w) for o, y, w in losses]).mean()
            loss = loss + _known_loss(outputs[-1], known)
        elif self.source_capture is not None:
            with torch.no_grad():
                outputs[:-1] = self.source_model(torch.cat(xs)).split(sizes[:-1])
            features[:-1] = self.source_capture.output.flatten(1).split(sizes[:-1])
        target = self._sample(features[-1], outputs[-1], None)
        weight = _certainty(outputs[-1]) if self.entropy else None
        pairs = {
            name: self._pair(h, o, y, w, (target, weight))
            for name, h, o, y, w in zip(self._names(), features, outputs, ys, weights, strict=False)
        }
        return TaskOutput(pairs, loss, {"logits": logits.detach()})

    def critic_inputs(self) -> dict[str, Inputs]:
        h, p = (self.width,), (self.classes,)
        inputs = (
            Inputs((h,), hidden=heads.HIDDEN)
            if self.conditioning == "nothing"
            else Inputs((h, p), join="product", hidden=heads.HIDDEN)
        )
        return dict.fromkeys(self._names(), inputs)

    def check_compatibility(self, objective: Objective) -> str | None:
        reason = super().check_compatibility(objective)
        if reason is None and not objective.moves_both_sides:
            return (
                f"it moves one side only ({objective.reasons['moves_both_sides']}), "
                "and adaptation must move both"
            )
        return reason

    def adapt_objective(self, chain: Chain) -> Chain:
        # A distance of sets has no weights: their samples are drawn more or less often.
        self.compares_sets = isinstance(chain.required_objective(), Setwise)
        return chain

    def adversarial_weight_at(self, progress: float) -> float:
        return self.adversarial_weight * (dann_schedule(progress) if self.dann_schedule else 1.0)

    def predict(self, x: Tensor) -> Tensor:
        """Compute class logits (N, K) of samples `x` (N, *shape), in evaluation mode."""
        return heads.predict(self.model, x)

    def embedding(self, data: Domains, n: int = 500) -> dict[str, Tensor]:
        """Compute features (n, width) of samples of each domain in memory, by its name."""
        source = (
            (self.model, self.capture)
            if self.source_model is None
            else (self.source_model, cast(LayerCapture, self.source_capture))
        )
        named = [(f"source {part.name}", part, *source) for part in data.sources]
        named.append((f"target {data.target.name}", data.target, self.model, self.capture))
        return {
            name: _features(model, capture, part.rows(slice(None, None, -(-len(part) // n))))
            for name, part, model, capture in named
            if isinstance(part, ArrayDataset)
        }

    def _pair(
        self,
        h: Tensor,
        logits: Tensor,
        y: Tensor,
        weights: Tensor | None,
        target: tuple[Any, Tensor | None],
    ) -> SamplePair:
        """Pair the samples of a source with those of the target."""
        if weights is not None and self.compares_sets:
            drawn = heads.drawn(weights.to(h), h)
            h, logits, y, weights = h[drawn], logits[drawn], y[drawn], None
        certainty = _certainty(logits) if self.entropy else None
        of_target, of_target_weight = target
        return SamplePair(
            self._sample(h, logits, y), of_target, _product(certainty, weights), of_target_weight
        )

    def _names(self) -> list[str]:
        return ["domain"] if self.sources == 1 else [f"domain{k}" for k in range(self.sources)]

    def _sample(
        self, h: Tensor, logits: Tensor, y: Tensor | None
    ) -> Tensor | tuple[Tensor, Tensor]:
        if self.conditioning == "nothing":
            return h
        p = logits.softmax(1)
        if self.conditioning == "predictions":
            return h, p.detach()
        return h, p if y is None else one_hot(y, self.classes, p)


def _source_loss(logits: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return cross_entropy(logits, y)
    return heads.weighted_mean(cross_entropy(logits, y, reduction="none"), y, weights)


def _product(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Return the product of weights, of which None stands for one."""
    if first is None or second is None:
        return second if first is None else first
    return first * second


def _known_loss(logits: Tensor, known: Tensor) -> Tensor:
    """Compute the cross-entropy of the target samples with a label, zero without any."""
    labelled = (known >= 0).to(logits.dtype)
    losses = cross_entropy(logits, known.clamp(min=0), reduction="none")
    return (labelled * losses).sum() / labelled.sum().clamp(min=1)


def _certainty(logits: Tensor) -> Tensor:
    """Compute 1 + exp(-entropy) of each prediction, (N,), without gradient."""
    log_p = logits.detach().log_softmax(1)
    return 1 + (log_p.exp() * log_p).sum(1).exp()


def _features(model: nn.Module, capture: LayerCapture, x: Tensor) -> Tensor:
    """Compute the outputs (n, width) of a captured layer for samples `x`, in evaluation mode."""
    with torch.no_grad(), eval_mode(model):
        model(x.to(next(model.parameters()).device))
    return capture.output.flatten(1).cpu()


def _frozen_copy(model: nn.Module) -> nn.Module:
    """Return a frozen copy in evaluation mode."""
    copied = copy.deepcopy(model)
    for p in copied.parameters():
        p.requires_grad_(False)
    return copied.eval()


def _only_features(model: nn.Module, shape: tuple[int, ...], layer: str) -> None:
    """Freeze the parameters after the layer."""
    trained = [p for p in model.parameters() if p.requires_grad]
    with attach(model, layer) as capture:
        model(torch.zeros(2, *shape).to(trained[0]))
        gradients = torch.autograd.grad(capture.output.sum(), trained, allow_unused=True)
    for p, g in zip(trained, gradients, strict=True):
        p.requires_grad_(g is not None)


TASK = DomainAdaptation
