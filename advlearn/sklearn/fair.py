"""Classifiers and regressors whose predictions are independent of sensitive features."""

import warnings
from typing import Any, Self, cast, final

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import validate_data
from torch import Tensor

from advlearn.catalogue import Request
from advlearn.core.arguments import Count, NonNegative, Positive
from advlearn.data import attribute_columns, encode_attribute, encode_attribute_like
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.nets import MLPPredictor
from advlearn.sklearn._base import Classifier, Estimator, tensor
from advlearn.tasks.fairness import Fairness

# Attribute of a table without sensitive features: numbers, whose adversary has weight 0.
NONE = "none"


class _Fair(Estimator):
    """Read sensitive features into a table."""

    TASK = "fairness"
    OPTIONS = ("adversarial_weight", "gradient_combination", "balance_groups", "warmup")

    gradient_combination: Any
    balance_groups: bool | None
    warmup: float | None
    groups_: dict[str, tuple[str, ...]]

    def _table(
        self, x: Tensor, y: Tensor, classes: int, sensitive: Any, *, first: bool = True
    ) -> TabularDataset:
        columns = {} if sensitive is None else attribute_columns(sensitive)
        if not first and columns.keys() != self.groups_.keys():
            first_names, names = (", ".join(c) or "none" for c in (self.groups_, columns))
            raise ValueError(
                f"sensitive_features: expected the columns of the first call, {first_names}, "
                f"got {names}"
            )
        if sensitive is None:
            warnings.warn(
                "sensitive_features: got none, so nothing is protected and the plain model is "
                "trained",
                UserWarning,
                stacklevel=3,
            )
            self.groups_ = {}
            return TabularDataset(
                x, y, {NONE: torch.linspace(0, 1, len(x))}, name="table", classes=classes
            )
        if not columns:
            raise ValueError("sensitive_features: expected one or more columns, got none")
        if first:
            encodings = {
                name: encode_attribute(name, values, len(x)) for name, values in columns.items()
            }
            self.groups_ = {name: labels for name, (_, labels) in encodings.items()}
            encoded = {name: codes for name, (codes, _) in encodings.items()}
        else:
            known = self.groups_.items()
            encoded = {
                name: encode_attribute_like(name, columns[name], len(x), labels)
                for name, labels in known
            }
        names = {name: labels for name, labels in self.groups_.items() if labels}
        return TabularDataset(x, y, encoded, names, name="table", classes=classes)

    def _options(self, request: Request) -> dict[str, Any]:
        plain = {} if self.groups_ else {"adversarial_weight": 0.0}
        return {**super()._options(request), **plain}

    def _build(self, data: TabularDataset, options: dict[str, Any]) -> Fairness:
        outputs = data.classes if data.classes > 2 else 1
        model = MLPPredictor(data.shape, outputs, cast(Any, self.hidden))
        shape = {"shape": data.shape, "attributes": data.attributes, "classes": data.classes}
        return Fairness(model, **shape, **options)

    def _train_more(self, table: TabularDataset) -> None:
        """Train on one more part of the data; the first call starts from new weights."""
        if not hasattr(self, "task_"):
            self.task_ = self._new_task(table)
        # A call has few steps, all of which a warm-up could take.
        self.task_.warmup = 0.0
        self._train_on(table)


@final
class AdversarialFairClassifier(Classifier, _Fair):
    """Train a classifier whose decision is independent of sensitive features.

    A parameter of None takes the method's default, as in `advlearn.fit`.

    Args:
        method: A method of fairness: ``"zhang-2018"`` (the default), ``"laftr"`` ...
        objective: A spec such as ``"predictive"`` or ``"mmd"``, or an object, instead of the
            method's objective.
        criterion: ``"demographic_parity"``, ``"equalized_odds"`` or ``"equal_opportunity"`` (class
            1 of `classes_`).
        adversarial_weight: Weight of the adversary; 0 is the plain model.
        gradient_combination: ``"add"`` or ``"project"`` (Zhang et al. 2018).
        balance_groups: Give each group of each class the same weight for the adversary.
        hidden: Sizes of the hidden layers.
        steps: Training steps of `fit`.
        batch_size: Samples in a batch, at most as many as there are.
        lr: Learning rate of the model and the critics.
        critic_lr: Learning rate of the critics.
        critic_steps: Critic steps for each step of the model.
        optimizer: ``"adam"``, ``"rmsprop"``, ``"sgd"``, or a callable from a list of parameters to
            an optimizer.
        warmup: Share of the steps of `fit` in which the adversary has no weight; `partial_fit` has
            no warm-up.
        random_state: Seed, generator or None; an integer is the seed of `advlearn.fit`.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``; the fitted model is on the CPU.

    Attributes:
        classes_: Classes, sorted.
        groups_: The names of the groups of each sensitive feature, () for numbers; fixed by the
            first `partial_fit`.
        task_: The trained `Fairness` task.
        health_: Verdict on each adversary's last batch, in words.

    Example:
        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(size=(60, 3))
        >>> y = X[:, 0] > 0
        >>> sex = X[:, 1] > 0
        >>> model = AdversarialFairClassifier(steps=5, random_state=0).fit(
        ...     X, y, sensitive_features=sex
        ... )
        >>> model.predict_proba(X).shape
        (60, 2)
    """

    OPTIONS = ("criterion", *_Fair.OPTIONS)

    def __init__(
        self,
        method: str | None = None,
        *,
        objective: Any = None,
        criterion: str | None = None,
        adversarial_weight: NonNegative | None = None,
        gradient_combination: str | None = None,
        balance_groups: bool | None = None,
        hidden: tuple[Count, ...] | None = None,
        steps: Count | None = None,
        batch_size: Count | None = None,
        lr: Positive | None = None,
        critic_lr: Positive | None = None,
        critic_steps: Count | None = None,
        optimizer: Any = None,
        warmup: NonNegative | None = None,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.method = method
        self.objective = objective
        self.criterion = criterion
        self.adversarial_weight = adversarial_weight
        self.gradient_combination = gradient_combination
        self.balance_groups = balance_groups
        self.hidden = hidden
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.critic_lr = critic_lr
        self.critic_steps = critic_steps
        self.optimizer = optimizer
        self.warmup = warmup
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, sensitive_features: Any = None) -> Self:
        """Train.

        Args:
            X: Samples, (n, d).
            y: Classes, (n,).
            sensitive_features: One column (n,) or several: array, list, data frame or mapping;
                groups of any type, or numbers. Predictions do not need them. None trains the plain
                model, with a warning.

        Returns:
            The estimator.

        Raises:
            ValueError: A column has another length, only one group, or a missing value; the message
                names it.
        """
        x, target = self._checked(X, y)
        self.classes_, codes = np.unique(target, return_inverse=True)
        table = self._table(
            x,
            torch.from_numpy(codes.astype(np.int64)),
            max(2, len(self.classes_)),
            sensitive_features,
        )
        self._train(table)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sensitive_features: Any = None
    ) -> Self:
        """Train one more epoch on some samples.

        Args:
            X: Samples, (n, d).
            y: Classes, (n,).
            classes: The classes of all calls; required in the first call.
            sensitive_features: As for `fit`. The first call fixes the columns and their groups:
                later calls may lack groups, but may not add any.

        Returns:
            The estimator.

        Raises:
            ValueError: As for `fit`, or a class, column or group that the first call lacks.
        """
        first = not hasattr(self, "task_")
        x, target = self._checked(X, y, reset=first)
        if first:
            if classes is None:
                raise ValueError(
                    "classes: expected all classes in the first call of partial_fit, got None"
                )
            self.classes_ = unique_labels(classes)
        unknown = np.setdiff1d(target, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y: expected classes of the first call, {list(self.classes_)}, got {unknown[0]}"
            )
        codes = torch.from_numpy(np.searchsorted(self.classes_, target))
        self._train_more(
            self._table(x, codes, max(2, len(self.classes_)), sensitive_features, first=first)
        )
        return self


@final
class AdversarialFairRegressor(RegressorMixin, _Fair):
    """Train a regressor whose prediction is independent of sensitive features.

    Args:
        method: A method of fairness, as for `AdversarialFairClassifier`.
        objective: A spec or an object, instead of the method's objective.
        adversarial_weight: Weight of the adversary, against the squared error in units of the
            target's variance.
        gradient_combination: ``"add"`` or ``"project"``.
        balance_groups: Give each group the same weight for the adversary.
        hidden: Sizes of the hidden layers.
        steps: Training steps of `fit`.
        batch_size: Samples in a batch, at most as many as there are.
        lr: Learning rate of the model and the critics.
        critic_lr: Learning rate of the critics.
        critic_steps: Critic steps for each step of the model.
        optimizer: ``"adam"``, ``"rmsprop"``, ``"sgd"``, or a callable from a list of parameters to
            an optimizer.
        warmup: Share of the steps of `fit` in which the adversary has no weight; `partial_fit` has
            no warm-up.
        random_state: Seed, generator or None; an integer is the seed of `advlearn.fit`.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes:
        groups_: As in `AdversarialFairClassifier`.
        task_: The trained `Fairness` task.
        health_: Verdict on each adversary's last batch, in words.
    """

    def __init__(
        self,
        method: str | None = None,
        *,
        objective: Any = None,
        adversarial_weight: NonNegative | None = None,
        gradient_combination: str | None = None,
        balance_groups: bool | None = None,
        hidden: tuple[Count, ...] | None = None,
        steps: Count | None = None,
        batch_size: Count | None = None,
        lr: Positive | None = None,
        critic_lr: Positive | None = None,
        critic_steps: Count | None = None,
        optimizer: Any = None,
        warmup: NonNegative | None = None,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.method = method
        self.objective = objective
        self.adversarial_weight = adversarial_weight
        self.gradient_combination = gradient_combination
        self.balance_groups = balance_groups
        self.hidden = hidden
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.critic_lr = critic_lr
        self.critic_steps = critic_steps
        self.optimizer = optimizer
        self.warmup = warmup
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, sensitive_features: Any = None) -> Self:
        """Train, as `AdversarialFairClassifier.fit`, with numbers y (n,) instead of classes."""
        table = self._of_numbers(X, y, sensitive_features, first=True)
        self._train(table)
        return self

    def partial_fit(self, X: Any, y: Any, sensitive_features: Any = None) -> Self:
        """Train one more epoch on some samples.

        Arguments are as for `AdversarialFairClassifier.partial_fit`. The first call's y fixes the
        mean and the standard deviation by which y is scaled.
        """
        self._train_more(
            self._of_numbers(X, y, sensitive_features, first=not hasattr(self, "task_"))
        )
        return self

    def _of_numbers(self, X: Any, y: Any, sensitive: Any, *, first: bool) -> TabularDataset:
        points, target = cast(
            Any, validate_data(self, X, y, reset=first, dtype=np.float64, y_numeric=True)
        )
        if first:
            spread = float(target.std())
            self.mean_, self.scale_ = float(target.mean()), spread if spread > 0 else 1.0
        y_scaled = torch.from_numpy(((target - self.mean_) / self.scale_).astype(np.float32))
        return self._table(tensor(points), y_scaled, 0, sensitive, first=first)

    def predict(self, X: Any) -> np.ndarray:
        """Predict a number for each sample, (n,)."""
        return self._outputs(X) * self.scale_ + self.mean_
