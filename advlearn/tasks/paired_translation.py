"""Translate inputs into paired targets, with a distance and a critic: pix2pix, SRGAN."""

from typing import Any, Literal, Self, final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count
from advlearn.core.checks import check_choice, check_number
from advlearn.core.inputs import Inputs
from advlearn.core.modules import eval_mode
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.pairs import Pairs, open_pairs
from advlearn.nets import MLPGenerator, Network
from advlearn.nets.families.translators import SRGANGenerator
from advlearn.nets.families.unet import UNetGenerator
from advlearn.nets.sizing import SMALLEST_TRANSLATED, is_image
from advlearn.tasks import _heads as heads

CRITIC = "pairs"
Norm = Literal["l1", "l2"]
Shape = tuple[int, ...]


@final
class PairedTranslation(Task):
    r"""Train a generator from inputs x to targets y with a distance and a critic of (x, y) pairs.

    .. math:: L = w\,\|y - G(x)\|, \qquad real = (x, y), \quad fake = (x, G(x))

    ``lsgan`` or ``nsgan`` with ``norm="l1"`` is pix2pix. On small images and their originals, with
    ``norm="l2"`` and ``conditional=False``, the task is SRGAN; on past video frames and the next
    one it is an adversarial video predictor.

    Args:
        generator: Module from inputs (N, *shape) to outputs (N, *target_shape).
        shape: Shape of one input.
        target_shape: Shape of one target.
        distance_weight: w, the weight of the mean distance over all values.
        norm: ``"l1"``, the mean absolute difference, or ``"l2"``, the mean squared one.
        conditional: Whether the critic takes input and output, or only the output.
        adversarial_weight: Weight of the adversarial loss; 0 trains on the distance only, without a
            critic.
        perceptual: A trained network from outputs to the features that the distance compares
            (SRGAN's content loss); it is frozen, and saved with the task. None compares the values
            themselves.
        base_channels: Channels of the first layer of the default critic.
        keep_known: Whether to complete images: the last channel of an input is positive where a
            pixel is known, and the output keeps these pixels. See `advlearn.data.with_hole`.

    Raises:
        ValueError: A setting is out of range, or the generator does not fit the shapes.

    Example:
        >>> task = PairedTranslation(nn.Linear(3, 2), shape=(3,), target_shape=(2,))
        >>> task.predict(torch.zeros(5, 3)).shape
        torch.Size([5, 2])

    Reference:
        Isola et al. 2017, eq. 1 to 4 (pix2pix); Ledig et al. 2017, eq. 3 (SRGAN); Mathieu et al.
        2016, section 3.2 (video).

    Deviations:
        The generator has no noise unless its network has dropout. Without `perceptual`, SRGAN's
        distance is one of pixels, as in the paper's SRResNet.
    """

    example_options = (
        {"base_channels": 4},
        {"base_channels": 4, "conditional": False, "norm": "l2"},
        {"base_channels": 4, "adversarial_weight": 0.0},
    )

    def __init__(
        self,
        generator: nn.Module,
        *,
        shape: Shape,
        target_shape: Shape,
        distance_weight: float = 100.0,
        norm: Norm = "l1",
        conditional: bool = True,
        adversarial_weight: float = 1.0,
        perceptual: nn.Module | None = None,
        base_channels: Count = 64,
        keep_known: bool = False,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.shape = tuple(shape)
        self.target_shape = tuple(target_shape)
        self.distance_weight = check_number("distance_weight", distance_weight, low=0)
        self.norm: Norm = check_choice("norm", norm, ("l1", "l2"))
        self.conditional = conditional
        self.adversarial_weight = check_number("adversarial_weight", adversarial_weight, low=0)
        self.perceptual = None if perceptual is None else perceptual.requires_grad_(False)
        self.base_channels = int(check_number("base_channels", base_channels, low=1))
        self.keep_known = keep_known
        if keep_known and self.shape != (self.target_shape[0] + 1, *self.target_shape[1:]):
            raise ValueError(
                "keep_known: expected inputs of the targets' pixels and a channel of known ones, "
                f"got {self.shape} to {self.target_shape}; pass data='hole:NAME', or leave it out"
            )
        output = heads.outputs_of(generator, self.shape, "generator")
        if tuple(output.shape[1:]) != self.target_shape:
            raise ValueError(
                f"generator: expected outputs of {self.target_shape}, got {tuple(output.shape[1:])}"
            )

    @staticmethod
    def load_data(data: Any) -> Pairs:
        """Open pairs with `advlearn.data.open_pairs`: ``"edges:fashion-mnist"``, or (x, y)."""
        return open_pairs(data)

    @classmethod
    def from_data(cls, data: Pairs, *, base_channels: Count = 64, **settings: Any) -> Self:
        """Build the task with networks sized from the data.

        The generator is a U-Net, SRGAN's where targets are larger, or a perceptron for vectors.

        Args:
            data: Pairs of an input and its target.
            base_channels: Channels of the first layer of generator and critic.
            **settings: Other keywords of the constructor.
        """
        cls.check_options(settings)
        shapes: dict[str, Any] = {"shape": data.shape, "target_shape": data.target_shape}
        generator = translator_for(
            data.shape, data.target_shape, base_channels, tanh_output=data.bounded
        )
        return cls(generator, base_channels=base_channels, **shapes, **settings)

    @classmethod
    def example_data(cls) -> Pairs:
        """Return pairs of small images."""
        images = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        return Pairs(images[:, :1], images[:, 1:])

    def forward(self, batch: Batch) -> TaskOutput:
        x, y = batch[0], batch[1]
        output = self.completed(x, self.generator(x))
        loss = self.distance_weight * self._distance(output, y)
        pair = SamplePair((x, y), (x, output)) if self.conditional else SamplePair(y, output)
        return TaskOutput({CRITIC: pair} if self.adversarial_weight else {}, loss)

    def _distance(self, output: Tensor, y: Tensor) -> Tensor:
        """Compute the distance of outputs from targets, in perceptual features if there are any."""
        if self.perceptual is None:
            return distance(output, y, self.norm)
        with eval_mode(self.perceptual):
            return distance(self.perceptual(output), self.perceptual(y), self.norm)

    def critic_inputs(self) -> dict[str, Inputs]:
        if not self.adversarial_weight:
            return {}
        shapes = (self.shape, self.target_shape) if self.conditional else (self.target_shape,)
        return {CRITIC: Inputs(shapes, join="channels", base_channels=self.base_channels)}

    def adversarial_weight_at(self, progress: float) -> float:
        return self.adversarial_weight

    def predict(self, x: Tensor) -> Tensor:
        """Compute outputs (N, *target_shape) for inputs `x` (N, *shape), in evaluation mode."""
        output = heads.predict(self.generator, x)
        return self.completed(x.to(output.device), output)

    def completed(self, x: Tensor, output: Tensor) -> Tensor:
        """Replace the known pixels of outputs by those of the inputs, if they are to be kept.

        Args:
            x: Inputs (N, *shape).
            output: Outputs (N, *target_shape).
        """
        if not self.keep_known:
            return output
        return torch.where(x[:, -1:] > 0, x[:, :-1].to(output.dtype), output)

    def before_after(self, data: Pairs, n: int = 8) -> dict[str, Tensor]:
        """Return the first inputs of `data`, their outputs and their targets, by heading.

        An input of several grey images, such as frames, has a column for each.
        """
        x, y = data.x[:n], data.y[:n]
        shown = x[:, :-1] if self.keep_known else x
        stages = (
            {"input": shown}
            if shown.shape[1] in (1, 3)
            else {f"input {k + 1}": x[:, k : k + 1] for k in range(x.shape[1])}
        )
        return {**stages, "output": self.predict(x).cpu(), "truth": y}


def distance(output: Tensor, target: Tensor, norm: Norm) -> Tensor:
    """Compute the mean absolute ("l1") or squared ("l2") difference of all values, a scalar."""
    gap = output - target
    return gap.abs().mean() if norm == "l1" else gap.square().mean()


def translator_for(
    shape: Shape, target_shape: Shape, base_channels: int, *, tanh_output: bool
) -> Network:
    """Return a generator from samples of one shape to samples of another.

    Raises:
        ValueError: Images whose targets are neither of the same size nor larger by a power of two.
    """
    if not is_image(shape, target_shape):
        if len(shape) != 1:
            raise ValueError(
                f"data: expected vectors or images from {SMALLEST_TRANSLATED} pixels a side, "
                f"got {shape} to {target_shape}"
            )
        return MLPGenerator(shape[0], target_shape, (4 * base_channels,) * 3, tanh_output=False)
    if shape[1:] == target_shape[1:]:
        return UNetGenerator(shape, target_shape[0], base_channels, tanh_output=tanh_output)
    factor = target_shape[1] // shape[1]
    if (
        factor < 2
        or factor & (factor - 1)
        or tuple(factor * side for side in shape[1:]) != target_shape[1:]
    ):
        raise ValueError(
            "data: expected targets as large as inputs or 2, 4, 8.. times larger, "
            f"got {shape} to {target_shape}"
        )
    return SRGANGenerator(shape, target_shape[0], factor, base_channels, blocks=6)


TASK = PairedTranslation
