"""A classifier whose predictions are independent of sensitive features."""

from typing import Any, Self, final

import numpy as np
import torch
from sklearn.utils.multiclass import unique_labels

from advlearn.core.arguments import Count, NonNegative, Positive, Share
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.sklearn._base import Classifier, positive_weights
from advlearn.sklearn._fair import FairEstimator, ValidationShare
from advlearn.sklearn._rows import rows_of
from advlearn.sklearn._search import search


@final
class AdversarialFairClassifier(Classifier, FairEstimator):
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
        balance_groups: Give each group of each class the same weight for the adversary; None does
            so where a group is small. A small group that is not balanced is named in a warning.
        combine_groups: Protect the combinations of all columns of groups instead of each column.
        kinds: ``"groups"`` or ``"numbers"`` by column; columns that are left out are inferred, see
            `kinds_`.
        max_disparity: Largest disparity allowed on the samples of `fit`. The adversarial weight is
            then searched for, and the checkpoint of all runs is kept that has the best score on a
            validation part.
        validation_fraction: Share of the samples in the validation part.
        early_stopping: Keep the checkpoint that is best on a validation part, and stop after
            `patience` evaluations, of twenty in a run, without a better one.
        patience: Evaluations without a better checkpoint before an early stop.
        class_weight: Weight of each class in the classifier's loss: a mapping, ``"balanced"``
            or None.
        hidden: Sizes of the hidden layers.
        module: A module, or a function (shape, outputs) -> module, instead of a perceptron: one
            logit for two classes, one for each of more, or one number. Samples may then have any
            shape (n, ...).
        layer: Name of the module's layer that the adversary gets; None for its output.
        standardize: Standardise the features, and keep the scale for later calls.
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
        kinds_: ``"groups"`` or ``"numbers"`` for each sensitive feature, as given or inferred.
        search_: With `max_disparity`, each adversarial weight that was tried, as a `Point`.
        adversarial_weight_: With `max_disparity`, the weight that was chosen.
        task_: The trained `Fairness` task.
        health_: For each adversary, the disparity on the training samples, a permutation test of
            independence, and the verdict on its last batch, in words.

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

    OPTIONS = ("criterion", *FairEstimator.OPTIONS)

    def __init__(
        self,
        method: str | None = None,
        *,
        objective: Any = None,
        criterion: str | None = None,
        adversarial_weight: NonNegative | None = None,
        gradient_combination: str | None = None,
        balance_groups: bool | None = None,
        combine_groups: bool | None = None,
        kinds: Any = None,
        max_disparity: Share | None = None,
        validation_fraction: ValidationShare = 0.2,
        early_stopping: bool = False,
        patience: Count = 5,
        class_weight: Any = None,
        hidden: tuple[Count, ...] | None = None,
        module: Any = None,
        layer: str | None = None,
        standardize: bool = True,
        steps: Count | None = None,
        batch_size: Count | None = None,
        lr: Positive | None = None,
        critic_lr: Positive | None = None,
        critic_steps: Count | None = None,
        optimizer: Any = None,
        warmup: Share | None = None,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.method = method
        self.objective = objective
        self.criterion = criterion
        self.adversarial_weight = adversarial_weight
        self.gradient_combination = gradient_combination
        self.balance_groups = balance_groups
        self.combine_groups = combine_groups
        self.kinds = kinds
        self.max_disparity = max_disparity
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.patience = patience
        self.class_weight = class_weight
        self.hidden = hidden
        self.module = module
        self.layer = layer
        self.standardize = standardize
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.critic_lr = critic_lr
        self.critic_steps = critic_steps
        self.optimizer = optimizer
        self.warmup = warmup
        self.random_state = random_state
        self.device = device

    def fit(
        self, X: Any, y: Any, sensitive_features: Any = None, sample_weight: Any = None
    ) -> Self:
        """Train.

        Args:
            X: Samples, (n, d), dense or sparse.
            y: Classes, (n,).
            sensitive_features: One column (n,) or several: array, list, data frame of any library,
                structured array or mapping; groups of any type, or numbers in any unit. Predictions
                do not need them. None trains the plain model, with a warning.
            sample_weight: Weight of each sample, (n,); None for equal weights.

        Returns:
            The estimator.

        Raises:
            ValueError: A column has another length, only one group, or a missing value; the message
                names it.
        """
        points, target = self._checked(X, y)
        if self.max_disparity is not None:
            return search(self, points, target, sensitive_features, sample_weight)
        weights, kept = positive_weights(sample_weight, points)
        self.classes_ = np.unique(target[kept])
        sensitive = rows_of(sensitive_features, kept)
        part = self._part(points[kept], target[kept], sensitive, weights, kept)
        table = self._of_classes(part.X, part.y, part.sensitive, part.weights, first=True)
        self._train(table, part.callbacks)
        self._judge(table)
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sensitive_features: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Train one more epoch on some samples.

        Args:
            X: Samples, (n, d).
            y: Classes, (n,).
            classes: The classes of all calls; required in the first call.
            sensitive_features: As for `fit`. The first call fixes the columns, their groups and
                the scale of numbers: later calls may lack groups, but may not add any.
            sample_weight: As for `fit`.

        Returns:
            The estimator.

        Raises:
            ValueError: As for `fit`, or a class, column or group that the first call lacks.
        """
        first = not hasattr(self, "task_")
        points, target = self._checked(X, y, reset=first)
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
        weights, kept = positive_weights(sample_weight, points)
        self._train_more(
            self._of_classes(
                points[kept],
                target[kept],
                rows_of(sensitive_features, kept),
                None if weights is None else weights[kept],
                first=first,
            )
        )
        return self

    def _of_classes(
        self, points: np.ndarray, target: Any, sensitive: Any, weights: Any, *, first: bool
    ) -> TabularDataset:
        codes = np.searchsorted(self.classes_, target).astype(np.int64)
        if first:
            self.class_weights_ = self._class_weights(codes, weights)
        x = self._scaled(points, weights, fit=first)
        return self._table(
            x,
            torch.from_numpy(codes),
            max(2, len(self.classes_)),
            sensitive,
            weights=weights,
            first=first,
        )
