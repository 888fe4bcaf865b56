"""Classify with few labels: the classifier is the critic of a generator, and so learns from samples without a class."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self, cast, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.chain import Chain
from advlearn.core.checks import check_number
from advlearn.core.objective import Objective, Pointwise
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.compound import SemiSupervisedDataset
from advlearn.data.semi_supervised import open_semi_supervised
from advlearn.nets import MLPGenerator, Network, build, generator_for
from advlearn.objectives.k_plus_one import KPlusOne
from advlearn.tasks import _heads as heads

CRITIC = "data"


@final
class SemiSupervised(Task):
    r"""A classifier of K classes whose logits also tell real samples from a generator's.

    .. math:: real = (x, y), \quad y = -1\ \text{without a label}, \qquad fake = (G(z), -1)

    In the game of real against fake the unlabelled samples stand for the data; the labelled ones
    have weight 0 there and bring their cross-entropy. The player is the generator; the classifier
    is the critic, and its averaged weights make the predictions. A pointwise objective of logits is
    played on the log-sum-exp of the class logits (see `KPlusOne`).

    Args:
        generator: Module from z (N, latent) to samples (N, *shape).
        classifier: Module from samples (N, *shape) to class logits (N, K).
        latent: Size of z.
        shape: Shape of one sample.

    Raises:
        ValueError: If the modules do not fit `shape`.

    Example:
        >>> task = SemiSupervised(nn.Linear(3, 2), nn.Linear(2, 4), latent=3, shape=(2,))
        >>> task.classes
        4

    Reference:
        Salimans et al. 2016, section 5.
    """

    def __init__(
        self, generator: nn.Module, classifier: nn.Module, *, latent: int, shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.generator = generator
        self.latent = int(check_number("latent", latent, low=1))
        self.shape = tuple(shape)
        self.classifier = classifier
        made = heads.outputs_of(generator, (self.latent,), "generator")
        if tuple(made.shape[1:]) != self.shape:
            raise ValueError(
                f"generator: expected samples of shape {self.shape}, got {tuple(made.shape[1:])}"
            )
        logits = heads.outputs_of(classifier, self.shape, "classifier")
        if logits.ndim != 2:
            raise ValueError(f"classifier: expected class logits (N, K), got {tuple(logits.shape)}")
        self.classes = logits.shape[1]

    @staticmethod
    def load_data(data: Any) -> SemiSupervisedDataset:
        """Open data such as ``"mnist:100"``, see `advlearn.data.open_semi_supervised`."""
        return open_semi_supervised(data)

    @classmethod
    def from_data(
        cls,
        data: SemiSupervisedDataset,
        *,
        latent: int = 64,
        hidden: Sequence[int] | None = None,
    ) -> Self:
        """Build a task with networks sized from the data.

        Args:
            data: Labelled and unlabelled samples.
            latent: Size of the generator's latent vector.
            hidden: Sizes of the hidden layers of both perceptrons; None: networks chosen by the
                shape of the samples.
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
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The task whose `config` this is, with fresh weights."""
        architecture = (build(config[name]) for name in ("generator", "classifier"))
        return cls(*architecture, latent=config["latent"], shape=tuple(config["shape"]))

    def forward(self, batch: Batch) -> TaskOutput:
        x, y, more = batch[0], batch[1], batch[2]
        z = distributed.randn(len(more), self.latent, like=more)
        none = torch.full((len(more),), -1, device=more.device)
        labels = torch.cat([y, none])
        # The others hold the labelled ones too: counted here as well, a hundred images would be
        # half of the data.
        weights = (labels < 0).to(more.dtype)
        return TaskOutput(
            {CRITIC: SamplePair((torch.cat([x, more]), labels), (self.generator(z), none), weights)}
        )

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [p for p in self.generator.parameters() if p.requires_grad]

    def adapt_objective(self, chain: Chain) -> Chain:
        objective = chain.required_objective()
        if isinstance(objective, Pointwise) and objective.critic_output == "logit":
            return replace(chain, objective=KPlusOne(objective))
        return chain

    def critics(self, chain: Chain) -> dict[str, nn.Module]:
        return {CRITIC: _Classifier(self.classifier)}

    def check_compatibility(self, objective: Objective) -> str | None:
        if objective.critic_output == "classes" or (
            isinstance(objective, Pointwise) and objective.critic_output == "logit"
        ):
            return None
        if objective.critic_output == "logit":
            return "it compares scores of pairs or sets of samples, and a class total is a sample's own"
        return f"its critic scores {objective.critic_output!r}, and a classifier has class logits"

    def predict(self, x: Tensor) -> Tensor:
        """Class logits (N, K) of samples `x` (N, *shape), in evaluation mode."""
        return heads.predict(self.classifier, x)

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw samples of the generator, (n, *shape), from the global random state."""
        if labels is not None:
            raise ValueError("labels: expected none, the generator has no classes")
        return heads.predict(self.generator, torch.randn(n, self.latent))

    def config(self) -> dict[str, Any] | None:
        architecture = {"generator": self.generator, "classifier": self.classifier}
        if not all(isinstance(net, Network) for net in architecture.values()):
            return None
        recipes = {name: cast(Network, net).config() for name, net in architecture.items()}
        return {**recipes, "latent": self.latent, "shape": list(self.shape)}


class _Classifier(nn.Module):
    """The classifier as a critic of pairs (x, y): the label is the objective's, not its."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Class logits (N, K)."""
        return self.net(x)


TASK = SemiSupervised
