"""Post-processing: one threshold for each group, to compare with and to combine with training."""

from typing import Any, Literal, Self, cast, final

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from advlearn.core.arguments import Share, check_settings
from advlearn.core.checks import check_method
from advlearn.data.table_columns import check_complete
from advlearn.metrics import grouped

GRID = 101


@final
class GroupThresholds(ClassifierMixin, BaseEstimator):
    r"""Choose a threshold of a classifier's score for each group: the most accurate fair ones.

    .. math:: \max_t \sum_a P(a) \, P(\hat y_{t_a} = y \mid a) \quad \text{with} \quad
        \max_a r_a(t_a) - \min_a r_a(t_a) \le \text{max\_disparity}

    r_a is the selection rate of group a, or its true positive rate. Unlike adversarial training it
    needs the sensitive features of each prediction, and the score itself stays as it is.

    Args:
        estimator: A binary classifier with `predict_proba` or `decision_function`, of any library.
        criterion: ``"demographic_parity"`` or ``"equal_opportunity"``.
        max_disparity: Largest difference of rates between groups on the samples of `fit`.
        prefit: Use `estimator` as it is, fitted; otherwise a clone of it is fitted to the samples.

    Attributes:
        classes_: The two classes, sorted.
        estimator_: The fitted classifier.
        thresholds_: Threshold of each group: samples with a score above it are of class 1.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
        >>> y, sex = [0, 0, 1, 1, 1, 1], ["f", "f", "f", "m", "m", "m"]
        >>> model = GroupThresholds(LogisticRegression()).fit(X, y, sensitive_features=sex)
        >>> decided = model.predict(X, sensitive_features=sex)
        >>> [int(decided[:3].sum()), int(decided[3:].sum())]
        [1, 1]

    Reference: Hardt et al., "Equality of Opportunity in Supervised Learning", NeurIPS 2016,
    section 3.2.

    Deviations: thresholds are not randomised, so rates are equal up to one sample of a group.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        criterion: Literal["demographic_parity", "equal_opportunity"] = "demographic_parity",
        max_disparity: Share = 0.0,
        prefit: bool = False,
    ) -> None:
        self.estimator = estimator
        self.criterion = criterion
        self.max_disparity = max_disparity
        self.prefit = prefit

    def fit(
        self, X: Any, y: Any, *, sensitive_features: Any, sample_weight: Any = None, **params: Any
    ) -> Self:
        """Fit the classifier unless it is fitted, and choose the thresholds.

        Args:
            X: Samples, (n, d); a part that the classifier was not fitted to, for `prefit`.
            y: Classes, (n,), two of them.
            sensitive_features: Groups of each sample; combinations of several columns are groups.
            sample_weight: Weight of each sample, (n,).
            **params: Passed on to the `fit` of the classifier, such as its sensitive features.

        Returns:
            The estimator.

        Raises:
            ValueError: More or fewer than two classes, a setting out of range, or a group without
                samples of the positive class for equal opportunity.
        """
        check_settings(type(self).__init__, self.get_params(deep=False))
        check_complete("y", y)
        labels = np.asarray(y)
        self.classes_ = np.unique(labels)
        if len(self.classes_) != 2:
            raise ValueError(f"y: expected two classes, got {len(self.classes_)}")
        self.estimator_ = self._fitted(X, y, sample_weight, params)
        table = grouped.GroupedSamples(sensitive_features, sample_weight, len(labels), compare=True)
        scores, positive = self._scores(X), labels == self.classes_[1]
        curves = []
        for code, label in enumerate(table.groups.labels):
            rows = table.groups.codes == code
            if self.criterion == "equal_opportunity" and not positive[rows].any():
                raise ValueError(
                    f"sensitive_features: expected samples of {self.classes_[1]!r} in each group, "
                    f"got none in {label!r}"
                )
            among = positive[rows] if self.criterion == "equal_opportunity" else None
            curves.append(_curve(scores[rows], positive[rows], table.weights[rows], among))
        chosen = _fairest(curves, float(self.max_disparity))
        self.thresholds_ = dict(zip(table.groups.labels, chosen, strict=True))
        return self

    def predict(self, X: Any, *, sensitive_features: Any) -> np.ndarray:
        """Predict the class of each sample, (n,).

        Args:
            X: Samples, (n, d).
            sensitive_features: Groups of each sample, as for `fit`.

        Raises:
            ValueError: A group that `fit` did not see.
        """
        check_is_fitted(self)
        scores = self._scores(X)
        groups = grouped.groups(sensitive_features, len(scores))
        for label in groups.labels:
            if label not in self.thresholds_:
                known = ", ".join(map(str, self.thresholds_))
                raise ValueError(
                    f"sensitive_features: expected the groups of fit, {known}, got {label!r}"
                )
        limits = np.array([self.thresholds_[label] for label in groups.labels])
        return self.classes_[(scores > limits[groups.codes]).astype(int)]

    def _fitted(self, X: Any, y: Any, sample_weight: Any, params: dict[str, Any]) -> Any:
        """Return the classifier, fitted."""
        if not self.prefit:
            check_method("estimator", self.estimator, "fit")
            weight = {} if sample_weight is None else {"sample_weight": sample_weight}
            return cast(Any, clone(self.estimator)).fit(X, y, **weight, **params)
        if not hasattr(self.estimator, "decision_function"):
            check_method("estimator", self.estimator, "predict_proba")
        try:
            # A classifier of another library may have no `fit`.
            if hasattr(self.estimator, "fit"):
                check_is_fitted(self.estimator)
        except NotFittedError:
            raise ValueError(
                f"estimator: expected a fitted classifier with prefit=True, got {self.estimator}; "
                "call its fit first, or set prefit=False"
            ) from None
        return self.estimator

    def _scores(self, X: Any) -> np.ndarray:
        if hasattr(self.estimator_, "decision_function"):
            return np.asarray(self.estimator_.decision_function(X), dtype=np.float64)
        return np.asarray(self.estimator_.predict_proba(X), dtype=np.float64)[:, 1]


def _curve(
    scores: np.ndarray, positive: np.ndarray, weights: np.ndarray, among: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rate, the weight of right decisions and the threshold of each decision."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores, w = scores[order], weights[order]
    counted = w if among is None else w * among[order]
    # The weight of right decisions if the first k samples are of class 1.
    gain = np.concatenate([[0.0], np.cumsum(np.where(positive[order], w, -w))])
    right = gain + w[~positive[order]].sum()
    rate = np.concatenate([[0.0], np.cumsum(counted) / counted.sum()])
    # Equal scores are decided alike.
    ends = np.concatenate([[True], sorted_scores[1:] < sorted_scores[:-1], [True]])
    limits = np.concatenate([[np.inf], (sorted_scores[1:] + sorted_scores[:-1]) / 2, [-np.inf]])
    return rate[ends], right[ends], limits[ends]


def _fairest(curves: list[tuple[np.ndarray, ...]], allowed: float) -> list[float]:
    """Choose a point of each curve: the most right decisions with rates within one interval."""
    lows = np.unique(np.concatenate([np.linspace(0, 1, GRID), *(rate for rate, _, _ in curves)]))
    best, chosen = -np.inf, list[float]()
    for low in lows:
        right, limits = 0.0, list[float]()
        for rate, gains, thresholds in curves:
            inside = np.flatnonzero((rate >= low - 1e-12) & (rate <= low + allowed + 1e-12))
            # Without a decision in the interval the nearest one is as fair as this group can be.
            if not len(inside):
                inside = np.array([np.abs(rate - low - allowed / 2).argmin()])
            point = inside[gains[inside].argmax()]
            right += gains[point]
            limits.append(float(thresholds[point]))
        if right > best:
            best, chosen = right, limits
    return chosen
