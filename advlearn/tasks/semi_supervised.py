"""Classify with few labels: the classifier is also the critic of a generator."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.chain import Chain
from advlearn.core.checks import check_number
from advlearn.core.inputs import Inputs
from advlearn.core.objective import Objective, Pointwise
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import SemiSupervisedDataset
from advlearn.data.semi_supervised import open_semi_supervised
from advlearn.nets import MLPGenerator, generator_for
from advlearn.objectives.k_plus_one import KPlusOne
from advlearn.tasks import _heads as heads
from advlearn.tasks._examples import labelled_points, points

CRITIC = "data"


@final
class SemiSupervised(Task):
    r"""Train a classifier of K classes whose logits also distinguish real from generated samples.

    .. math:: real = (x, y), \quad y = -1\ \text{without a label}, \qquad fake = (G(z), -1)

    The adversarial loss uses the unlabelled samples; labelled ones have weight 0 there and add
    their cross-entropy. The task trains the generator; the classifier is the critic, and the
    average of its weights predicts. A pointwise objective of logits is applied to the log-sum-exp
    of the class logits (see `KPlusOne`).

    Args:
        generator: Module from z (N, latent) to samples (N, *shape).
        classifier: Module from samples (N, *shape) to class logits (N, K).
        latent: Size of z.
        shape: Shape of one sample.

    Raises:
        ValueError: The modules do not fit `shape`.

    Example:
        >>> task = SemiSupervised(nn.Linear(3, 2), nn.Linear(2, 4), latent=3, shape=(2,))
        >>> task.classes
        4

    Reference:
        Salimans et al. 2016, section 5.
    """

    example_options = ({"latent": 2},)

    def __init__(
        self, generator: nn.Module, classifier: nn.Module, *, latent: Count, shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.generator = generator
        self.latent = int(check_number("latent", latent, low=1))
        self.shape = tuple(shape)
        self.classifier = classifier
        samples = heads.outputs_of(generator, (self.latent,), "generator")
        if tuple(samples.shape[1:]) != self.shape:
            raise ValueError(
                f"generator: expected samples of shape {self.shape}, got {tuple(samples.shape[1:])}"
            )
        logits = heads.outputs_of(classifier, self.shape, "classifier")
        if logits.ndim != 2:
            raise ValueError(f"classifier: expected class logits (N, K), got {tuple(logits.shape)}")
        self.classes = logits.shape[1]

    @staticmethod
    def load_data(data: Any) -> SemiSupervisedDataset:
        """Open data with `advlearn.data.open_semi_supervised`: ``"mnist:100"``, (x, y with -1)."""
        return open_semi_supervised(data)

    @classmethod
    def from_data(
        cls, data: SemiSupervisedDataset, *, latent: Count = 64, hidden: Sequence[int] | None = None
    ) -> Self:
        """Build the task with networks sized from the data.

        Args:
            data: Labelled and unlabelled samples.
            latent: Size of the generator's input.
            hidden: Sizes of the hidden layers of both perceptrons; None chooses networks by the
                shape.
        """
        bounded = getattr(data.unlabelled, "bounded", False)
        generator = (
            generator_for(data.shape, latent, tanh_output=bounded)
            if hidden is None
            else MLPGenerator(latent, data.shape, hidden)
        )
        classifier = heads.predictor(data.shape, data.classes, hidden)
        return cls(generator, classifier, latent=latent, shape=data.shape)

    @classmethod
    def example_data(cls) -> SemiSupervisedDataset:
        """Return labelled points, and others without a label."""
        unlabelled = ArrayDataset(points(), None, "others")
        return SemiSupervisedDataset(labelled_points(), unlabelled)

    def forward(self, batch: Batch) -> TaskOutput:
        x, y, others = batch[0], batch[1], batch[2]
        z = distributed.randn(len(others), self.latent, like=others)
        unlabelled = torch.full((len(others),), -1, device=others.device)
        labels = torch.cat([y, unlabelled])
        # The unlabelled samples include the labelled ones: counted twice, a hundred images would be
        # half of the data.
        weights = (labels < 0).to(others.dtype)
        return TaskOutput(
            {
                CRITIC: SamplePair(
                    (torch.cat([x, others]), labels), (self.generator(z), unlabelled), weights
                )
            }
        )

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [p for p in self.generator.parameters() if p.requires_grad]

    def adapt_objective(self, chain: Chain) -> Chain:
        objective = chain.required_objective()
        if isinstance(objective, Pointwise) and objective.critic_output == "logit":
            return replace(chain, objective=KPlusOne(objective))
        return chain

    def critic_inputs(self) -> dict[str, Inputs]:
        shapes, module = (self.shape,), ClassifierCritic(self.classifier)
        return {CRITIC: Inputs(shapes, (self.classes,), module=module)}

    def adopt_critic(self, name: str, critic: nn.Module) -> nn.Module:
        """Replace the task's classifier by the user's."""
        logits = heads.outputs_of(critic, self.shape, "critic")
        if tuple(logits.shape[1:]) != (self.classes,):
            raise ValueError(
                f"critic: expected class logits (N, {self.classes}), got {tuple(logits.shape)}"
            )
        self.classifier = critic
        self._arguments["classifier"] = critic
        return ClassifierCritic(critic)

    def check_compatibility(self, objective: Objective) -> str | None:
        if objective.critic_output == "classes" or (
            isinstance(objective, Pointwise) and objective.critic_output == "logit"
        ):
            return None
        if objective.critic_output == "logit":
            return "it compares pairs or sets of scores, and class logits give one score per sample"
        return f"its critic scores {objective.critic_output!r}, and a classifier has class logits"

    def predict(self, x: Tensor) -> Tensor:
        """Compute class logits (N, K) of samples `x` (N, *shape), in evaluation mode."""
        return heads.predict(self.classifier, x)

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw samples of the generator, (n, *shape), from the global random state."""
        if labels is not None:
            raise ValueError(
                "labels: expected None, because the generator has no classes, got labels"
            )
        return heads.predict(self.generator, torch.randn(n, self.latent))


class ClassifierCritic(nn.Module):
    """Score pairs (x, y) by the classifier; only the objective reads the label."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return class logits (N, K)."""
        return self.net(x)


TASK = SemiSupervised
