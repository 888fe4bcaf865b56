"""Translate between two sets of samples that nobody has matched: there, and back to where it began."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, final

from torch import Tensor, nn

from advlearn.core.chain import Chain
from advlearn.core.checks import check_choice, check_number
from advlearn.core.objective import Objective
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.pairs import Unpaired, open_unpaired
from advlearn.nets import MLPGenerator, Network, build
from advlearn.nets.families.translators import ResidualTranslator
from advlearn.regularizers.image_pool import ImagePool
from advlearn.tasks import _heads as heads
from advlearn.tasks import _sampling as sampling
from advlearn.tasks.paired_translation import SMALLEST, Norm, critic_of, distance


class Method(NamedTuple):
    """What a published method weighs.

    Args:
        cycle: Weight of the distance between a sample and what comes back.
        identity: Weight of the distance between a sample and its translation into the set it is of.
        norm: The distance, ``"l1"`` or ``"l2"``.
        history: Fakes in the history that critics are shown from, 0 for none.
    """

    cycle: float
    identity: float
    norm: Norm
    history: int


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        # Zhu et al. 2017, section 4 and 5.2
        "cyclegan": Method(cycle=10.0, identity=5.0, norm="l1", history=50),
        # Kim et al. 2017, eq. 3 to 8
        "discogan": Method(cycle=1.0, identity=0.0, norm="l2", history=0),
    }
)


@final
class UnpairedTranslation(Task):
    r"""Two generators, one each way, against a critic of each set; what goes there and back should not have changed.

    .. math::

        L = c\,(\|F(G(a)) - a\| + \|G(F(b)) - b\|) + i\,(\|F(a) - a\| + \|G(b) - b\|), \qquad
        real_a = a, \; fake_a = F(b), \qquad real_b = b, \; fake_b = G(a)

    Args:
        to_b: G, module from samples of a to samples of b, (N, *shape) both.
        to_a: F, the way back.
        shape: Shape of one sample.
        cycle: c.
        identity: i.
        norm: ``"l1"``, the mean absolute difference, or ``"l2"``, the mean squared one.
        history: Fakes in the history that each critic is shown from beside fresh ones
            (`ImagePool`); 0 for none.
        base_channels: Channels of the first layer of the critics that are proposed.

    Raises:
        ValueError: If a setting is refused, or a generator does not fit `shape`.

    Example:
        >>> import torch
        >>> task = UnpairedTranslation(nn.Linear(2, 2), nn.Linear(2, 2), shape=(2,))
        >>> task.predict(torch.zeros(5, 2)).shape
        torch.Size([5, 2])

    Reference:
        Zhu et al. 2017, eq. 1 to 4 and section 5.2 (identity loss); Kim et al. 2017, eq. 3 to 8
        (DiscoGAN).

    Deviations:
        Both methods share one network; the learning rate stays where the objective's settings put
        it.
    """

    def __init__(
        self,
        to_b: nn.Module,
        to_a: nn.Module,
        *,
        shape: tuple[int, ...],
        cycle: float = 10.0,
        identity: float = 5.0,
        norm: Norm = "l1",
        history: int = 50,
        base_channels: int = 64,
    ) -> None:
        super().__init__()
        self.to_b = to_b
        self.to_a = to_a
        self.shape = tuple(shape)
        self.cycle = check_number("cycle", cycle, low=0)
        self.identity = check_number("identity", identity, low=0)
        self.norm: Norm = check_choice("norm", norm, ("l1", "l2"))
        self.history = int(check_number("history", history, low=0))
        self.base_channels = int(check_number("base_channels", base_channels, low=1))
        for name, generator in (("to_b", to_b), ("to_a", to_a)):
            made = heads.outputs_of(generator, self.shape, name)
            if tuple(made.shape[1:]) != self.shape:
                raise ValueError(
                    f"{name}: expected samples of shape {self.shape}, got {tuple(made.shape[1:])}"
                )

    @staticmethod
    def load_data(data: Any) -> Unpaired:
        """Two sets from what `advlearn.data.open_unpaired` takes: ``"usps <-> mnist"``, or (a, b)."""
        return open_unpaired(data)

    @classmethod
    def from_data(
        cls, data: Unpaired, *, method: str = "cyclegan", base_channels: int = 64, blocks: int = 6
    ) -> Self:
        """A task of a published method, ``"cyclegan"`` or ``"discogan"``, with networks sized from the data."""
        settings = METHODS[check_choice("method", method, tuple(METHODS))]
        to_b, to_a = (
            _translator(data.shape, base_channels, blocks, data.bounded) for _ in range(2)
        )
        return cls(to_b, to_a, shape=data.shape, base_channels=base_channels, **settings._asdict())

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The task whose `config` this is, with fresh weights."""
        settings = {k: v for k, v in config.items() if k not in ("to_b", "to_a", "shape")}
        return cls(
            build(config["to_b"]), build(config["to_a"]), shape=tuple(config["shape"]), **settings
        )

    def forward(self, batch: Batch) -> TaskOutput:
        a, b = batch[0], batch[1]
        fake_b, fake_a = self.to_b(a), self.to_a(b)
        loss = self.cycle * (self._gap(self.to_a(fake_b), a) + self._gap(self.to_b(fake_a), b))
        if self.identity:
            loss = loss + self.identity * (self._gap(self.to_a(a), a) + self._gap(self.to_b(b), b))
        return TaskOutput({"a": SamplePair(a, fake_a), "b": SamplePair(b, fake_b)}, loss)

    def adapt_objective(self, chain: Chain) -> Chain:
        if not self.history or any(isinstance(r, ImagePool) for r in chain.regularizers):
            return chain
        return replace(chain, regularizers=(*chain.regularizers, ImagePool(self.history)))

    def critics(self, chain: Chain) -> dict[str, nn.Module]:
        return {name: critic_of((self.shape,), chain, self.base_channels) for name in ("a", "b")}

    def check_compatibility(self, objective: Objective) -> str | None:
        return sampling.refusal(objective)

    def predict(self, x: Tensor, to: Literal["a", "b"] = "b") -> Tensor:
        """Samples `x` (N, *shape) of the one set as the other would have them, in evaluation mode."""
        return heads.predict(
            self.to_b if check_choice("to", to, ("a", "b")) == "b" else self.to_a, x
        )

    def before_after(self, data: Unpaired, n: int = 8) -> dict[str, Tensor]:
        """The first samples of both sets, their translations and what comes back: columns of a picture."""
        sets = [part.x[:n] for part in data.parts() if isinstance(part, ArrayDataset)]
        if len(sets) < 2:
            raise ValueError(
                f"data: expected two sets in memory, got one of {data.name!r} that is drawn lazily"
            )
        a, b = sets
        there, here = self.predict(a), self.predict(b, "a")
        stages = {"a": a, "a to b": there, "and back": self.predict(there, "a")}
        stages |= {"b": b, "b to a": here, "and back to b": self.predict(here)}
        rows = min(len(images) for images in stages.values())
        return {name: images[:rows].cpu() for name, images in stages.items()}

    def config(self) -> dict[str, Any] | None:
        generators = {"to_b": self.to_b, "to_a": self.to_a}
        if not all(isinstance(net, Network) for net in generators.values()):
            return None
        recipes = {
            name: net.config() for name, net in generators.items() if isinstance(net, Network)
        }
        settings = {
            k: getattr(self, k) for k in ("cycle", "identity", "norm", "history", "base_channels")
        }
        return {**recipes, "shape": list(self.shape), **settings}

    def _gap(self, made: Tensor, wanted: Tensor) -> Tensor:
        return distance(made, wanted, self.norm)


def _translator(
    shape: tuple[int, ...], base_channels: int, blocks: int, tanh_output: bool
) -> Network:
    if len(shape) == 3 and min(shape[1:]) >= SMALLEST:
        return ResidualTranslator(shape, shape[0], base_channels, blocks, tanh_output)
    if len(shape) != 1:
        raise ValueError(
            f"data: expected images of at least {SMALLEST} pixels a side or vectors, got {shape}"
        )
    return MLPGenerator(shape[0], shape, (4 * base_channels,) * 3)


TASK = UnpairedTranslation
