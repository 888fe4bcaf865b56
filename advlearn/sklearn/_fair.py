"""Base class of the fair estimators: sensitive features, groups, and verdicts on the data."""

import warnings
from collections.abc import Mapping
from typing import Annotated, Any, cast

import numpy as np
import torch
from sklearn.metrics import accuracy_score, r2_score
from torch import Tensor

from advlearn.catalogue import Request
from advlearn.core.argument_rules import Bounds
from advlearn.core.chain import FALLBACK
from advlearn.data import attribute_columns, encode_attribute, encode_attribute_like
from advlearn.data.attributes import check_kinds
from advlearn.data.compared_groups import balanced
from advlearn.data.table_columns import to_array
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.sklearn._base import Estimator
from advlearn.sklearn._best import EVALUATIONS, BestCheckpoint
from advlearn.sklearn._rows import HeldOut, Part, rows_of, split
from advlearn.sklearn._verdicts import verdicts
from advlearn.sklearn.disparity import disparity
from advlearn.tasks.fairness import CRITERIA, Fairness

# Attribute of a table without sensitive features: numbers, whose adversary has weight 0.
NONE = "none"

ValidationShare = Annotated[float, Bounds(low=0, high=0.9, open_low=True)]
"""Share of the samples in a validation part: above 0, and at most 0.9."""


class FairEstimator(Estimator):
    """Read sensitive features into a table, train on it, and judge the result on it."""

    TASK = "fairness"
    OPTIONS = (
        "adversarial_weight",
        "gradient_combination",
        "balance_groups",
        "combine_groups",
        "layer",
        "warmup",
    )

    gradient_combination: Any
    balance_groups: bool | None
    combine_groups: bool | None
    kinds: Any
    layer: str | None
    warmup: float | None
    max_disparity: float | None
    validation_fraction: float
    early_stopping: bool
    patience: int
    groups_: dict[str, tuple[str, ...]]
    kinds_: dict[str, str]
    scales_: dict[str, tuple[float, float]]
    class_weights_: list[float] | None

    def _table(
        self,
        x: Tensor,
        y: Tensor,
        classes: int,
        sensitive: Any,
        *,
        weights: np.ndarray | None = None,
        first: bool = True,
    ) -> TabularDataset:
        columns = {} if sensitive is None else attribute_columns(sensitive)
        longer = [name for name, column in columns.items() if len(to_array(column)) > len(x)]
        if longer and isinstance(sensitive, Mapping):
            raise ValueError(
                f"{longer[0]}: expected one value for each of {len(x)} samples, got "
                f"{len(to_array(columns[longer[0]]))}; scikit-learn does not cut a mapping into "
                "folds: pass a data frame, or advlearn.sklearn.as_rows(mapping)"
            )
        weight = None if weights is None else torch.from_numpy(weights.astype(np.float32))
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
                stacklevel=4,
            )
            self.groups_, self.kinds_, self.scales_ = {}, {}, {}
            none = {NONE: torch.linspace(0, 1, len(x)) if len(x) > 1 else torch.zeros(1)}
            return TabularDataset(x, y, none, name="table", classes=classes, loss_weights=weight)
        if not columns:
            raise ValueError("sensitive_features: expected one or more columns, got none")
        if first:
            encoded = self._encoded(columns, len(x))
        else:
            known = self.groups_.items()
            encoded = {
                name: encode_attribute_like(name, columns[name], len(x), labels)
                for name, labels in known
            }
        names = {name: labels for name, labels in self.groups_.items() if labels}
        scales = {} if first else self.scales_
        table = TabularDataset(
            x, y, encoded, names, name="table", classes=classes, loss_weights=weight, scales=scales
        )
        if first:
            numbers = [name for name, labels in self.groups_.items() if not labels]
            self.scales_ = {name: table.scale(name) for name in numbers}
        return table

    def _encoded(self, columns: dict[str, Any], n: int) -> dict[str, Tensor]:
        kinds = check_kinds(self.kinds, columns)
        encodings = {
            name: encode_attribute(name, values, n, kinds.get(name))
            for name, values in columns.items()
        }
        self.groups_ = {name: labels for name, (_, labels) in encodings.items()}
        self.kinds_ = {n: "groups" if labels else "numbers" for n, labels in self.groups_.items()}
        return {name: codes for name, (codes, _) in encodings.items()}

    def _options(self, request: Request) -> dict[str, Any]:
        plain = {} if self.groups_ else {"adversarial_weight": 0.0}
        weights = {} if self.class_weights_ is None else {"class_weight": self.class_weights_}
        return {**super()._options(request), **weights, **plain}

    def _build(self, data: TabularDataset, options: dict[str, Any]) -> Fairness:
        model = self._model(data.shape, data.classes if data.classes > 2 else 1)
        shape = {"shape": data.shape, "attributes": data.attributes, "classes": data.classes}
        combine = bool(options.get("combine_groups"))
        asked = options.pop("balance_groups", None)
        given_class = options.get("criterion", CRITERIA[0]) != CRITERIA[0]
        balance = balanced(data, None, asked, combine=combine, given_class=given_class)
        return Fairness(model, **shape, balance_groups=balance, **options)

    def _part(
        self,
        points: np.ndarray,
        y: np.ndarray,
        sensitive: Any,
        weights: np.ndarray | None,
        kept: np.ndarray,
    ) -> Part:
        """Return the rows to train on, and the callback that evaluates a validation part."""
        weights = None if weights is None else weights[kept]
        held, rows = self.__dict__.pop("_held_out", None), np.arange(len(y))
        patience = self.patience if self.early_stopping else None
        if held is None and self.early_stopping:
            of_classes = hasattr(self, "predict_proba")
            share, seed = self.validation_fraction, self._seed()
            rows, out = split(y, sensitive, share, seed, of_classes=of_classes)
            compared = points, y, sensitive
            held = HeldOut(points[out], y[out], _some(weights, out), compared, None)
        if held is None:
            return Part(points, y, sensitive, weights)
        steps = self.steps
        if steps is None:
            steps = self._request().chain(self.objective).defaults.over(FALLBACK).steps
        every = max(1, int(cast(Any, steps)) // EVALUATIONS)
        best = BestCheckpoint(lambda model: self._value(model, held), every, patience)
        part = points[rows], y[rows], rows_of(sensitive, rows), _some(weights, rows)
        return Part(*part, callbacks=(best,))

    def _value(self, model: Any, held: HeldOut) -> tuple[float, ...]:
        """Rate a checkpoint: by its score within the allowed disparity, else by its disparity."""
        self.task_ = model
        predicted = self._answers(self._raw_outputs(held.X))
        score = r2_score if not hasattr(self, "classes_") else accuracy_score
        right = float(score(held.y, predicted, sample_weight=held.weights))
        x, y, sensitive = held.compared
        found = 0.0
        if self.groups_:
            found = disparity(self, y, self._answers(self._raw_outputs(x)), sensitive)
        if held.target is None:
            return (right - found,)
        return (1.0, right) if found <= held.target else (0.0, -found)

    def _judge(self, table: TabularDataset) -> None:
        """Put the disparity of the training part, and a test of it, before each verdict."""
        if self.groups_:
            self.health_ = verdicts(self.task_, table, self.health_)

    def _train_more(self, table: TabularDataset) -> None:
        """Train on one more part of the data; the first call starts from new weights."""
        if not hasattr(self, "task_"):
            self.task_ = self._new_task(table)
        # A call has few steps, all of which a warm-up could take.
        self.task_.warmup = 0.0
        self._train_on(table)
        self._judge(table)


def _some(weights: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if weights is None else weights[rows]
