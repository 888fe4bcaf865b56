"""GRAN: a recurrent generator that draws in several steps."""

from itertools import pairwise
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.blocks.resolution import square_plan
from advlearn.nets.families.dcgan import INIT_STD, DCGANCritic
from advlearn.nets.network import EMBEDDING, Network, check_shape, embedding, join, positive, sizes

SIDES = (8, 16, 28, 32, 64)


@final
class GRANGenerator(Network):
    r"""Sum several drawings, each decoded from the latent and an encoding of the previous drawing.

    .. math:: h_z = \tanh(W z + b), \qquad h_t = \tanh(g(\Delta_{t-1})), \quad h_1 = 0, \qquad
        \Delta_t = f(h_z, h_t), \qquad x = \tanh\Big(\sum_{t=1}^{T} \Delta_t\Big)

    f (transposed convolutions) and g (convolutions and a batch norm) share their weights between
    all steps, except for their norms.

    Args:
        latent: Size of the latent vector.
        shape: Shape (C, H, W) of an image; H = W, a side that
            `advlearn.nets.families.dcgan.plan` accepts.
        base_channels: Channels at half the full resolution; doubled with each halving.
        classes: Number of classes; 0 for an unconditional generator, else an embedding of
            the class is concatenated to the latent.
        tanh_output: End in tanh, for data in [-1, 1].
        steps: Drawing steps, T.
        hidden: Size of h_z and of h_t.

    Raises:
        ValueError: A shape that does not fit, a size below 1; in `forward` latents of another size,
            or classes missing.

    Example:
        >>> generator = GRANGenerator(16, (1, 28, 28), base_channels=4)
        >>> generator(torch.zeros(2, 16)).shape, generator.drawing(torch.zeros(2, 16)).shape
        (torch.Size([2, 1, 28, 28]), torch.Size([2, 3, 1, 28, 28]))

    Reference: Im, Kim, Jiang, Memisevic, "Generating Images with Recurrent Adversarial Networks",
        2016, section 4, equations 5 to 8.

    Deviations: tanh instead of the sigmoid, for data in [-1, 1]; all steps share one latent; each
        step has separate batch norms, because the statistics differ between steps.
    """

    def __init__(
        self,
        latent: Count,
        shape: ImageShape,
        base_channels: Count = 64,
        classes: Natural = 0,
        tanh_output: bool = True,
        steps: Count = 3,
        hidden: Count = 128,
    ) -> None:
        super().__init__()
        positive(latent=latent, base_channels=base_channels, steps=steps, hidden=hidden)
        self.latent = latent
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.classes = classes
        self.tanh_output = tanh_output
        self.steps = steps
        self.hidden = hidden
        self.embedding = embedding(classes)
        self.idea = nn.Sequential(
            nn.Linear(latent + (EMBEDDING if classes else 0), hidden), nn.Tanh()
        )
        self.encoder = DCGANCritic(self.shape, hidden, base_channels)
        # Without these norms the common part of all strokes outweighs the latent: all images agree.
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(steps - 1))
        self.decoder = _Decoder(2 * hidden, self.shape, base_channels, steps)
        self.output = nn.Tanh() if tanh_output else nn.Identity()

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to images (N, C, H, W)."""
        return self.output(self._strokes(z, y).sum(1))

    def drawing(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the canvas after each step, (N, T, C, H, W); the last is the image."""
        return self.output(self._strokes(z, y).cumsum(1))

    def _strokes(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Return the drawing that each step adds to the canvas, (N, T, C, H, W)."""
        check_shape("z", z, (self.latent,))
        idea = self.idea(join(z, y, self.embedding))
        strokes = [self.decoder(torch.cat([idea, torch.zeros_like(idea)], 1), 0)]
        for step in range(1, self.steps):
            encoded = self.norms[step - 1](self.encoder(strokes[-1]).view_as(idea)).tanh()
            strokes.append(self.decoder(torch.cat([idea, encoded], 1), step))
        return torch.stack(strokes, 1)


class _Decoder(nn.Module):
    """Share transposed convolutions between all steps, with separate batch norms per step."""

    def __init__(
        self, inputs: int, shape: tuple[int, ...], base_channels: Count, steps: Count
    ) -> None:
        super().__init__()
        start, doublings = square_plan(shape)
        channels = [base_channels * 2**level for level in reversed(range(doublings))]
        self.project = nn.Linear(inputs, channels[0] * start**2)
        self.grid = (channels[0], start, start)
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)
            for before, after in pairwise([*channels, shape[0]])
        )
        self.bias = nn.Parameter(torch.zeros(shape[0], 1, 1))
        # DCGAN's initialisation: a bias per position must not outweigh the latent.
        nn.init.zeros_(self.project.bias)
        for layer in (self.project, *self.layers):
            nn.init.normal_(cast(nn.Linear, layer).weight, std=INIT_STD)
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(c) for c in channels) for _ in range(steps)
        )

    def forward(self, x: Tensor, step: int) -> Tensor:
        """Map vectors (N, inputs) to the drawing of a step, (N, C, H, W)."""
        x = self.project(x).unflatten(1, self.grid)
        for norm, layer in zip(cast(nn.ModuleList, self.norms[step]), self.layers, strict=True):
            x = layer(relu(norm(x)))
        return x + self.bias


ARCHITECTURE = Architecture(
    GRANGenerator,
    DCGANCritic,
    SIDES,
    summary="Draw an image in several steps, each encoding the result of the previous step.",
    reference=Reference(
        "Generating Images with Recurrent Adversarial Networks",
        "Im et al. 2016",
        "eqs. 5 to 8",
        "https://arxiv.org/abs/1602.05110",
    ),
)
