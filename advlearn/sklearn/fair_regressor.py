"""A regressor whose predictions are independent of sensitive features."""

from typing import Any, Self, final

import numpy as np
import torch
from sklearn.base import RegressorMixin

from advlearn.core.arguments import Count, NonNegative, Positive, Share
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.sklearn._base import positive_weights
from advlearn.sklearn._fair import FairEstimator, ValidationShare
from advlearn.sklearn._rows import rows_of
from advlearn.sklearn._search import search


@final
class AdversarialFairRegressor(RegressorMixin, FairEstimator):
    """Train a regressor whose prediction is independent of sensitive features.

    Args:
        method: A method of fairness, as for `AdversarialFairClassifier`.
        objective: A spec or an object, instead of the method's objective.
        adversarial_weight: Weight of the adversary, against the squared error in units of the
            target's variance.
        gradient_combination: ``"add"`` or ``"project"``.
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
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes:
        groups_: As in `AdversarialFairClassifier`.
        task_: The trained `Fairness` task.
        health_: For each adversary, the disparity on the training samples, a permutation test of
            independence, and the verdict on its last batch, in words.
    """

    def __init__(
        self,
        method: str | None = None,
        *,
        objective: Any = None,
        adversarial_weight: NonNegative | None = None,
        gradient_combination: str | None = None,
        balance_groups: bool | None = None,
        combine_groups: bool | None = None,
        kinds: Any = None,
        max_disparity: Share | None = None,
        validation_fraction: ValidationShare = 0.2,
        early_stopping: bool = False,
        patience: Count = 5,
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
        self.adversarial_weight = adversarial_weight
        self.gradient_combination = gradient_combination
        self.balance_groups = balance_groups
        self.combine_groups = combine_groups
        self.kinds = kinds
        self.max_disparity = max_disparity
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.patience = patience
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
        """Train, as `AdversarialFairClassifier.fit`, with numbers y (n,) instead of classes."""
        points, target = self._read(X, y, reset=True, y_numeric=True)
        if self.max_disparity is not None:
            return search(self, points, target, sensitive_features, sample_weight)
        weights, kept = positive_weights(sample_weight, points)
        sensitive = rows_of(sensitive_features, kept)
        part = self._part(points[kept], target[kept], sensitive, weights, kept)
        table = self._of_numbers(part.X, part.y, part.sensitive, part.weights, first=True)
        self._train(table, part.callbacks)
        self._judge(table)
        return self

    def partial_fit(
        self, X: Any, y: Any, sensitive_features: Any = None, sample_weight: Any = None
    ) -> Self:
        """Train one more epoch on some samples.

        Arguments are as for `AdversarialFairClassifier.partial_fit`. The first call's y fixes the
        mean and the standard deviation by which y is scaled.
        """
        first = not hasattr(self, "task_")
        points, target = self._read(X, y, reset=first, y_numeric=True)
        weights, kept = positive_weights(sample_weight, points)
        self._train_more(
            self._of_numbers(
                points[kept],
                target[kept],
                rows_of(sensitive_features, kept),
                None if weights is None else weights[kept],
                first=first,
            )
        )
        return self

    def _of_numbers(
        self, points: np.ndarray, target: Any, sensitive: Any, weights: Any, *, first: bool
    ) -> TabularDataset:
        if first:
            self.class_weights_ = None
            self.mean_ = float(np.average(target, weights=weights))
            variance = np.average((target - self.mean_) ** 2, weights=weights)
            spread = float(variance) ** 0.5
            self.scale_ = spread if spread > 0 else 1.0
        y_scaled = torch.from_numpy(((target - self.mean_) / self.scale_).astype(np.float32))
        x = self._scaled(points, weights, fit=first)
        return self._table(x, y_scaled, 0, sensitive, weights=weights, first=first)

    def predict(self, X: Any) -> np.ndarray:
        """Predict a number for each sample, (n,)."""
        return self._answers(self._outputs(X))

    def _answers(self, outputs: np.ndarray) -> np.ndarray:
        return outputs * self.scale_ + self.mean_
