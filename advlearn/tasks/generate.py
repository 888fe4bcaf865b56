"""Generate samples like the data: vectors or images, by class where there are labels."""

from typing import Any, Self, cast, final

import torch
from torch import Tensor, nn

from advlearn.core import processes
from advlearn.core.chain import Chain
from advlearn.core.modes import evaluating
from advlearn.core.objective import Objective
from advlearn.core.task import Batch, Round, Sides, Task
from advlearn.data.lazy import LazySource
from advlearn.data.source import Source
from advlearn.nets import IdentityCritic, Network, build, critic_for, family, generator_for
from advlearn.nets.sizing import EMBEDDED
from advlearn.tasks._heads import learns_nothing

CONTEST = "data"


@final
class Generate(Task):
    r"""A generator of samples against one critic that compares them with the data.

    .. math:: fake = G(z)\ or\ G(z, y), \qquad z \sim N(0, I)

    With classes, real samples are pairs (x, y), fake ones (G(z, y), y) with the same labels.

    Args:
        generator: Module from z (N, latent), and y (N,) with classes, to samples (N, *shape).
        latent: Size of z.
        shape: Shape of one sample.
        classes: Number of classes to condition on; 0 for none.
        critic: The user's critic; None for a network sized from `shape` and the objective.
        nets: Name of the family (`advlearn.nets.families`) that critic is of; None chooses by `shape`.
        width: Channels at half resolution of the critic that is proposed.

    Raises:
        ValueError: If a size is below its least value, or the generator's samples are not of `shape`.

    Example:
        >>> task = Generate(torch.nn.Linear(3, 2), latent=3, shape=(2,))
        >>> task.sample(5).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        generator: nn.Module,
        *,
        latent: int,
        shape: tuple[int, ...],
        classes: int = 0,
        critic: nn.Module | None = None,
        nets: str | None = None,
        width: int = 64,
    ) -> None:
        super().__init__()
        if latent < 1:
            raise ValueError(f"latent: expected at least 1, got {latent}")
        self.generator = generator
        self.latent = latent
        self.shape = tuple(shape)
        self.classes = classes
        self.nets = nets
        self.width = width
        # In a tuple, so that the critic's parameters are not taken for the player's.
        self._critic = (critic,)
        self._check()

    @classmethod
    def for_data(
        cls,
        source: Source | LazySource,
        *,
        conditional: bool = False,
        latent: int = 64,
        nets: str | None = None,
        width: int = 64,
    ) -> Self:
        """A task sized from the data: convolutional networks for images from 16 pixels a side, perceptrons below."""
        classes = source.classes if conditional else 0
        bounded = _bounded(source)
        if nets is None:
            generator: nn.Module = generator_for(source.shape, latent, classes, width, bounded=bounded)
        else:
            made = family(nets, source.shape).generator
            generator = made(latent, source.shape, width=width, classes=classes, bounded=bounded)
        return cls(generator, latent=latent, shape=source.shape, classes=classes, nets=nets, width=width)

    @classmethod
    def from_recipe(cls, recipe: dict[str, Any]) -> Self:
        """The task whose `recipe` this is, with fresh weights."""
        sizes = {name: recipe[name] for name in ("latent", "classes", "nets", "width") if name in recipe}
        return cls(build(recipe["generator"]), shape=tuple(recipe["shape"]), **sizes)

    def forward(self, batch: Batch) -> Round:
        x = batch[0]
        z = processes.randn(x.shape[0], self.latent, like=x)
        if not self.classes:
            return Round({CONTEST: Sides(x, self.generator(z))})
        y = batch[1]
        return Round({CONTEST: Sides((x, y), (self.generator(z, y), y))})

    def critics(self, chain: Chain) -> dict[str, nn.Module]:
        given = self._critic[0]
        return {CONTEST: given if given is not None else self._propose(chain)}

    def refuses(self, objective: Objective) -> str | None:
        if objective.score in ("density", "classes"):
            return (
                f"its critic scores {objective.score!r}, and there is neither an attribute nor a class to predict here"
            )
        return None

    def recipe(self) -> dict[str, Any] | None:
        if not isinstance(self.generator, Network) or self._critic[0] is not None:
            return None
        sizes = {"latent": self.latent, "classes": self.classes, "nets": self.nets, "width": self.width}
        return {"generator": self.generator.recipe(), "shape": list(self.shape), **sizes}

    @torch.no_grad()
    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw samples in evaluation mode, from the global generator.

        Args:
            n: How many.
            labels: Classes (n,), int64, for a conditional task; drawn evenly if None.

        Returns:
            Samples (n, *shape).

        Raises:
            ValueError: If labels are given to an unconditional task, of another length, or out of range.
        """
        parameter = next(self.generator.parameters())
        z = torch.randn(n, self.latent, device=parameter.device)
        with evaluating(self.generator):
            if not self.classes:
                if labels is not None:
                    raise ValueError("labels: expected none, this task is unconditional (classes=0)")
                return cast(Tensor, self.generator(z))
            y = torch.arange(n) % self.classes if labels is None else labels
            if y.shape != (n,) or y.is_floating_point() or int(y.min()) < 0 or int(y.max()) >= self.classes:
                raise ValueError(f"labels: expected {n} integers below {self.classes}, got {tuple(y.shape)} {y.dtype}")
            return cast(Tensor, self.generator(z, y.to(parameter.device)))

    def _propose(self, chain: Chain) -> nn.Module:
        objective = chain.required_objective()
        if learns_nothing(objective):
            return IdentityCritic(self.classes)
        if self.nets is None or objective.score == "energy":
            return critic_for(self.shape, objective.score, self.classes, width=self.width)
        scores = EMBEDDED if objective.score == "vector" else 1
        return family(self.nets, self.shape).critic(self.shape, scores, width=self.width, classes=self.classes)

    def _check(self) -> None:
        """Try the generator once, so that a misfit is a line here and not a traceback in the first step."""
        with torch.random.fork_rng(devices=[]):
            try:
                made = self.sample(2)
            except (RuntimeError, TypeError) as error:
                raise ValueError(
                    f"generator: refused z of shape (2, {self.latent}): {str(error).splitlines()[0]}"
                ) from None
        if tuple(made.shape) != (2, *self.shape):
            raise ValueError(f"generator: expected samples of shape {self.shape}, got {tuple(made.shape[1:])}")


def _bounded(source: Source | LazySource) -> bool:
    """Whether a tanh may end the generator: images in [-1, 1], not standardised ones."""
    return source.kind == "image" and (not isinstance(source, Source) or source.bounded)


TASK = Generate
