"""Measure the cost of fairness: one estimator at several adversarial weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from sklearn.base import clone

from advlearn.core.arguments import checked
from advlearn.core.checks import check_number
from advlearn.core.files import atomic_write
from advlearn.data import attribute_columns
from advlearn.sklearn.disparity import Point, disparity
from advlearn.sklearn.fair import AdversarialFairClassifier
from advlearn.sklearn.fair_regressor import AdversarialFairRegressor


@checked
def frontier(
    estimator: Any,
    train: tuple[Any, Any, Any],
    test: tuple[Any, Any, Any],
    adversarial_weights: Sequence[float] = (0.0, 1.0, 2.0, 4.0),
    *,
    picture: str | Path | None = None,
) -> list[Point]:
    """Fit a fair classifier or regressor at several adversarial weights and measure each.

    Args:
        estimator: An `AdversarialFairClassifier` or `AdversarialFairRegressor`; a clone of it is
            fitted for each weight.
        train: (X, y, sensitive_features) to fit on.
        test: (X, y, sensitive_features) to measure on.
        adversarial_weights: Weights of the adversary.
        picture: PNG file of a plot of score against disparity; None draws none.

    Returns:
        A point for each weight, in the order given.

    Raises:
        TypeError: The estimator is of another class.
        ValueError: There is no weight, a weight is negative, or the test samples have other
            attributes than the training samples.

    Example:
        >>> import numpy as np
        >>> from advlearn.sklearn import AdversarialFairClassifier
        >>> X = np.random.default_rng(0).normal(size=(60, 3))
        >>> data = (X, (X[:, 0] > 0).astype(int), X[:, 1] > 0)
        >>> points = frontier(
        ...     AdversarialFairClassifier(steps=3, random_state=0), data, data, [0.0, 1.0]
        ... )
        >>> [point.adversarial_weight for point in points]
        [0.0, 1.0]
    """
    if not isinstance(estimator, AdversarialFairClassifier | AdversarialFairRegressor):
        raise TypeError(
            f"estimator: expected a fair classifier or regressor, got {type(estimator).__name__}"
        )
    if not len(adversarial_weights):
        raise ValueError("adversarial_weights: expected one or more numbers, got none")
    weights = [
        check_number("adversarial_weights", float(adversarial_weight), low=0)
        for adversarial_weight in adversarial_weights
    ]
    for name, part in (("train", train), ("test", test)):
        if part[2] is None:
            raise ValueError(f"{name}: expected sensitive features, got none")
    columns, others = (", ".join(attribute_columns(part[2])) for part in (train, test))
    if columns != others:
        raise ValueError(f"test: expected the sensitive features of train, {columns}, got {others}")
    points = [_point(estimator, train, test, adversarial_weight) for adversarial_weight in weights]
    if picture is not None:
        _draw(points, Path(picture))
    return points


def _point(
    estimator: Any,
    train: tuple[Any, Any, Any],
    test: tuple[Any, Any, Any],
    adversarial_weight: float,
) -> Point:
    x, y, sensitive = train
    fitted = (
        cast(Any, clone(estimator))
        .set_params(adversarial_weight=adversarial_weight)
        .fit(x, y, sensitive_features=sensitive)
    )
    x, y, sensitive = test
    found = disparity(fitted, y, fitted.predict(x), sensitive)
    return Point(adversarial_weight, float(fitted.score(x, y)), found, fitted)


def _draw(points: list[Point], path: Path) -> None:
    from matplotlib.figure import Figure

    fitted = points[0].estimator
    of_classes = isinstance(fitted, AdversarialFairClassifier)
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([p.disparity for p in points], [p.score for p in points], "o-")
    for p in points:
        axes.annotate(
            f"{p.adversarial_weight:g}",
            (p.disparity, p.score),
            textcoords="offset points",
            xytext=(5, 5),
        )
    across = (
        f"{fitted.task_.criterion.replace('_', ' ')} difference"
        if of_classes
        else "difference of mean predictions"
    )
    axes.set(
        xlabel=across, ylabel="accuracy" if of_classes else "R^2", title="score against disparity"
    )
    axes.grid(alpha=0.3)
    with atomic_write(path) as file:
        figure.savefig(file, dpi=100, format="png")
