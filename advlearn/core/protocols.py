"""Capabilities of trained models and generators, as protocols to check with ``isinstance``.

A task that defines the method has the capability; there is nothing to register.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class LoadsData(Protocol):
    """A task class that opens the user's data itself."""

    @staticmethod
    def load_data(data: Any) -> Any:
        """Open what the user passed as `data`."""
        ...


@runtime_checkable
class Samples(Protocol):
    """A model that draws samples."""

    def sample(self, n: int, labels: Tensor | None = None, /) -> Tensor:
        """Draw samples (n, *shape), of classes (n,) if given."""
        ...


@runtime_checkable
class Truncates(Protocol):
    """A model whose `sample` takes a truncation level."""

    @property
    def truncates(self) -> bool:
        """Return True."""
        ...

    def sample(
        self, n: int, labels: Tensor | None = None, truncation: float | None = None
    ) -> Tensor:
        """Draw samples (n, *shape); a lower truncation trades diversity for fidelity."""
        ...


@runtime_checkable
class Predicts(Protocol):
    """A model that predicts an output for each sample."""

    def predict(self, x: Tensor, /) -> Tensor:
        """Return outputs (N, ...) for samples (N, *shape)."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """A model that maps samples to codes."""

    def encode(self, x: Tensor, /) -> Tensor:
        """Return codes (N, latent) of samples (N, *shape)."""
        ...


@runtime_checkable
class Decodes(Protocol):
    """A model that maps latent vectors to samples."""

    @property
    def latent(self) -> int:
        """Size of a latent vector."""
        ...

    def decode(self, z: Tensor, /) -> Tensor:
        """Return samples (N, *shape) of latent vectors (N, latent)."""
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """A model that reconstructs samples from their codes."""

    def reconstruct(self, x: Tensor, /) -> Tensor:
        """Return reconstructions (N, *shape) of samples (N, *shape)."""
        ...


@runtime_checkable
class Interpolates(Protocol):
    """A model that interpolates between real samples."""

    def interpolate(self, x0: Tensor, x1: Tensor, steps: int, /) -> Tensor:
        """Return samples (N, steps, *shape) on the way from `x0` to `x1`."""
        ...


@runtime_checkable
class Traverses(Protocol):
    """A model with codes that can be varied one at a time."""

    @property
    def sizes(self) -> Sequence[int]:
        """Number of classes of each discrete code."""
        ...

    @property
    def continuous(self) -> int:
        """Number of continuous codes."""
        ...

    def traverse(self, code: int, values: Tensor | None = None, rows: int = 5) -> Tensor:
        """Return samples (rows, V, *shape) in which only one code varies."""
        ...


@runtime_checkable
class HasStages(Protocol):
    """A model that generates images from coarse to fine."""

    def stages(self, n: int, labels: Tensor | None = None, /) -> list[Tensor]:
        """Return the images of each stage, the coarsest first."""
        ...


@runtime_checkable
class BeforeAfter(Protocol):
    """A model whose inputs and outputs can be shown next to each other."""

    def before_after(self, data: Any, n: int = 8, /) -> dict[str, Tensor]:
        """Return columns of images by heading."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A model with features that can be plotted as points."""

    def embedding(self, data: Any, n: int = 500, /) -> dict[str, Tensor]:
        """Return features (n, width) by the name of each set of samples."""
        ...


@runtime_checkable
class HasGenerator(Protocol):
    """A model whose samples come from one generator."""

    generator: nn.Module


@runtime_checkable
class HasVectors(Protocol):
    """A model that is conditioned on vectors and keeps some of them."""

    vectors: Tensor | None


@runtime_checkable
class HasClasses(Protocol):
    """A model that is conditioned on classes, or predicts them; the number is 0 without classes."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...


@runtime_checkable
class Penalizes(Protocol):
    """A generator with a penalty that is added to its loss."""

    def penalty(self) -> Tensor:
        """Return the penalty, a scalar."""
        ...


@runtime_checkable
class TruncatesItself(Protocol):
    """A generator with a truncation of its latent space, such as StyleGAN's."""

    def truncated(self, z: Tensor, y: Tensor | None, truncation: float, /) -> Tensor:
        """Return samples (N, *shape) whose styles are drawn towards their mean."""
        ...


@runtime_checkable
class MixesStyles(Protocol):
    """A generator that takes coarse styles from one latent vector and fine ones from another."""

    @property
    def layers(self) -> Any:
        """Layers that take a style."""
        ...

    def mixed(
        self, coarse: Tensor, fine: Tensor, crossover: int, y: Tensor | None = None, /
    ) -> Tensor:
        """Return samples (N, *shape) with coarse styles up to layer `crossover`."""
        ...


@runtime_checkable
class Grows(Protocol):
    """A network that grows from low to full resolution during training."""

    @property
    def doublings(self) -> int:
        """Level of the fully grown network."""
        ...

    def grow(self, level: float, /) -> None:
        """Set the number of doublings that take part, with a fraction while one fades in."""
        ...
