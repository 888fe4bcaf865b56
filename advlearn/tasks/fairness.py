"""Train a fair classifier or regressor: outputs independent of sensitive attributes."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from advlearn.core import distributed, gradient_projection
from advlearn.core.arguments import Natural
from advlearn.core.chain import Chain
from advlearn.core.checks import check_choice, check_number
from advlearn.core.inputs import Inputs
from advlearn.core.layer_capture import attach
from advlearn.core.objective import Objective, Setwise
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.attributes import open_table
from advlearn.data.compared_groups import balanced, compared_groups, joined_columns
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.nets.network import one_hot
from advlearn.tasks import _heads as heads
from advlearn.tasks._examples import points

Criterion = Literal["demographic_parity", "equalized_odds", "equal_opportunity"]
CRITERIA = ("demographic_parity", "equalized_odds", "equal_opportunity")
# The class of the favourable outcome.
FAVOURED = 1
TINY = 1e-12


@final
class Fairness(Task):
    r"""Train a predictor whose output h is independent of each sensitive attribute a.

    .. math:: L = E[loss(f(x), y)], \qquad fake = (h, a), \quad real = (h, a'), \quad
        a' \sim p(a)\ or\ p(a \mid y)

    Real pairs hold the same outputs with permuted attributes, within each class for a conditional
    criterion; in them h and a are independent. Every objective therefore measures a dependence
    (``mmd`` HSIC, ``energy-distance`` distance covariance), for two groups, many, or a number.

    Args:
        model: Module from samples (N, *shape) to one logit (N,), class logits (N, K) or, without
            classes, a number (N,).
        shape: Shape of one sample.
        attributes: Name of each sensitive attribute, in the order of a batch, to its number of
            groups; 0 for a number. `model` takes an attribute only if it is part of the samples.
        classes: Number of classes; 0 for a regressor.
        criterion: ``"demographic_parity"``: h independent of a; ``"equalized_odds"``: given y;
            ``"equal_opportunity"``: given y = 1.
        sensitive: Names of the attributes to protect; None for all.
        layer: Name of the layer whose output is h; empty for the model's own output.
        gradient_combination: ``"add"`` the gradients, or ``"project"``: also remove the component
            that helps the adversary from the task's gradient.
        balance_groups: Give each group of each class the same share of the critic's batch, by
            drawing its samples more or less often; otherwise a small group has little weight. None
            in `from_data` balances where a group is small. Numeric attributes
            are not balanced.
        combine_groups: Compare the combinations of all attributes of groups, such as "sex & race",
            instead of each attribute by itself, which leaves combinations unprotected.
        class_weight: Weight of each class in the classifier's loss; None for equal weights.
        gradient_reversal: Move critic and model in one backward pass, by gradient reversal, instead
            of in turn: faster, and a zero-sum game whatever generator loss the objective has.
        adversarial_weight: Weight of the adversarial losses in the model's loss.
        warmup: Share of the steps in which only the critics of the adversaries are trained.

    Raises:
        ValueError: A setting is out of range, the model does not fit, or there is no such layer or
            attribute.

    Example:
        >>> from advlearn.nets import MLPPredictor
        >>> task = Fairness(MLPPredictor((2,), 1), shape=(2,), attributes={"sex": 2})
        >>> task.predict(torch.zeros(5, 2)).shape
        torch.Size([5])

    Reference:
        Zhang et al. 2018, section 3 and eq. 1 (the two conditions, projection); Madras et al. 2018
        (an inner layer); Louppe et al. 2017 (numbers); Gretton et al. 2005 (HSIC).

    Deviations:
        The adversary takes the logit, which does not saturate; that of Zhang et al. takes the
        probability.
    """

    example_options = (
        {},
        {"criterion": "equalized_odds", "gradient_combination": "project"},
        {
            "criterion": "equal_opportunity",
            "sensitive": "sex",
            "warmup": 0.5,
            "gradient_reversal": True,
            "balance_groups": True,
        },
        {"combine_groups": True},
    )

    def __init__(
        self,
        model: nn.Module,
        *,
        shape: tuple[int, ...],
        attributes: Mapping[str, int],
        classes: Natural = 2,
        criterion: Criterion = "demographic_parity",
        sensitive: Sequence[str] | None = None,
        layer: str = "",
        gradient_combination: Literal["add", "project"] = "add",
        balance_groups: bool | None = None,
        combine_groups: bool = False,
        class_weight: Sequence[float] | None = None,
        gradient_reversal: bool = False,
        adversarial_weight: float = 1.0,
        warmup: float = 0.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.shape = tuple(shape)
        self.attributes = dict(attributes)
        self.classes = int(check_number("classes", classes, low=0))
        self.criterion: Criterion = check_choice("criterion", criterion, CRITERIA)
        self.sensitive = list(attributes) if sensitive is None else list(sensitive)
        self.layer = layer
        self.gradient_combination: Literal["add", "project"] = check_choice(
            "gradient_combination", gradient_combination, ("add", "project")
        )
        self.balance_groups = bool(balance_groups)
        self.combine_groups = combine_groups
        self.class_weight = heads.class_weights(class_weight, self.classes)
        self.gradient_reversal = gradient_reversal
        self.adversarial_weight = check_number("adversarial_weight", adversarial_weight, low=0)
        self.warmup = check_number("warmup", warmup, low=0, high=1)
        self.compares_sets = False
        self.capture = attach(model, layer)
        output = heads.outputs_of(model, self.shape)
        self.width = self.capture.output.reshape(2, -1).shape[1]
        self._check(output)
        self.compared = compared_groups(
            {name: self.attributes[name] for name in self.sensitive}, combine=combine_groups
        )

    @staticmethod
    def load_data(data: Any) -> TabularDataset:
        """Open a table with `advlearn.data.open_table`: ``"adult"``, or (x, y, attributes)."""
        return open_table(data)

    @classmethod
    def from_data(
        cls,
        data: TabularDataset,
        *,
        sensitive: str | Sequence[str] | None = None,
        balance_groups: bool | None = None,
        combine_groups: bool = False,
        hidden: Sequence[int] | None = None,
        **settings: Any,
    ) -> Self:
        """Build the task with a model sized from the data.

        The model has one logit for two classes, one per class for more, or one number.

        Args:
            data: A table with sensitive attributes.
            sensitive: Name or names of the attributes to protect; None for all.
            balance_groups: As for the constructor; None balances where a group is small.
            combine_groups: As for the constructor.
            hidden: Sizes of the hidden layers of a perceptron; None chooses a network by the shape.
            **settings: Other keywords of the constructor.
        """
        cls.check_options(settings)
        model = heads.predictor(data.shape, data.classes if data.classes > 2 else 1, hidden)
        names = [sensitive] if isinstance(sensitive, str) else sensitive
        conditional = settings.get("criterion", CRITERIA[0]) != CRITERIA[0]
        settings["balance_groups"] = balanced(
            data, names, balance_groups, combine=combine_groups, given_class=conditional
        )
        settings["combine_groups"] = combine_groups
        table = {"shape": data.shape, "attributes": data.attributes, "classes": data.classes}
        return cls(model, sensitive=names, **cast(dict[str, Any], table), **settings)

    @classmethod
    def example_data(cls) -> TabularDataset:
        """Return a table with a group and a number as sensitive attributes."""
        x = torch.cat([points(), points(1)])
        y = torch.arange(len(x)) % 2
        sex = y.roll(1) ^ (torch.arange(len(x)) % 3 == 0)
        return TabularDataset(x, y, {"sex": sex, "age": x[:, 1]})

    def forward(self, batch: Batch) -> TaskOutput:
        x, y, *columns = batch
        weights = columns.pop() if len(columns) > len(self.attributes) else None
        output = self.model(x)
        h = self.capture.output.reshape(len(x), -1)
        named = dict(zip(self.attributes, columns, strict=True))
        values = joined_columns(
            {name: named[name] for name in self.sensitive},
            {name: self.attributes[name] for name in self.sensitive},
            combine=self.combine_groups,
        )
        pairs = {
            name: self._pair(
                h,
                values[name] if groups else values[name].to(h)[:, None],
                y,
                groups,
                weights,
            )
            for name, groups in self.compared.items()
        }
        return TaskOutput(pairs, self._loss(output, y, weights), {"output": output.detach()})

    def critic_inputs(self) -> dict[str, Inputs]:
        return {name: self._inputs(groups) for name, groups in self.compared.items()}

    def check_compatibility(self, objective: Objective) -> str | None:
        if objective.critic_output == "classes":
            return "its critic is the classifier itself, and here the classifier is the model"
        return super().check_compatibility(objective)

    def adapt_objective(self, chain: Chain) -> Chain:
        # A distance of sets has no weights: their samples are drawn more or less often.
        self.compares_sets = isinstance(chain.required_objective(), Setwise)
        return chain

    def adversarial_weight_at(self, progress: float) -> float:
        return self.adversarial_weight if progress >= self.warmup else 0.0

    @property
    def adds_gradients(self) -> bool:
        return self.gradient_combination != "project"

    def backward(
        self, loss: Tensor | None, adversarial: Tensor, parameters: Sequence[nn.Parameter]
    ) -> None:
        if self.gradient_combination == "project" and loss is not None:
            gradient_projection.project_gradients(loss, adversarial, parameters)
        else:
            super().backward(loss, adversarial, parameters)

    def predict(self, x: Tensor) -> Tensor:
        """Compute outputs (N,) or (N, K) for samples `x` (N, *shape), in evaluation mode."""
        return heads.predict(self.model, x)

    def _loss(self, output: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
        mean = weights is None and self.class_weight is None
        reduction = "mean" if mean else "none"
        if not self.classes:
            losses = mse_loss(output, y.to(output), reduction=reduction)
        elif output.ndim == 1:
            losses = binary_cross_entropy_with_logits(output, y.to(output), reduction=reduction)
        else:
            losses = cross_entropy(output, y, reduction=reduction)
        return losses if mean else heads.weighted_mean(losses, y, weights, self.class_weight)

    def _pair(
        self, h: Tensor, a: Tensor, y: Tensor, groups: int, weights: Tensor | None
    ) -> SamplePair:
        if self.balance_groups and groups:
            drawn = _evenly(
                h,
                a if self.criterion == "demographic_parity" else a + groups * y,
                groups * max(1, self.classes),
                weights,
            )
            # The draw follows the weights, so that the drawn samples count equally.
            h, a, y, weights = h[drawn], a[drawn], y[drawn], None
        elif weights is not None and self.compares_sets:
            drawn = heads.drawn(weights.to(h), h)
            h, a, y, weights = h[drawn], a[drawn], y[drawn], None
        if self.criterion == "demographic_parity":
            order = _shuffled(h)
            return SamplePair((h, a[order]), (h, a), *_pair_weights(weights, order))
        within = _shuffled_within(h, y)
        if self.criterion == "equal_opportunity":
            # Pairs of the other classes are equal on both sides and add nothing to a divergence.
            within = torch.where(y == FAVOURED, within, torch.arange(len(y), device=y.device))
        return SamplePair((h, a[within], y), (h, a, y), *_pair_weights(weights, within))

    def _inputs(self, groups: int) -> Inputs:
        """Describe the inputs of an attribute's critic: h, the attribute, the class."""
        given_class = self.criterion != "demographic_parity"
        return Inputs(
            ((self.width,),) if groups else ((self.width,), (1,)),
            tuple(size for size in (groups, self.classes if given_class else 0) if size),
            join="concat",
            predicts=groups,
            favoured=FAVOURED if self.criterion == "equal_opportunity" else -1,
            hidden=heads.HIDDEN,
        )

    def _check(self, output: Tensor) -> None:
        expected = "(N,)" if self.classes in (0, 2) else f"(N, {self.classes})"
        fits = output.ndim == 1 if self.classes == 0 else output.ndim == 1 and self.classes == 2
        if not fits and (self.classes == 0 or tuple(output.shape[1:]) != (self.classes,)):
            got = "(N" + "".join(f", {n}" for n in output.shape[1:]) + ")"
            raise ValueError(
                f"model: expected outputs {expected} for {self.classes} classes, got {got}"
            )
        if self.gradient_reversal and self.gradient_combination == "project":
            raise ValueError(
                "gradient_reversal: expected False with gradient_combination='project', got True; "
                "projection needs separate gradients"
            )
        if self.criterion != "demographic_parity" and not self.classes:
            raise ValueError(
                "criterion: expected 'demographic_parity' for a regressor, "
                f"got {self.criterion!r}, which compares within classes"
            )
        unknown = [name for name in self.sensitive if name not in self.attributes]
        if unknown or not self.sensitive:
            known = ", ".join(self.attributes)
            raise ValueError(
                f"sensitive: expected attributes among {known}, got {', '.join(unknown) or 'none'}"
            )
        for name, groups in self.attributes.items():
            if groups == 1:
                raise ValueError(f"attributes: expected two or more groups in {name}, got 1")


def _shuffled(like: Tensor) -> Tensor:
    """Draw a random order of the samples, int64 (N,)."""
    return distributed.rand(like.shape[0], like=like.detach()).argsort()


def _evenly(like: Tensor, cell: Tensor, cells: int, weights: Tensor | None) -> Tensor:
    """Draw N indices with replacement, with equal frequency of all `cells`: int64 (N,)."""
    each = torch.ones_like(like.detach()[:, 0]) if weights is None else weights.to(like)
    totals = (one_hot(cell, cells, like.detach()) * each[:, None]).sum(0)
    return heads.drawn(each / totals[cell].clamp(min=TINY), like)


def _pair_weights(weights: Tensor | None, order: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Return the weights of the independent pairs and of the observed ones."""
    return (None, None) if weights is None else (weights * weights[order], weights)


def _shuffled_within(like: Tensor, y: Tensor) -> Tensor:
    """Permute the samples within each class: int64 (N,)."""
    # Two orders by class, random within each: the k-th sample of one order takes the attribute of
    # the k-th of the other.
    # In double precision a number below 1 leaves a class below the next one.
    keys = [y + distributed.rand(like.shape[0], like=like.detach()).double() for _ in range(2)]
    order, other_order = (cast(Tensor, key.argsort()) for key in keys)
    return torch.empty_like(order).scatter_(0, order, other_order)


TASK = Fairness
