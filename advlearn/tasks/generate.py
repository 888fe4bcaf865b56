"""Generate samples like the data: vectors or images, unconditional, by class or by vector."""

from math import erf
from typing import Any, ClassVar, Self, cast, final

import torch
from torch import Tensor, erfinv, nn

from advlearn.core import distributed
from advlearn.core.arguments import Count, Natural
from advlearn.core.checks import check_number
from advlearn.core.inputs import Inputs
from advlearn.core.modules import eval_mode
from advlearn.core.protocols import TruncatesItself
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.nets.blocks.own_noise import fixed_noise
from advlearn.tasks import _sampling as sampling
from advlearn.tasks._examples import labelled_points

CRITIC = "data"
KEPT = 64
"""Number of the data's condition vectors that a task holds, to sample with by default."""


@final
class Generate(Task):
    r"""Train a generator against one critic that compares its samples with the data.

    .. math:: fake = G(z)\ or\ G(z, y), \qquad z \sim N(0, I)

    With classes or vectors, real samples are pairs (x, y), fake ones (G(z, y), y) with the same y.
    The penalty of a generator that has a method ``penalty()`` is added to its loss.

    Args:
        generator: Module from z (N, latent), and y (N,) with classes or (N, d) with vectors, to
            samples (N, *shape).
        latent: Size of z.
        shape: Shape of one sample.
        classes: Number of classes to condition on; 0 for none.
        vectors: Examples of vectors to condition on instead of classes, float (K, d): features,
            word vectors, embeddings. They define the size d, and `sample` takes them in turn by
            default. A buffer.
        architecture: Name of the critic's architecture, one of `advlearn.nets.architectures()`;
            None chooses by `shape`.
        base_channels: Channels at half resolution of the default critic.
        pac: Number of samples that the critic scores at once (PacGAN).

    Raises:
        ValueError: A size is too small, the generator's samples are not of `shape`, or there are
            both classes and vectors.

    Example:
        >>> task = Generate(torch.nn.Linear(3, 2), latent=3, shape=(2,))
        >>> task.sample(5).shape
        torch.Size([5, 2])

    Reference: Goodfellow et al. 2014, equation 1; Mirza and Osindero 2014, equation 2, conditional
    on any y.
    """

    vectors: Tensor | None
    truncates: ClassVar[bool] = True

    example_options = (
        {"latent": 2},
        {"latent": 2, "conditional": True},
    )

    def __init__(
        self,
        generator: nn.Module,
        *,
        latent: Count,
        shape: tuple[int, ...],
        classes: Natural = 0,
        vectors: Tensor | None = None,
        architecture: str | None = None,
        base_channels: Count = 64,
        pac: int = 1,
    ) -> None:
        super().__init__()
        if latent < 1:
            raise ValueError(f"latent: expected at least 1, got {latent}")
        self.pac = int(check_number("pac", pac, low=1))
        if pac > 1 and (classes or vectors is not None):
            raise ValueError(f"pac: expected 1 for a conditional task, got {pac}")
        if vectors is not None and (
            classes or vectors.ndim != 2 or not vectors.is_floating_point()
        ):
            got = f"{vectors.dtype} {tuple(vectors.shape)} and {classes} classes"
            raise ValueError(f"vectors: expected floats (K, d) and no classes, got {got}")
        self.generator = generator
        self.latent = latent
        self.shape = tuple(shape)
        self.classes = classes
        self.architecture = architecture
        self.base_channels = base_channels
        z = next(generator.parameters()).new_zeros(2, latent)
        self.register_buffer("vectors", None if vectors is None else vectors.to(z, copy=True))
        sampling.check_generator(generator, self.shape, z, *self._conditions(2, None))

    @classmethod
    def from_data(
        cls,
        data: ArrayDataset | StreamedDataset,
        *,
        conditional: bool = False,
        latent: Count = 64,
        architecture: str | None = None,
        base_channels: Count = 64,
        pac: int = 1,
    ) -> Self:
        """Build the task with networks sized from the data.

        Images, series and volumes from 16 pixels get convolutional networks, vectors perceptrons.

        Args:
            data: The data.
            conditional: Whether to condition on the labels of the data, classes or vectors.
            latent: Size of z.
            architecture: Name of an architecture for generator and critic; None chooses by shape.
            base_channels: Channels at half resolution of generator and critic.
            pac: Number of samples that the critic scores at once (PacGAN).
        """
        y = data.y if isinstance(data, ArrayDataset) and data.vectors else None
        vectors = None if y is None or not conditional else y[:KEPT]
        classes = data.classes if conditional else 0
        if conditional and not classes and vectors is None:
            raise ValueError(sampling.without_labels(data.name))
        condition = classes if vectors is None else vectors.shape[1]
        sizes: dict[str, Any] = {"architecture": architecture, "base_channels": base_channels}
        generator = sampling.propose_generator(data, latent, classes=condition, **sizes)
        conditions: dict[str, Any] = {"classes": classes, "vectors": vectors}
        return cls(generator, latent=latent, shape=data.shape, pac=pac, **conditions, **sizes)

    @classmethod
    def example_data(cls) -> ArrayDataset:
        """Return labelled points in the plane."""
        return labelled_points()

    def forward(self, batch: Batch) -> TaskOutput:
        x = batch[0]
        z = distributed.randn(x.shape[0], self.latent, like=x)
        if not self._condition:
            pair = SamplePair(x, self.generator(z))
        else:
            y = batch[1]
            pair = SamplePair((x, y), (self.generator(z, y), y))
        return TaskOutput({CRITIC: pair}, loss=sampling.own_penalty(self.generator))

    def critic_inputs(self) -> dict[str, Inputs]:
        inputs = Inputs(
            (self.shape,),
            (self._condition,) if self._condition else (),
            class_weights=self.vectors is not None,
            architecture=self.architecture,
            base_channels=self.base_channels,
            pac=self.pac,
        )
        return {CRITIC: inputs}

    @torch.no_grad()
    def sample(
        self,
        n: int,
        labels: Tensor | None = None,
        truncation: float | None = None,
        noise: int | None = None,
    ) -> Tensor:
        """Draw samples in evaluation mode, from the global generator.

        Args:
            n: Number of samples.
            labels: Classes (n,), int64, or vectors (n, d), float, for a conditional task; None
                takes all in turn.
            truncation: Truncation level: lower values trade diversity for fidelity; 0 gives one
                sample for each class. A generator with a method ``truncated(z, y, truncation)``
                applies it; otherwise z is drawn from a normal distribution truncated at plus and
                minus this bound. None draws z as in training.
            noise: Seed of the noise that a generator such as StyleGAN's draws itself; None draws
                it anew.

        Returns:
            Samples (n, *shape).

        Raises:
            ValueError: Labels for an unconditional task, of another length, or out of range;
                `truncation` negative or not finite.

        Reference:
            Brock et al. 2019, section 3.1 (truncated normal); Karras et al. 2019, appendix B (in
            the generator).
        """
        bound = None if truncation is None else check_number("truncation", truncation, low=0)
        device = next(self.generator.parameters()).device
        truncating = self.generator if isinstance(self.generator, TruncatesItself) else None
        if bound is None or truncating is not None:
            z = torch.randn(n, self.latent, device=device)
        else:
            z = truncated_normal(n, self.latent, bound, device)
        y = self._conditions(n, labels)
        if bound is None or truncating is None:
            return self.decode(z, *y, noise=noise)
        with eval_mode(self.generator), fixed_noise(self.generator, noise):
            return truncating.truncated(z, y[0] if y else None, bound)

    @torch.no_grad()
    def decode(
        self, z: Tensor, labels: Tensor | None = None, *, noise: int | None = None
    ) -> Tensor:
        """Generate samples (N, *shape) from latents `z` (N, latent) in evaluation mode.

        Args:
            z: The latents.
            labels: Classes (N,), int64, or vectors (N, d), float, for a conditional task; None
                takes all in turn.
            noise: Seed of the noise that a generator such as StyleGAN's draws itself, which makes
                the samples a function of `z`; None draws it anew.

        Raises:
            ValueError: As for `sample`.
        """
        device = next(self.generator.parameters()).device
        y = self._conditions(len(z), labels)
        with eval_mode(self.generator), fixed_noise(self.generator, noise):
            return cast(Tensor, self.generator(z.to(device), *y))

    @property
    def _condition(self) -> int:
        """Size of the condition, the number of classes of the networks."""
        return self.classes if self.vectors is None else self.vectors.shape[1]

    def _conditions(self, n: int, labels: Tensor | None) -> tuple[Tensor, ...]:
        """Return the condition of n samples in a tuple; empty without one."""
        if self.vectors is not None:
            return sampling.vectors_of(n, labels, self.vectors)
        return sampling.classes_of(
            n, labels, self.classes, next(self.generator.parameters()).device
        )


def truncated_normal(n: int, size: int, bound: float, device: torch.device | None = None) -> Tensor:
    r"""Draw standard normal numbers within a bound, from the global generator.

    .. math:: z = \Phi^{-1}(u), \qquad u \sim U(\Phi(-t), \Phi(t))

    Equivalent to redrawing until each number is within the bound, in one pass.

    Args:
        n: Number of vectors.
        size: Size of a vector.
        bound: t, at least 0.
        device: Device of the vectors.

    Returns:
        Float vectors (n, size).

    Example:
        >>> bool((truncated_normal(100, 8, bound=0.5).abs() <= 0.5).all())
        True
    """
    # erf maps the bound to the probability of the interval; erfinv maps probabilities to z.
    uniform = 2 * torch.rand(n, size, device=device) - 1
    z = erfinv(uniform * erf(bound / 2**0.5)) * 2**0.5
    return z.clamp(-bound, bound)


TASK = Generate
