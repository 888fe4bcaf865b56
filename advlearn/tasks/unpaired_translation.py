"""Translate between two sets of samples without pairs, by cycle consistency: CycleGAN, DiscoGAN."""

from dataclasses import replace
from typing import Any, Literal, Self, final

from torch import Tensor, nn

from advlearn.core.arguments import Count
from advlearn.core.chain import Chain
from advlearn.core.checks import check_choice, check_number
from advlearn.core.inputs import Inputs
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.pairs import Unpaired, open_unpaired
from advlearn.nets import MLPGenerator, Network
from advlearn.nets.families.translators import ResidualTranslator
from advlearn.nets.sizing import SMALLEST_TRANSLATED, is_image
from advlearn.regularizers.image_pool import ImagePool
from advlearn.tasks import _heads as heads
from advlearn.tasks._examples import labelled_points, points
from advlearn.tasks.paired_translation import Norm, distance


@final
class UnpairedTranslation(Task):
    r"""Train two generators, one for each direction, with a critic for each set and a cycle loss.

    .. math::

        L = c\,(\|F(G(a)) - a\| + \|G(F(b)) - b\|) + i\,(\|F(a) - a\| + \|G(b) - b\|), \qquad
        real_a = a, \; fake_a = F(b), \qquad real_b = b, \; fake_b = G(a)

    Args:
        to_b: G, module from samples of a to samples of b, (N, *shape) both.
        to_a: F, module from samples of b to samples of a.
        shape: Shape of one sample.
        cycle_weight: c, the weight of the cycle loss.
        identity_weight: i, the weight of the identity loss.
        norm: ``"l1"``, the mean absolute difference, or ``"l2"``, the mean squared one.
        image_pool_size: Earlier fakes that each critic also takes (`ImagePool`); 0 for no pool.
        base_channels: Channels of the first layer of the default critics.

    Raises:
        ValueError: A setting is out of range, or a generator does not fit `shape`.

    Example:
        >>> import torch
        >>> task = UnpairedTranslation(nn.Linear(2, 2), nn.Linear(2, 2), shape=(2,))
        >>> task.predict(torch.zeros(5, 2)).shape
        torch.Size([5, 2])

    Reference:
        Zhu et al. 2017, eq. 1 to 4 and section 5.2 (identity loss); Kim et al. 2017, eq. 3 to 8
        (DiscoGAN).

    Deviations:
        Both methods share one architecture; the learning rate is constant.
    """

    example_options = (
        {"base_channels": 4},
        {
            "base_channels": 4,
            "cycle_weight": 1.0,
            "identity_weight": 0.0,
            "norm": "l2",
            "image_pool_size": 0,
        },
    )

    def __init__(
        self,
        to_b: nn.Module,
        to_a: nn.Module,
        *,
        shape: tuple[int, ...],
        cycle_weight: float = 10.0,
        identity_weight: float = 5.0,
        norm: Norm = "l1",
        image_pool_size: int = 50,
        base_channels: Count = 64,
    ) -> None:
        super().__init__()
        self.to_b = to_b
        self.to_a = to_a
        self.shape = tuple(shape)
        self.cycle_weight = check_number("cycle_weight", cycle_weight, low=0)
        self.identity_weight = check_number("identity_weight", identity_weight, low=0)
        self.norm: Norm = check_choice("norm", norm, ("l1", "l2"))
        self.image_pool_size = int(check_number("image_pool_size", image_pool_size, low=0))
        self.base_channels = int(check_number("base_channels", base_channels, low=1))
        for name, generator in (("to_b", to_b), ("to_a", to_a)):
            output = heads.outputs_of(generator, self.shape, name)
            if tuple(output.shape[1:]) != self.shape:
                raise ValueError(
                    f"{name}: expected samples of shape {self.shape}, got {tuple(output.shape[1:])}"
                )

    @staticmethod
    def load_data(data: Any) -> Unpaired:
        """Open two sets with `advlearn.data.open_unpaired`: ``"usps <-> mnist"``, or (a, b)."""
        return open_unpaired(data)

    @classmethod
    def from_data(
        cls, data: Unpaired, *, base_channels: Count = 64, blocks: Count = 6, **settings: Any
    ) -> Self:
        """Build the task with networks sized from the data; the defaults are CycleGAN's.

        Args:
            data: Two sets of samples of one shape.
            base_channels: Channels of the first layer of the generators and critics.
            blocks: Residual blocks of each generator.
            **settings: Other keywords of the constructor.
        """
        cls.check_options(settings)
        to_b, to_a = (
            _translator(data.shape, base_channels, blocks, data.bounded) for _ in range(2)
        )
        return cls(to_b, to_a, shape=data.shape, base_channels=base_channels, **settings)

    @classmethod
    def example_data(cls) -> Unpaired:
        """Return two sets of points."""
        other = ArrayDataset(points()[:9] + 1, None, "moved")
        return Unpaired(labelled_points(), other)

    def forward(self, batch: Batch) -> TaskOutput:
        a, b = batch[0], batch[1]
        fake_b, fake_a = self.to_b(a), self.to_a(b)
        loss = self.cycle_weight * (
            self._distance(self.to_a(fake_b), a) + self._distance(self.to_b(fake_a), b)
        )
        if self.identity_weight:
            loss = loss + self.identity_weight * (
                self._distance(self.to_a(a), a) + self._distance(self.to_b(b), b)
            )
        return TaskOutput({"a": SamplePair(a, fake_a), "b": SamplePair(b, fake_b)}, loss)

    def adapt_objective(self, chain: Chain) -> Chain:
        if not self.image_pool_size or any(isinstance(r, ImagePool) for r in chain.regularizers):
            return chain
        return replace(chain, regularizers=(*chain.regularizers, ImagePool(self.image_pool_size)))

    def critic_inputs(self) -> dict[str, Inputs]:
        inputs = Inputs((self.shape,), join="channels", base_channels=self.base_channels)
        return {"a": inputs, "b": inputs}

    def predict(self, x: Tensor, to: Literal["a", "b"] = "b") -> Tensor:
        """Translate samples `x` (N, *shape) into the set `to`, in evaluation mode."""
        return heads.predict(
            self.to_b if check_choice("to", to, ("a", "b")) == "b" else self.to_a, x
        )

    def before_after(self, data: Unpaired, n: int = 8) -> dict[str, Tensor]:
        """Return the first samples of both sets, translations and reconstructions, by heading."""
        sets = [part.rows(slice(n)) for part in data.parts() if isinstance(part, ArrayDataset)]
        if len(sets) < 2:
            raise ValueError(
                f"data: expected two sets in memory, got a streamed set in {data.name!r}"
            )
        a, b = sets
        a_to_b, b_to_a = self.predict(a), self.predict(b, "a")
        stages = {"a": a, "a to b": a_to_b, "and back": self.predict(a_to_b, "a")}
        stages |= {"b": b, "b to a": b_to_a, "and back to b": self.predict(b_to_a)}
        rows = min(len(images) for images in stages.values())
        return {name: images[:rows].cpu() for name, images in stages.items()}

    def _distance(self, output: Tensor, target: Tensor) -> Tensor:
        return distance(output, target, self.norm)


def _translator(
    shape: tuple[int, ...], base_channels: int, blocks: int, tanh_output: bool
) -> Network:
    if is_image(shape):
        return ResidualTranslator(shape, shape[0], base_channels, blocks, tanh_output)
    if len(shape) != 1:
        raise ValueError(
            f"data: expected vectors or images from {SMALLEST_TRANSLATED} pixels a side, "
            f"got {shape}"
        )
    return MLPGenerator(shape[0], shape, (4 * base_channels,) * 3)


TASK = UnpairedTranslation
