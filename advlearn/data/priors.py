"""Prior distributions of latent codes: a Gaussian, a ring, a mixture on a circle."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.arguments import Count, checked
from advlearn.core.checks import check_choice, check_number

NAMES = ("gaussian", "ring", "mixture")
COMPONENTS = 10


@dataclass(frozen=True)
class Prior(ABC):
    """Define a prior distribution of latent codes.

    Args:
        latent: Size of a code.

    Attributes:
        components: Number of mixture components; 0 for a distribution that is not a mixture.
    """

    latent: int

    @property
    def components(self) -> int:
        return 0

    @abstractmethod
    def draw(self, n: int, like: Tensor, y: Tensor | None = None) -> Tensor:
        """Draw codes (n, latent) on the device and in the precision of `like`.

        Args:
            n: Number of codes.
            like: Any float tensor.
            y: Component of each code, int64 (n,); None draws it at random, and is the only value
                for a distribution without components.

        Returns:
            Codes (n, latent).
        """

    @abstractmethod
    def log_density(self, z: Tensor) -> Tensor:
        """Compute the log-density of codes.

        Args:
            z: Codes (N, latent).

        Returns:
            Logarithms in nats, (N,).
        """


@checked
@final
@dataclass(frozen=True)
class Gaussian(Prior):
    """Define the standard normal distribution.

    Args:
        latent: Size of a code.

    Raises:
        ValueError: A size below 1.

    Example:
        >>> Gaussian(2).log_density(torch.zeros(1, 2))
        tensor([-1.8379])
    """

    def __post_init__(self) -> None:
        check_number("latent", self.latent, low=1)

    def draw(self, n: int, like: Tensor, y: Tensor | None = None) -> Tensor:
        if y is not None:
            raise ValueError("y: expected None for a distribution without components, got a tensor")
        return distributed.randn(n, self.latent, like=like)

    def log_density(self, z: Tensor) -> Tensor:
        return _log_normal(z)


@checked
@final
@dataclass(frozen=True)
class Ring(Prior):
    r"""Define a circle of Gaussian width in two dimensions, and standard normals in the others.

    .. math::
        (z_1, z_2) = (R + \sigma \epsilon)\,(\cos u, \sin u),
        \qquad u \sim U(0, 2 \pi),\ \epsilon \sim N(0, 1)

    Args:
        latent: Size of a code, at least 2.
        radius: R.
        sigma: Standard deviation of the radius.

    Raises:
        ValueError: A size below 2, or a radius or standard deviation that is not positive.

    Example:
        >>> Ring(2).draw(5, torch.zeros(1)).shape
        torch.Size([5, 2])
    """

    radius: float = 2.0
    sigma: float = 0.2

    def __post_init__(self) -> None:
        check_number("latent", self.latent, low=2)
        check_number("radius", self.radius, low=0, open_low=True)
        check_number("sigma", self.sigma, low=0, open_low=True)

    def draw(self, n: int, like: Tensor, y: Tensor | None = None) -> Tensor:
        if y is not None:
            raise ValueError("y: expected None for a distribution without components, got a tensor")
        angle = 2 * math.pi * distributed.rand(n, like=like)
        z = distributed.randn(n, self.latent, like=like)
        radius = self.radius + self.sigma * z[:, 0]
        return torch.cat(
            [torch.stack([radius * angle.cos(), radius * angle.sin()], 1), z[:, 2:]], 1
        )

    def log_density(self, z: Tensor) -> Tensor:
        radius = z[:, :2].norm(dim=1)
        # A negative radius gives a point on the opposite side of the circle.
        both = torch.stack(
            [(radius - self.radius) / self.sigma, (radius + self.radius) / self.sigma]
        )
        of_radius = (-both.square() / 2).logsumexp(0) - math.log(
            self.sigma * math.sqrt(2 * math.pi)
        )
        return of_radius - math.log(2 * math.pi) - radius.log() + _log_normal(z[:, 2:])


@checked
@final
@dataclass(frozen=True)
class Mixture(Prior):
    r"""Define equally likely Gaussians around a circle, elongated along its radius.

    Dimensions after the second are standard normal.

    .. math::
        (z_1, z_2) = T_k\,(R + \sigma_r \epsilon_1,\ \sigma_t \epsilon_2),
        \qquad T_k\ \text{a rotation by}\ 2\pi k/K

    Args:
        latent: Size of a code, at least 2.
        count: Number of components K.
        radius: Distance R of the means from the origin.
        along: Standard deviation along the radius.
        across: Standard deviation across it.

    Raises:
        ValueError: A size below 2, no component, or a radius or standard deviation that is not
            positive.

    Example:
        >>> Mixture(2, count=4, along=0.001, across=0.001).draw(
        ...     2, torch.zeros(1), torch.tensor([0, 2])
        ... ).round()[:, 0]
        tensor([ 2., -2.])

    Reference: Makhzani et al., "Adversarial Autoencoders", 2016, figure 4 (ten components, one per
    class).
    """

    count: int = COMPONENTS
    radius: float = 2.0
    along: float = 0.5
    across: float = 0.15

    def __post_init__(self) -> None:
        check_number("latent", self.latent, low=2)
        check_number("count", self.count, low=1)
        for name in ("radius", "along", "across"):
            check_number(name, getattr(self, name), low=0, open_low=True)

    @property
    def components(self) -> int:
        return self.count

    def draw(self, n: int, like: Tensor, y: Tensor | None = None) -> Tensor:
        if y is None:
            y = distributed.randint(self.count, n, device=like.device)
        z = distributed.randn(n, self.latent, like=like)
        along, across = self.radius + self.along * z[:, 0], self.across * z[:, 1]
        angle = (2 * math.pi / self.count) * y.to(like.dtype)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat(
            [
                torch.stack([cos * along - sin * across, sin * along + cos * across], 1),
                z[:, 2:],
            ],
            1,
        )

    def log_density(self, z: Tensor) -> Tensor:
        angle = (2 * math.pi / self.count) * torch.arange(
            self.count, device=z.device, dtype=z.dtype
        )
        cos, sin = angle.cos(), angle.sin()
        along = (z[:, :1] * cos + z[:, 1:2] * sin - self.radius) / self.along
        across = (z[:, 1:2] * cos - z[:, :1] * sin) / self.across
        planes = -(along.square() + across.square()) / 2 - math.log(
            2 * math.pi * self.along * self.across
        )
        return planes.logsumexp(1) - math.log(self.count) + _log_normal(z[:, 2:])


@checked
def prior(name: str, latent: Count, components: Count = COMPONENTS) -> Prior:
    """Return a prior distribution by name, with its default radius and standard deviations.

    Args:
        name: ``"gaussian"``, ``"ring"`` or ``"mixture"``.
        latent: Size of a code.
        components: Number of components of ``"mixture"``.

    Returns:
        The distribution.

    Raises:
        ValueError: Another name, or a size that is too small for the distribution.

    Example:
        >>> prior("mixture", 2).components
        10
    """
    if check_choice("prior", name, NAMES) == "mixture":
        return Mixture(latent, components)
    return Ring(latent) if name == "ring" else Gaussian(latent)


def _log_normal(z: Tensor) -> Tensor:
    return -(z.square().sum(1) + z.shape[1] * math.log(2 * math.pi)) / 2
