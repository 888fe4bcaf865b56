"""Read classes, predicted classes and scores."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from advlearn.core.checks import describe_value
from advlearn.metrics._checks import rows


def to_tensor(value: Any) -> Any:
    """Return an array as a tensor, and any other value as it is."""
    return torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value


def class_labels(name: str, value: Any, samples: int | None = None) -> Tensor:
    """Check classes, integer (N,), and return them as int64."""
    y = to_tensor(value)
    shape = f"({'N' if samples is None else samples},)"
    if (
        not isinstance(y, Tensor)
        or y.is_floating_point()
        or y.is_complex()
        or y.dtype == torch.bool
    ):
        raise TypeError(f"{name}: expected integers of shape {shape}, got {describe_value(y)}")
    if y.ndim != 1 or y.numel() == 0 or samples not in (None, len(y)):
        raise ValueError(f"{name}: expected integers of shape {shape}, got {describe_value(y)}")
    if int(y.min()) < 0:
        raise ValueError(f"{name}: expected classes of at least 0, got {int(y.min())}")
    return y.detach().long()


def predicted_classes(name: str, value: Any, samples: int | None = None) -> Tensor:
    """Check classes, or scores (N, K) whose largest gives the class, and return int64 (N,)."""
    scores = to_tensor(value)
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        return class_labels(name, value, samples)
    classes = rows(name, scores, dims="(N, K)").argmax(dim=1)
    return class_labels(name, classes, samples)


def classes_of(
    predictions: Any, labels: Any, names: tuple[str, str] = ("predictions", "labels")
) -> tuple[Tensor, Tensor, int]:
    """Return predicted classes, true classes and the number of classes.

    Args:
        predictions: Classes, integer (N,), or scores, float (N, K).
        labels: Classes, integer (N,).
        names: Names of both arguments, for error messages.
    """
    truth = class_labels(names[1], labels)
    predicted = predicted_classes(names[0], predictions, len(truth)).to(truth.device)
    scores = to_tensor(predictions)
    if not scores.is_floating_point():
        return predicted, truth, int(torch.maximum(predicted.max(), truth.max())) + 1
    if int(truth.max()) >= scores.shape[1]:
        raise ValueError(
            f"{names[1]}: expected classes in [0, {scores.shape[1]}), the columns of the scores, "
            f"got {int(truth.max())}"
        )
    return predicted, truth, scores.shape[1]


def classify(
    x: np.ndarray,
    y: np.ndarray,
    queries: np.ndarray,
    *,
    balanced: bool = False,
    strength: float = 1.0,
) -> np.ndarray:
    """Predict the classes of `queries` with a linear classifier fitted to (x, y).

    Args:
        x: Float (N, d).
        y: Classes, integer (N,).
        queries: Float (M, d).
        balanced: Whether each class has the same weight.
        strength: C, the weight of the classes against the size of the weights.
    """
    if (y == y[0]).all():
        return np.full(len(queries), y[0])
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weights = "balanced" if balanced else None
    linear = LogisticRegression(C=strength, max_iter=1000, class_weight=weights)
    return make_pipeline(StandardScaler(), linear).fit(x, y).predict(queries)
