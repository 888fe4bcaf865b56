"""Search for the adversarial weight that reaches a wanted disparity on a validation part."""

import math
import warnings
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from sklearn.base import clone

from advlearn.sklearn._best import Value
from advlearn.sklearn._rows import HeldOut, rows_of, split
from advlearn.sklearn.disparity import Point, disparity

FIRST_WEIGHTS = (0.0, 1.0, 4.0, 16.0, 64.0)
BISECTIONS = 2


def search(estimator: Any, X: np.ndarray, y: np.ndarray, sensitive: Any, sample_weight: Any) -> Any:
    """Fit a fair estimator to the highest score with a disparity of at most `max_disparity`.

    The adversarial weight grows until a checkpoint reaches the target, and the interval before that
    weight is bisected. The best checkpoint of all runs is kept: by its score on the validation
    part, and by its disparity on all samples, of which small groups need every one.

    Args:
        estimator: The fair estimator; its fitted attributes are set.
        X: Samples (n, ...).
        y: Targets (n,).
        sensitive: Sensitive features.
        sample_weight: Weights of the samples, or None.

    Returns:
        The estimator.

    Warns:
        UserWarning: No weight reaches the target.
    """
    if sensitive is None:
        raise ValueError("sensitive_features: expected one or more columns with max_disparity")
    seed = estimator._seed()
    of_classes = hasattr(estimator, "predict_proba")
    train, held = split(y, sensitive, estimator.validation_fraction, seed, of_classes=of_classes)
    target = float(estimator.max_disparity)
    part = _taken(X, y, sensitive, sample_weight, train)
    x_held, y_held, _, weights = _taken(X, y, sensitive, sample_weight, held)
    held_out = HeldOut(x_held, y_held, weights, (X, y, sensitive), target)
    points = list[tuple[Value, Point]]()

    def reached(weight: float) -> bool:
        points.append(_fitted(estimator, weight, seed, part, held_out))
        return points[-1][0][0] == 1.0

    _narrow(reached)
    value, best = max(points, key=lambda point: point[0])
    if value[0] < 1:
        warnings.warn(
            f"max_disparity: expected a disparity of at most {target:g} on {len(y)} samples, "
            f"reached {best.disparity:.3f} at adversarial_weight="
            f"{best.adversarial_weight:g}; train longer, or set balance_groups=True",
            UserWarning,
            stacklevel=3,
        )
    names = ("n_features_in_", "feature_names_in_")  # those of the user's samples stay
    for name in [k for k in vars(estimator) if k.endswith("_") and k not in names]:
        delattr(estimator, name)
    fitted = {k: v for k, v in vars(best.estimator).items() if k.endswith("_") and k not in names}
    vars(estimator).update(fitted)
    estimator.search_ = sorted((p for _, p in points), key=lambda p: p.adversarial_weight)
    estimator.adversarial_weight_ = best.adversarial_weight
    return estimator


def _narrow(reached: Callable[[float], bool]) -> None:
    """Try weights until one reaches the target, and bisect the interval before it."""
    first = next((weight for weight in FIRST_WEIGHTS if reached(weight)), None)
    if not first:
        return
    below = FIRST_WEIGHTS[FIRST_WEIGHTS.index(first) - 1]
    for _ in range(BISECTIONS):
        middle = math.sqrt(below * first) if below else first / 2
        if reached(middle):
            first = middle
        else:
            below = middle


def _fitted(
    estimator: Any, weight: float, seed: int, part: tuple[Any, ...], held: HeldOut
) -> tuple[Value, Point]:
    """Fit with one adversarial weight, and keep its checkpoint that is best by the target."""
    x, y, sensitive, weights = part
    settings = {"adversarial_weight": weight, "max_disparity": None, "random_state": seed}
    candidate = cast(Any, clone(estimator)).set_params(**settings)
    candidate._held_out = held
    candidate.fit(x, y, sensitive_features=sensitive, sample_weight=weights)
    x, y, sensitive = held.compared
    found = disparity(candidate, y, candidate.predict(x), sensitive)
    score = float(candidate.score(held.X, held.y, sample_weight=held.weights))
    point = Point(weight, score, found, candidate)
    return ((1.0, score) if found <= (held.target or 0.0) else (0.0, -found)), point


def _taken(
    X: np.ndarray, y: np.ndarray, sensitive: Any, weights: Any, rows: np.ndarray
) -> tuple[Any, ...]:
    """Return some rows of each part of the data."""
    few = None if weights is None else np.broadcast_to(weights, len(y))[rows]
    return X[rows], y[rows], rows_of(sensitive, rows), few
