"""Generate samples by class, with an auxiliary classifier: AC-GAN."""

from typing import Any, Self, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.checks import check_number
from advlearn.core.inputs import Inputs
from advlearn.core.modules import eval_mode
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.nets import predictor_for
from advlearn.tasks import _heads as heads
from advlearn.tasks import _sampling as sampling
from advlearn.tasks._examples import labelled_points

CRITIC = "data"


@final
class ACGAN(Task):
    r"""Train a conditional generator with a critic of samples and an auxiliary classifier.

    .. math:: fake = G(z, y), \quad z \sim N(0, I), \qquad
        L = w\,\big(E[-\log q(y \mid G(z, y))] + E[-\log q(y \mid x)]\big)

    The labels of a batch are those of its real samples. Generator and classifier minimise L:
    the classifier learns from real and generated samples, the generator to be classified correctly.

    Args:
        generator: Module from z (N, latent) and y, int64 (N,), to samples (N, *shape).
        classifier: Module from samples (N, *shape) to class logits (N, K).
        latent: Size of z.
        shape: Shape of one sample.
        classifier_weight: w, the weight of the classifier's cross-entropy.
        architecture: Name of the critic's architecture, one of `advlearn.nets.architectures()`;
            None chooses by `shape`.
        base_channels: Channels at half resolution of the default critic.

    Raises:
        ValueError: A size or weight is out of range, or a module does not fit.

    Example:
        >>> from advlearn.nets import MLPGenerator
        >>> task = ACGAN(MLPGenerator(3, (2,), classes=4), nn.Linear(2, 4), latent=3, shape=(2,))
        >>> (
        ...     task.sample(5, torch.tensor([0, 1, 2, 3, 0])).shape,
        ...     task.predict(torch.zeros(5, 2)).shape,
        ... )
        (torch.Size([5, 2]), torch.Size([5, 4]))

    Reference:
        Odena, Olah, Shlens 2017, section 4, eq. 2 and 3.

    Deviations:
        The classifier is a separate network instead of a second output of the critic, which makes
        it independent of the objective.
    """

    example_options = ({"latent": 2},)

    def __init__(
        self,
        generator: nn.Module,
        classifier: nn.Module,
        *,
        latent: Count,
        shape: tuple[int, ...],
        classifier_weight: float = 1.0,
        architecture: str | None = None,
        base_channels: Count = 64,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.classifier = classifier
        self.latent = int(check_number("latent", latent, low=1))
        self.shape = tuple(shape)
        self.classifier_weight = check_number("classifier_weight", classifier_weight, low=0)
        self.architecture = architecture
        self.base_channels = base_channels
        logits = heads.outputs_of(classifier, self.shape, "classifier")
        if logits.ndim != 2:
            raise ValueError(f"classifier: expected class logits (N, K), got {tuple(logits.shape)}")
        self.classes = logits.shape[1]
        z = next(generator.parameters()).new_zeros(2, self.latent)
        sampling.check_generator(
            generator, self.shape, z, torch.zeros(2, dtype=torch.int64, device=z.device)
        )

    @classmethod
    def from_data(
        cls,
        data: ArrayDataset | StreamedDataset,
        *,
        latent: Count = 64,
        classifier_weight: float = 1.0,
        architecture: str | None = None,
        base_channels: Count = 64,
    ) -> Self:
        """Build the task with networks sized from the data, which must have labels.

        Args:
            data: The data.
            latent: Size of z.
            classifier_weight: w, the weight of the classifier's cross-entropy.
            architecture: Name of an architecture for generator and critic; None chooses by shape.
            base_channels: Channels at half resolution of generator and critic.
        """
        if not data.classes:
            raise ValueError(
                f"data: expected a class for each sample, got no labels in {data.name!r}"
            )
        sizes: dict[str, Any] = {"architecture": architecture, "base_channels": base_channels}
        generator = sampling.propose_generator(data, latent, classes=data.classes, **sizes)
        classifier = predictor_for(data.shape, data.classes)
        sizes |= {"latent": latent, "shape": data.shape, "classifier_weight": classifier_weight}
        return cls(generator, classifier, **sizes)

    @classmethod
    def example_data(cls) -> ArrayDataset:
        """Return labelled points in the plane."""
        return labelled_points()

    def forward(self, batch: Batch) -> TaskOutput:
        x, y = batch[0], batch[1]
        fake = self.generator(distributed.randn(len(x), self.latent, like=x), y)
        loss_fake, loss_real = (
            cross_entropy(self.classifier(fake), y),
            cross_entropy(self.classifier(x), y),
        )
        losses = {
            "cross_entropy_fake": loss_fake.detach(),
            "cross_entropy_real": loss_real.detach(),
        }
        loss = sampling.with_penalty(
            self.classifier_weight * (loss_fake + loss_real), self.generator
        )
        return TaskOutput({CRITIC: SamplePair(x, fake)}, loss, losses)

    def critic_inputs(self) -> dict[str, Inputs]:
        inputs = Inputs(
            (self.shape,), architecture=self.architecture, base_channels=self.base_channels
        )
        return {CRITIC: inputs}

    @torch.no_grad()
    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw samples in evaluation mode, from the global generator.

        Args:
            n: Number of samples.
            labels: Classes (n,), int64; None takes all classes in turn.

        Returns:
            Samples (n, *shape).

        Raises:
            ValueError: Labels of another length, or out of range.
        """
        return self.decode(
            distributed.randn(n, self.latent, like=next(self.generator.parameters())), labels
        )

    @torch.no_grad()
    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Generate samples (N, *shape) from `z` (N, latent); labels as for `sample`."""
        z = z.to(next(self.generator.parameters()))
        with eval_mode(self.generator):
            return cast(
                Tensor,
                self.generator(z, *sampling.classes_of(len(z), labels, self.classes, z.device)),
            )

    def predict(self, x: Tensor) -> Tensor:
        """Compute class logits (N, K) of samples `x` (N, *shape), in evaluation mode."""
        return heads.predict(self.classifier, x)


TASK = ACGAN
