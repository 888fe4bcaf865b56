"""Generate images from coarse to fine, with a generator and a critic for each level: LAPGAN."""

from collections.abc import Sequence
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.core.inputs import Inputs
from advlearn.core.modules import eval_mode
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.nets.families.lapgan import LAPGANGenerator
from advlearn.nets.families.pyramid import composed, doubled, laplacian
from advlearn.nets.sizing import generator_for
from advlearn.tasks import _sampling as sampling
from advlearn.tasks._examples import ROWS, points

SMALLEST = 8
"""Images are halved down to about this side, by default."""


@final
class LaplacianPyramid(Task):
    r"""Generate small images and the details of each larger level, with a critic for each level.

    .. math:: real = (h_k, l_k), \quad fake = (G_k(z_k, l_k), l_k), \qquad
        l_k = u(I_{k+1}),\ h_k = I_k - l_k

    The critic of level k, ``"level0"`` for the full image, compares residuals, conditional on the
    enlarged image of the next smaller level; the critic of the last level compares the small
    images. In training each level takes real smaller images, so the levels are independent;
    `sample` combines their outputs.

    Args:
        coarsest: Module from z (N, latent), and y (N,) with classes, to images of the last level.
        residuals: One module for each level before it, the finest first, from noise (N, 1, H, W),
            enlarged images (N, C, H, W), and y (N,) with classes, to residuals.
        latent: Size of z.
        shape: Shape (C, H, W) of the full image; each side can be halved as often as there are
            residuals.
        classes: Number of classes to condition on; 0 for none.
        base_channels: Channels of the default critics.
        tanh_output: Whether samples are clipped to [-1, 1].

    Raises:
        ValueError: A size is out of range, or a module does not fit its level.

    Example:
        >>> task = LaplacianPyramid(
        ...     nn.Unflatten(1, (1, 2, 2)), [LAPGANGenerator((1, 4, 4))], latent=4, shape=(1, 4, 4)
        ... )
        >>> task.sample(5).shape
        torch.Size([5, 1, 4, 4])

    Reference: Denton, Chintala, Szlam, Fergus, "Deep Generative Image Models using a Laplacian
        Pyramid of Adversarial Networks", 2015, section 3 and algorithm 1.

    Deviations: a step compares real and fake residuals of the same images; the paper draws one of
        the two for each image.
    """

    example_options = (
        {"latent": 2, "base_channels": 2},
        {"latent": 2, "base_channels": 2, "conditional": True},
    )

    def __init__(
        self,
        coarsest: nn.Module,
        residuals: Sequence[nn.Module],
        *,
        latent: Count,
        shape: ImageShape,
        classes: Natural = 0,
        base_channels: Count = 64,
        tanh_output: bool = True,
    ) -> None:
        super().__init__()
        if latent < 1:
            raise ValueError(f"latent: expected at least 1, got {latent}")
        if not residuals:
            raise ValueError("residuals: expected a generator for at least one level, got none")
        self.coarsest = coarsest
        self.residuals = nn.ModuleList(residuals)
        self.latent = latent
        self.shape = tuple(shape)
        self.classes = classes
        self.base_channels = base_channels
        self.tanh_output = tanh_output
        self.shapes = _shapes(self.shape, len(residuals))
        self._check()

    @classmethod
    def from_data(
        cls,
        data: ArrayDataset | StreamedDataset,
        *,
        conditional: bool = False,
        levels: Count = 0,
        latent: Count = 64,
        base_channels: Count = 64,
    ) -> Self:
        """Build the task with networks sized from the data.

        Args:
            data: Images.
            conditional: Whether to condition on the classes of the data.
            levels: Number of halvings of an image; 0 halves it down to about 8 pixels a side.
            latent: Size of z.
            base_channels: Channels of the generators and critics.
        """
        if data.kind != "image":
            raise ValueError(
                f"data: expected images (N, C, H, W), got samples of shape {data.shape}"
            )
        classes = data.classes if conditional else 0
        if conditional and not classes:
            raise ValueError(sampling.without_labels(data.name))
        tanh_output = not isinstance(data, ArrayDataset) or data.bounded
        shapes = _shapes(data.shape, levels or _halvings(data.shape))
        coarsest = generator_for(
            shapes[-1], latent, classes, base_channels, tanh_output=tanh_output
        )
        residuals = [LAPGANGenerator(shape, base_channels, classes) for shape in shapes[:-1]]
        sizes: dict[str, Any] = {"classes": classes, "base_channels": base_channels}
        sizes |= {"latent": latent, "shape": data.shape, "tanh_output": tanh_output}
        return cls(coarsest, residuals, **sizes)

    @classmethod
    def example_data(cls) -> ArrayDataset:
        """Return tiny images of two classes."""
        images = points().repeat(1, 8).view(ROWS, 1, 4, 4).tanh()
        return ArrayDataset(images, torch.arange(ROWS) % 2, "tiny", classes=2)

    def forward(self, batch: Batch) -> TaskOutput:
        x = batch[0]
        y = (batch[1],) if self.classes else ()
        *residuals, small = laplacian(x, len(self.residuals))
        z = distributed.randn(len(x), self.latent, like=x)
        pairs = {
            _name(len(residuals)): SamplePair(
                _samples(small, *y), _samples(self.coarsest(z, *y), *y)
            )
        }
        for k in reversed(range(len(residuals))):
            real = residuals[k]
            coarse = doubled(small)
            noise = distributed.randn(len(x), 1, *real.shape[2:], like=x)
            pairs[_name(k)] = SamplePair(
                (real, coarse, *y), (self.residuals[k](noise, coarse, *y), coarse, *y)
            )
            small = coarse + real
        return TaskOutput(pairs)

    def critic_inputs(self) -> dict[str, Inputs]:
        *fine, last = self.shapes
        classes = (self.classes,) if self.classes else ()
        width = self.base_channels
        inputs = {
            _name(k): Inputs((shape, shape), classes, join="sum", base_channels=width)
            for k, shape in enumerate(fine)
        }
        return inputs | {_name(len(fine)): Inputs((last,), classes, base_channels=width)}

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw images (n, C, H, W) in evaluation mode; `labels` as for `stages`."""
        return self.stages(n, labels)[-1]

    @torch.no_grad()
    def stages(self, n: int, labels: Tensor | None = None) -> list[Tensor]:
        """Draw images and return the image of every level.

        Args:
            n: Number of images.
            labels: Classes (n,), int64, for a conditional task; None takes all in turn.

        Returns:
            The images of each level, from the coarsest to the full one, (n, C, H_k, W_k) each.

        Raises:
            ValueError: Labels for an unconditional task, of another length, or out of range.
        """
        z = torch.randn(n, self.latent, device=self._device())
        return self._stages(
            z,
            [torch.randn(n, 1, *shape[1:], device=z.device) for shape in self.shapes[-2::-1]],
            labels,
        )

    @torch.no_grad()
    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Generate images (N, C, H, W) from `z` (N, latent) in evaluation mode.

        All images share the noise of the finer levels and therefore differ only in `z`.
        """
        z = z.to(self._device())
        noise = [
            torch.randn(1, 1, *shape[1:], device=z.device).expand(len(z), -1, -1, -1)
            for shape in self.shapes[-2::-1]
        ]
        return self._stages(z, noise, labels)[-1]

    def _stages(self, z: Tensor, noise: Sequence[Tensor], labels: Tensor | None) -> list[Tensor]:
        """Compute the image of each level from noise for each level except the coarsest."""
        y = sampling.classes_of(len(z), labels, self.classes, z.device)
        with eval_mode(self):
            return self.levels(z, noise, y)

    def levels(self, z: Tensor, noise: Sequence[Tensor], y: tuple[Tensor, ...]) -> list[Tensor]:
        """Compute the image of each level, the coarsest first.

        Args:
            z: Noise (N, latent) of the coarsest level.
            noise: Noise (N, 1, H_k, W_k) of the other levels.
            y: Classes int64 (N,) in a tuple; empty for an unconditional task.

        Returns:
            The images of each level, (N, C, H_k, W_k) each.
        """
        images = [self.coarsest(z, *y)]
        for net, plane in zip(reversed(self.residuals), noise, strict=True):
            coarse = images[-1]
            images.append(composed([net(plane, doubled(coarse), *y), coarse]))
        return [x.clamp(-1, 1) for x in images] if self.tanh_output else images

    def _device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def _check(self) -> None:
        """Run each generator once, to report a wrong shape before training."""
        like = next((p.detach() for p in self.parameters()), torch.zeros(()))
        y = (torch.zeros(2, dtype=torch.int64, device=like.device),) if self.classes else ()
        *fine, last = self.shapes
        sampling.check_generator(self.coarsest, last, like.new_zeros(2, self.latent), *y)
        for net, shape in zip(self.residuals, fine, strict=True):
            noise, coarse = like.new_zeros(2, 1, *shape[1:]), like.new_zeros(2, *shape)
            sampling.check_generator(net, shape, noise, coarse, *y)


def _samples(x: Tensor, *y: Tensor) -> Tensor | tuple[Tensor, ...]:
    return (x, *y) if y else x


def _name(level: int) -> str:
    return f"level{level}"


def _halvings(shape: tuple[int, ...]) -> int:
    """Return how often both sides can be halved until one is at most `SMALLEST`, at least once."""
    halvings, (height, width) = 0, shape[1:]
    while height % 2 == width % 2 == 0 and min(height, width) > (SMALLEST if halvings else 1):
        halvings, height, width = halvings + 1, height // 2, width // 2
    return halvings


def _shapes(shape: tuple[int, ...], levels: int) -> list[tuple[int, ...]]:
    """Return the shape of an image of each level, the full one first."""
    channels, height, width = shape
    if levels < 1 or height % 2**levels or width % 2**levels:
        raise ValueError(
            f"levels: expected at least 1, and a number of times that {shape[1:]} can be halved, "
            f"got {levels}"
        )
    return [(channels, height // 2**level, width // 2**level) for level in range(levels + 1)]


TASK = LaplacianPyramid
