"""Translate an input into its target, from pairs: outputs near the target that no critic tells from one."""

from typing import Any, Literal, Self, final

import torch
from torch import Tensor, nn

from advlearn.core.chain import Chain
from advlearn.core.checks import check_choice, check_number
from advlearn.core.modules import eval_mode
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data import Pairs, open_pairs
from advlearn.nets import (
    AutoencoderCritic,
    ConcatCritic,
    IdentityCritic,
    MLPCritic,
    MLPGenerator,
    Network,
    build,
)
from advlearn.nets.adapters.channel_concat_critic import ChannelConcatCritic
from advlearn.nets.families.patchgan import PatchGANCritic
from advlearn.nets.families.translators import SRGANGenerator
from advlearn.nets.families.unet import UNetGenerator
from advlearn.nets.sizing import EMBEDDED
from advlearn.tasks import _heads as heads
from advlearn.tasks import _sampling as sampling

CRITIC = "pairs"
Norm = Literal["l1", "l2"]
Shape = tuple[int, ...]

SMALLEST = 8
"""Images with a smaller side are taken for vectors."""

LARGE = 64
"""Images from this side are judged by patches of 70 pixels as in the paper, smaller ones by patches of 16."""


@final
class PairedTranslation(Task):
    r"""A generator from inputs x to outputs near their targets y, against a critic of outputs beside their inputs.

    .. math:: L = w\,\|y - G(x)\|, \qquad real = (x, y), \quad fake = (x, G(x))

    ``lsgan`` or ``nsgan`` with ``norm="l1"`` is pix2pix, on small images and their originals with
    ``norm="l2"`` and ``conditional=False`` SRGAN, on the last frames of a film and the next one an
    adversarial video predictor.

    Args:
        generator: Module from inputs (N, *shape) to outputs (N, *target_shape).
        shape: Shape of one input.
        target_shape: Shape of one target.
        distance_weight: w, for the mean over all values.
        norm: ``"l1"``, the mean absolute difference, or ``"l2"``, the mean squared one.
        conditional: Let the critic see the input beside the output; else it sees the output alone.
        adversarial_weight: Weight of the adversary in the player's loss; 0 is the distance alone,
            without any critic.
        perceptual: A trained network from outputs to features, in which the distance is then taken
            (SRGAN's content loss); it is held fixed, and saved with the task. None compares the
            values themselves.
        critic: The user's critic of (x, y), or of y where it is not conditional; None for a network
            sized from the shapes and the objective.
        base_channels: Channels of the first layer of the critic that is proposed.

    Raises:
        ValueError: If a setting is refused, or the generator does not fit the shapes.

    Example:
        >>> task = PairedTranslation(nn.Linear(3, 2), shape=(3,), target_shape=(2,))
        >>> task.predict(torch.zeros(5, 3)).shape
        torch.Size([5, 2])

    Reference:
        Isola et al. 2017, eq. 1 to 4 (pix2pix); Ledig et al. 2017, eq. 3 (SRGAN); Mathieu et al.
        2016, section 3.2 (video).

    Deviations:
        The generator has no noise of its own unless its network brings dropout. Without
        `perceptual`, SRGAN's distance is one of pixels, as in the paper's SRResNet.
    """

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
        critic: nn.Module | None = None,
        base_channels: int = 64,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.shape = tuple(shape)
        self.target_shape = tuple(target_shape)
        self.distance_weight = check_number("distance_weight", distance_weight, low=0)
        self.norm: Norm = check_choice("norm", norm, ("l1", "l2"))
        self.conditional = conditional
        self.adversarial = check_number("adversarial_weight", adversarial_weight, low=0)
        self.perceptual = None if perceptual is None else perceptual.requires_grad_(False)
        self.base_channels = int(check_number("base_channels", base_channels, low=1))
        # In a tuple, so that the critic's parameters are not taken for the player's.
        self._critic = (critic,)
        made = heads.outputs_of(generator, self.shape, "generator")
        if tuple(made.shape[1:]) != self.target_shape:
            raise ValueError(
                f"generator: expected outputs of {self.target_shape}, got {tuple(made.shape[1:])}"
            )

    @staticmethod
    def load_data(data: Any) -> Pairs:
        """Pairs from what `advlearn.data.open_pairs` takes: ``"edges:fashion-mnist"``, or (x, y)."""
        return open_pairs(data)

    @classmethod
    def from_data(
        cls,
        data: Pairs,
        *,
        distance_weight: float = 100.0,
        norm: Norm = "l1",
        conditional: bool = True,
        adversarial_weight: float = 1.0,
        base_channels: int = 64,
    ) -> Self:
        """A task sized from the data: a U-Net, SRGAN's generator where targets are larger, a perceptron for vectors."""
        generator = translator_for(
            data.shape, data.target_shape, base_channels, tanh_output=data.bounded
        )
        settings: dict[str, Any] = {
            "distance_weight": distance_weight,
            "norm": norm,
            "conditional": conditional,
            "adversarial_weight": adversarial_weight,
        }
        return cls(
            generator,
            shape=data.shape,
            target_shape=data.target_shape,
            base_channels=base_channels,
            **settings,
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The task whose `config` this is, with fresh weights."""
        settings = {
            k: v for k, v in config.items() if k not in ("generator", "shape", "target_shape")
        }
        shapes = {k: tuple(config[k]) for k in ("shape", "target_shape")}
        return cls(build(config["generator"]), **shapes, **settings)

    def forward(self, batch: Batch) -> TaskOutput:
        x, y = batch[0], batch[1]
        made = self.generator(x)
        loss = self.distance_weight * self._apart(made, y)
        sides = SamplePair((x, y), (x, made)) if self.conditional else SamplePair(y, made)
        return TaskOutput({CRITIC: sides} if self.adversarial else {}, loss)

    def _apart(self, made: Tensor, y: Tensor) -> Tensor:
        """How far outputs are from their targets, in the features of a network where there is one."""
        if self.perceptual is None:
            return distance(made, y, self.norm)
        with eval_mode(self.perceptual):
            return distance(self.perceptual(made), self.perceptual(y), self.norm)

    def critics(self, chain: Chain) -> dict[str, nn.Module]:
        if not self.adversarial:
            return {}
        given = self._critic[0]
        shapes = (self.shape, self.target_shape) if self.conditional else (self.target_shape,)
        return {
            CRITIC: given if given is not None else critic_of(shapes, chain, self.base_channels)
        }

    def check_compatibility(self, objective: Objective) -> str | None:
        return sampling.refusal(objective)

    def adversarial_weight_at(self, progress: float) -> float:
        return self.adversarial

    def predict(self, x: Tensor) -> Tensor:
        """Outputs (N, *target_shape) for inputs `x` (N, *shape), in evaluation mode."""
        return heads.predict(self.generator, x)

    def before_after(self, data: Pairs, n: int = 8) -> dict[str, Tensor]:
        """The first inputs of `data`, what they are translated to and what they should be: columns of a picture.

        Inputs of several grey images, such as frames, are a column each.
        """
        x, y = data.x[:n], data.y[:n]
        stages = (
            {"input": x}
            if x.shape[1] in (1, 3)
            else {f"input {k + 1}": x[:, k : k + 1] for k in range(x.shape[1])}
        )
        return {**stages, "output": self.predict(x).cpu(), "truth": y}

    def config(self) -> dict[str, Any] | None:
        own = self._critic[0] is not None or self.perceptual is not None
        if own or not isinstance(self.generator, Network):
            return None
        settings = {
            name: getattr(self, name)
            for name in ("distance_weight", "norm", "conditional", "base_channels")
        }
        shapes = {"shape": list(self.shape), "target_shape": list(self.target_shape)}
        return {
            "generator": self.generator.config(),
            **shapes,
            **settings,
            "adversarial_weight": self.adversarial,
        }


def distance(made: Tensor, wanted: Tensor, norm: Norm) -> Tensor:
    """Mean absolute ("l1") or squared ("l2") difference over everything, a scalar."""
    gap = made - wanted
    return gap.abs().mean() if norm == "l1" else gap.square().mean()


def translator_for(
    shape: Shape, target_shape: Shape, base_channels: int, *, tanh_output: bool
) -> Network:
    """A generator from samples of one shape to samples of another.

    Raises:
        ValueError: Images whose targets are neither of the same size nor larger by a power of two.
    """
    if not _images(shape, target_shape):
        if len(shape) != 1:
            raise ValueError(
                f"data: expected images of at least {SMALLEST} pixels a side or vectors, got {shape} to {target_shape}"
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
            f"data: expected targets as large as inputs or 2, 4, 8.. times, got {shape} to {target_shape}"
        )
    return SRGANGenerator(shape, target_shape[0], factor, base_channels, blocks=6)


def critic_of(shapes: tuple[Shape, ...], chain: Chain, base_channels: int) -> nn.Module:
    """A critic of samples whose parts have these shapes, with the score that the chain's objective asks for.

    Images get a PatchGAN: one logit a patch where the objective is a mean over single scores and no
    penalty looks at the critic's gradient or features, which are of one score a sample; else the
    mean over the patches.
    """
    objective = chain.required_objective()
    if heads.learns_nothing(objective):
        return ConcatCritic(nn.Identity()) if len(shapes) > 1 else IdentityCritic()
    outputs = EMBEDDED if objective.critic_output == "vector" else 1
    if not _images(*shapes):
        size = sum(torch.Size(shape).numel() for shape in shapes)
        if objective.critic_output == "energy":
            return ConcatCritic(
                AutoencoderCritic((size,), base_channels, code=min(32, max(1, size // 2)))
            )
        return ConcatCritic(MLPCritic((size,), outputs, (4 * base_channels,) * 3))
    stacked = (sum(shape[0] for shape in shapes), *shapes[-1][1:])
    if objective.critic_output == "energy":
        return ChannelConcatCritic(AutoencoderCritic(stacked, base_channels))
    each = objective.pointwise and not any(map(_looks_inside, chain.regularizers))
    halvings = 3 if min(stacked[1:]) >= LARGE else 1
    return ChannelConcatCritic(
        PatchGANCritic(stacked, None if each else outputs, base_channels, halvings)
    )


def _looks_inside(regularizer: Regularizer) -> bool:
    """Whether a regularizer has a penalty of its own, on the critic or on the player."""
    kind = type(regularizer)
    return (kind.penalty, kind.player_penalty) != (Regularizer.penalty, Regularizer.player_penalty)


def _images(*shapes: Shape) -> bool:
    """Whether all are images, the last one large enough for convolutions."""
    return all(len(shape) == 3 for shape in shapes) and min(shapes[-1][1:]) >= SMALLEST


TASK = PairedTranslation
