"""Base class of tasks: the samples that each critic compares, and the task's own loss."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self, cast, final

from torch import Tensor, nn

from advlearn.core import configuration
from advlearn.core.arguments import checked
from advlearn.core.chain import Chain
from advlearn.core.critic_batch import Samples
from advlearn.core.inputs import Inputs
from advlearn.core.objective import Objective
from advlearn.core.optim import added, backward

Batch = tuple[Tensor, ...]


class SamplePair(NamedTuple):
    """Real and fake samples of one critic, as `Adversary.update` takes them."""

    real: Samples
    fake: Samples
    real_weights: Tensor | None = None
    fake_weights: Tensor | None = None


@final
@dataclass(frozen=True, slots=True)
class TaskOutput:
    """Hold what a task computes from one batch.

    Args:
        pairs: Name of a critic to its real and fake samples; generated samples carry gradient.
        loss: The task's own loss L, a scalar, or None.
        outputs: Other tensors of interest, by name.
    """

    pairs: dict[str, SamplePair]
    loss: Tensor | None = None
    outputs: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def check(self, adversaries: Collection[str]) -> None:
        """Raise a ValueError unless there is a pair for each adversary, and anything to learn."""
        if self.pairs.keys() != set(adversaries):
            raise ValueError(
                f"adversaries: expected {sorted(self.pairs)}, the names of the task's critics, "
                f"got {sorted(adversaries)}"
            )
        if not self.pairs and self.loss is None:
            raise ValueError("task: expected samples for a critic or a loss, got neither")


class Task(nn.Module, ABC):
    """A model to train against critics: a generator, a classifier, or several networks.

    A subclass defines `forward`, `critic_inputs`, `from_data` and, for the conformance tests,
    `example_data`. Critics are not part of a task: `advlearn.critics.build` proposes one for each
    entry of `critic_inputs`, and an `Adversary` owns each. Constructor arguments are the task's
    configuration: `config` and `from_config` need no code in a subclass.

    Attributes:
        gradient_reversal: Whether critics and model are updated in one backward pass, by gradient
            reversal, instead of in turn.
        example_options: Options of `from_data` that the conformance tests try; the first ones are
            tested with every objective.
        data_settings: Constructor arguments that `from_data` derives from the data; they are not
            options.
    """

    gradient_reversal: bool = False
    _arguments: dict[str, Any]
    example_options: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    data_settings: ClassVar[tuple[str, ...]] = ("shape", "target_shape", "classes")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = checked(configuration.remembering(cls.__init__))
        if "from_data" in cls.__dict__:
            build = cls.__dict__["from_data"].__func__
            cast(Any, cls).from_data = classmethod(checked(build))

    @abstractmethod
    def forward(self, batch: Batch) -> TaskOutput:
        """Compute the samples of each critic and the loss from `batch`, tensors (N, ...)."""

    @abstractmethod
    def critic_inputs(self) -> dict[str, Inputs]:
        """Return the inputs of each critic, by the critic's name."""

    def adopt_critic(self, name: str, critic: nn.Module) -> nn.Module:
        """Return the module to train for a user's critic; a task that owns it overrides this."""
        return critic

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that the task's optimizer trains."""
        return [p for p in self.parameters() if p.requires_grad]

    def adapt_objective(self, chain: Chain) -> Chain:
        """Return the chain that this task trains with; the user's by default."""
        return chain

    def check_compatibility(self, objective: Objective) -> str | None:
        """Return why this task cannot use an objective, or None if it can."""
        reasons = (inputs.incompatibility(objective) for inputs in self.critic_inputs().values())
        return next((reason for reason in reasons if reason is not None), None)

    def adversarial_weight_at(self, progress: float) -> float:
        """Return the weight of the adversarial losses after a fraction `progress` of the steps."""
        return 1.0

    def backward(
        self, loss: Tensor | None, adversarial: Tensor, parameters: Sequence[nn.Parameter]
    ) -> None:
        """Accumulate the gradient of the task's loss and the weighted adversarial loss."""
        backward(adversarial if loss is None else added([adversarial, loss]))

    @property
    def adds_gradients(self) -> bool:
        """Whether gradients that `backward` accumulates from parts of a batch add up."""
        return True

    def config(self) -> dict[str, Any] | None:
        """Return the constructor's arguments as plain values, or None if one has no plain form.

        Networks of `advlearn.nets` are stored as their config and tensors as their shape, because
        their values are weights. Other values are stored unchanged.
        """
        return configuration.to_config(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the task that `config` describes, with new weights.

        Args:
            config: What `config()` of a task returned.
        """
        return configuration.from_config(cls, config)

    @classmethod
    def options(cls) -> dict[str, configuration.Option]:
        """Return every option of `from_data`: name to type, default and one-line description."""
        return configuration.options(cls)

    @classmethod
    def check_options(cls, given: Mapping[str, Any]) -> None:
        """Raise a ValueError that names the first option that `from_data` does not have.

        Raises:
            ValueError: If an option is unknown.
        """
        configuration.check_options(cls, given)

    @classmethod
    def example_data(cls) -> Any:
        """Return a small data set that `from_data` accepts, for the conformance tests."""
        raise NotImplementedError(
            f"{cls.__name__}.example_data: expected a small data set; "
            "define this class method so that the conformance tests can train the task"
        )
