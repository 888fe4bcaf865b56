"""Weights of classes whose shares differ between two domains."""

import numpy as np
import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.metrics._labels import classes_of, predicted_classes

# The smallest eigenvalue of a confusion matrix from which shares of classes are estimated.
_DISTINCT = 0.2


@checked
def label_shift_weights(
    source_labels: Tensor | np.ndarray,
    source_predictions: Tensor | np.ndarray,
    target_predictions: Tensor | np.ndarray,
) -> Tensor:
    r"""Estimate how much more frequent each class is on the target than on the source.

    .. math:: C_{ij} = P_s(\hat y = i, y = j), \quad \mu_i = P_t(\hat y = i), \quad C w = \mu

    Under label shift, where p(x | y) is the same on both domains, w_j = p_t(j) / p_s(j). It needs
    no labels of the target, and the classifier need not be right, only better than chance.

    Args:
        source_labels: Classes of source samples, integer (N,).
        source_predictions: Predicted classes of the same samples, integer (N,), or scores, float
            (N, K); of a classifier that was fitted to other samples.
        target_predictions: Predicted classes of target samples, integer (M,), or scores (M, K).

    Returns:
        Weight of each class, float64 (K,), at least 0, with mean 1 over the source samples.

    Raises:
        TypeError: As `accuracy`.
        ValueError: As `accuracy`, or predictions that hardly depend on the class.

    Example:
        >>> y = torch.tensor([0, 1, 0, 1])
        >>> label_shift_weights(y, y, torch.tensor([1, 1, 1, 0]))
        tensor([0.5000, 1.5000], dtype=torch.float64)

    Reference: Lipton et al., "Detecting and Correcting for Label Shift with Black Box Predictors",
    ICML 2018, equation 5.

    Deviations: the system is solved by least squares, with weights of at least 0.
    """
    predicted, truth, classes = classes_of(
        source_predictions, source_labels, ("source_predictions", "source_labels")
    )
    of_target = predicted_classes("target_predictions", target_predictions)
    classes = max(classes, int(of_target.max()) + 1)
    joint = torch.bincount(predicted * classes + truth, minlength=classes**2)
    joint = joint.view(classes, classes).double() / len(truth)
    # The confusion of each class: without a difference between classes nothing can be estimated.
    confusion = joint / joint.sum(0).clamp(min=1e-12)
    if float(torch.linalg.eigvals(confusion).real.min()) < _DISTINCT:
        raise ValueError(
            "source_predictions: expected predictions that tell the classes apart, got a confusion "
            "matrix without that; use a better classifier"
        )
    shares = torch.bincount(of_target, minlength=classes).double() / len(of_target)
    from scipy.optimize import nnls

    weights = torch.from_numpy(nnls(joint.cpu().numpy(), shares.cpu().numpy())[0])
    mean = float(weights @ joint.sum(0).cpu())
    return weights / mean if mean > 0 else torch.ones_like(weights)
