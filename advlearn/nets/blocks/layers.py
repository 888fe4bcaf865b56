"""Layers of Salimans et al. 2016: minibatch discrimination, virtual batch norm and noise.

Weight normalisation, the fourth layer of "Improved Techniques for Training GANs", is in
`weight_norm`.
"""

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count, checked
from advlearn.nets.network import check_shape, positive


@checked
@final
class MinibatchDiscrimination(nn.Module):
    r"""Append each sample's similarity to the rest of its batch, which shows a critic collapse.

    .. math:: o(x_i)_b = \sum_{j \ne i} \exp(-\|M_{i,b} - M_{j,b}\|_1), \qquad M_i = x_i T

    A score then depends on the whole batch, so an adversary scores real and fake samples in two
    batches.

    Args:
        features: Size of a sample, d.
        outputs: Number of similarities appended, B.
        dimensions: Size of each comparison, C.

    Example:
        >>> MinibatchDiscrimination(4, outputs=3)(torch.zeros(5, 4)).shape
        torch.Size([5, 7])

    Reference: Salimans et al. 2016, section 3.2.

    Deviations: the sum leaves out the sample itself, whose term is always one.
    """

    mixes_samples: ClassVar[bool] = True

    def __init__(self, features: Count, outputs: Count = 50, dimensions: Count = 5) -> None:
        super().__init__()
        positive(features=features, outputs=outputs, dimensions=dimensions)
        self.features = features
        self.outputs = outputs
        self.dimensions = dimensions
        self.weight = nn.Parameter(torch.randn(features, outputs * dimensions) / features**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map samples (N, d) to (N, d + B)."""
        check_shape("x", x, (self.features,))
        m = (x @ self.weight).unflatten(1, (self.outputs, self.dimensions))
        distances = (m[:, None] - m[None]).abs().sum(3)
        return torch.cat([x, (-distances).exp().sum(1) - 1], 1)


@checked
@final
class VirtualBatchNorm(nn.Module):
    r"""Normalise with a reference batch and the sample itself, independent of the other samples.

    .. math:: \mu_i = \frac{n\,\mu_{ref} + x_i}{n + 1}, \qquad
        q_i = \frac{n\,q_{ref} + x_i^2}{n + 1}, \qquad
        y_i = \gamma\,\frac{x_i - \mu_i}{\sqrt{q_i - \mu_i^2 + \epsilon}} + \beta

    The first n samples of the input are the reference batch, which `ReferenceBatch` prepends.
    Positions of an image count as samples of its channel.

    Args:
        features: Channels, or size of a vector.
        reference: Samples of the reference batch, n.
        eps: Added to the variance.

    Example:
        >>> VirtualBatchNorm(4, reference=3)(torch.randn(5, 4)).shape
        torch.Size([5, 4])

    Reference: Salimans et al. 2016, section 3.5.
    """

    def __init__(self, features: Count, reference: Count, eps: float = 1e-5) -> None:
        super().__init__()
        positive(features=features, reference=reference)
        self.features = features
        self.reference = reference
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n + N, features, ...), the reference batch first; same shape."""
        n = self.reference
        if len(x) < n or x.shape[1] != self.features:
            raise ValueError(
                f"x: expected {n} reference samples of {self.features} features first, "
                f"got {tuple(x.shape)}"
            )
        positions = x.flatten(2) if x.ndim > 2 else x[:, :, None]
        mean = self._with_reference(positions.mean(2))
        second = self._with_reference(positions.square().mean(2))
        scale = (second - mean.square() + self.eps).rsqrt()
        shape = (len(x), self.features, *[1] * (x.ndim - 2))
        normalised = (x - mean.view(shape)) * scale.view(shape)
        return normalised * self.weight.view(shape[1:]) + self.bias.view(shape[1:])

    def _with_reference(self, moments: Tensor) -> Tensor:
        """Average each sample's moments (n + N, features) with those of the reference batch."""
        n = self.reference
        reference = moments[:n].mean(0, keepdim=True)
        return torch.cat([reference.expand(n, -1), (n * reference + moments[n:]) / (n + 1)])


@checked
@final
class ReferenceBatch(nn.Module):
    """Wrap a network with `VirtualBatchNorm` layers and prepend the reference batch to its input.

    Args:
        net: The network.
        reference: Reference samples (n, ...), chosen once; a buffer.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 4), VirtualBatchNorm(4, reference=3))
        >>> ReferenceBatch(net, torch.randn(3, 2))(torch.randn(5, 2)).shape
        torch.Size([5, 4])
    """

    reference: Tensor

    def __init__(self, net: nn.Module, reference: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("reference", reference.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's outputs for `x` (N, ...) without those of the reference batch."""
        return self.net(torch.cat([self.reference, x]))[len(self.reference) :]


@checked
@final
class GaussianNoise(nn.Module):
    """Add Gaussian noise during training.

    Args:
        sigma: Standard deviation.

    Example:
        >>> bool((GaussianNoise(0.5).eval()(torch.zeros(3)) == 0).all())
        True

    Reference: Salimans et al. 2016, section 5 (the classifier's layers).
    """

    def __init__(self, sigma: float) -> None:
        super().__init__()
        if not sigma >= 0:
            raise ValueError(f"sigma: expected a number of at least 0, got {sigma!r}")
        self.sigma = sigma

    def forward(self, x: Tensor) -> Tensor:
        """Add noise to samples of any shape; same shape."""
        return x + self.sigma * torch.randn_like(x) if self.training and self.sigma else x
