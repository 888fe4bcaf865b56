"""What fairness costs: the same estimator at several strengths, accuracy against disparity."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

import numpy as np
from sklearn.base import clone

from advlearn.metrics import demographic_parity_difference, equal_opportunity_difference, equalized_odds_difference


@final
@dataclass(frozen=True, slots=True)
class Point:
    """One strength on a frontier.

    Args:
        strength: Weight of the adversary.
        accuracy: Share of test samples classified rightly.
        disparity: Difference between groups by the estimator's own criterion; the larger one of several attributes'
            joint groups.
        estimator: The fitted estimator.
    """

    strength: float
    accuracy: float
    disparity: float
    estimator: Any


def frontier(
    estimator: Any,
    train: tuple[Any, Any, Any],
    test: tuple[Any, Any, Any],
    strengths: Sequence[float] = (0.0, 1.0, 2.0, 4.0),
    *,
    picture: str | Path | None = None,
) -> list[Point]:
    """Fit an `AdversarialFairClassifier` at several strengths and measure each.

    Args:
        estimator: The estimator; a clone of it is fitted for each strength.
        train: (X, y, sensitive_features) to fit on.
        test: (X, y, sensitive_features) to measure on.
        strengths: Weights of the adversary.
        picture: PNG to draw accuracy against disparity into; None draws nothing.

    Returns:
        A point for each strength, in the order given.

    Raises:
        ValueError: If there is no strength, or the classes are not two.

    Example:
        >>> from advlearn.sklearn import AdversarialFairClassifier
        >>> X = np.random.default_rng(0).normal(size=(60, 3))
        >>> data = (X, (X[:, 0] > 0).astype(int), X[:, 1] > 0)
        >>> points = frontier(AdversarialFairClassifier(steps=3, random_state=0), data, data, [0.0, 1.0])
        >>> [point.strength for point in points]
        [0.0, 1.0]
    """
    if not len(strengths):
        raise ValueError("strengths: expected one or more numbers, got none")
    points = [_point(estimator, train, test, float(strength)) for strength in strengths]
    if picture is not None:
        _draw(points, estimator.criterion, Path(picture))
    return points


def _point(estimator: Any, train: tuple[Any, Any, Any], test: tuple[Any, Any, Any], strength: float) -> Point:
    x, y, sensitive = train
    fitted = cast(Any, clone(estimator)).set_params(strength=strength).fit(x, y, sensitive_features=sensitive)
    if len(fitted.classes_) != 2:
        raise ValueError(f"y: a frontier is of two classes, got {len(fitted.classes_)}")
    x, y, sensitive = test
    favoured = fitted.classes_[1]
    decided, wanted = (np.asarray(values) == favoured for values in (fitted.predict(x), y))
    disparity = {
        "demographic_parity": lambda: demographic_parity_difference(decided.astype(int), sensitive),
        "equalized_odds": lambda: equalized_odds_difference(wanted.astype(int), decided.astype(int), sensitive),
        "equal_opportunity": lambda: equal_opportunity_difference(wanted.astype(int), decided.astype(int), sensitive),
    }[fitted.criterion]
    return Point(strength, float((decided == wanted).mean()), float(disparity()), fitted)


def _draw(points: list[Point], criterion: str, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([p.disparity for p in points], [p.accuracy for p in points], "o-")
    for p in points:
        axes.annotate(f"{p.strength:g}", (p.disparity, p.accuracy), textcoords="offset points", xytext=(5, 5))
    axes.set(xlabel=f"{criterion.replace('_', ' ')} difference", ylabel="accuracy", title="what each strength costs")
    axes.grid(alpha=0.3)
    temporary = path.with_name(f".{path.name}.tmp.png")
    figure.savefig(temporary, dpi=100)
    temporary.replace(path)
