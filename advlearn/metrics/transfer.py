"""Measures of transfer from a source domain to a target domain, with and without target labels.

Samples and labels may be tensors or numpy arrays. Models of scikit-learn are seeded and do not
change its global random state.
"""

import numpy as np
import torch
from torch import Tensor

from advlearn.core.arguments import Positive, Seed, checked
from advlearn.metrics._checks import pair, rows
from advlearn.metrics._labels import (
    class_labels,
    classes_of,
    classify,
    predicted_classes,
    to_tensor,
)

_BLOCK = 2**22  # similarities held at once


@checked
def proxy_a_distance(
    source: Tensor | np.ndarray, target: Tensor | np.ndarray, *, seed: Seed = 0
) -> float:
    r"""Compute the proxy A-distance of two domains, from a classifier that distinguishes them.

    .. math:: d_A = 2 (1 - 2 e)

    A logistic regression on standardised features is fitted to one random half of each domain. Its
    error e on the other half is the mean of the two domains' errors, so their sizes may differ.

    Args:
        source: Float (N, d), features of the source, N at least 4.
        target: Float (M, d), features of the target, M at least 4.
        seed: Seed of the halves.

    Returns:
        About 0 for domains that cannot be distinguished (by chance slightly below), 2 for domains
        that can be separated without error.

    Raises:
        TypeError: Not float data.
        ValueError: Wrong shapes, too few samples, or values that are not finite.

    Example:
        >>> x = torch.linspace(0.0, 1.0, 40)[:, None]
        >>> proxy_a_distance(x, x + 5.0)
        2.0

    Reference: Ben-David et al., "Analysis of Representations for Domain Adaptation", NeurIPS 2007;
    Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 2016 (on learned features).

    Deviations: a logistic regression (C = 1) instead of the two papers' Huber loss and support
    vector machine.
    """
    first, second = pair(("source", "target"), to_tensor(source), to_tensor(target), at_least=4)
    x = np.concatenate([first.cpu().numpy(), second.cpu().numpy()])
    domain = np.repeat([0, 1], [len(first), len(second)])
    generator = np.random.default_rng(seed)
    held_out = np.concatenate(
        [
            generator.permutation(np.flatnonzero(domain == side))[: (domain == side).sum() // 2]
            for side in (0, 1)
        ]
    )
    fitted = np.setdiff1d(np.arange(len(x)), held_out)
    predicted = classify(x[fitted], domain[fitted], x[held_out], balanced=True)
    truth = domain[held_out]
    error = float(np.mean([(predicted[truth == side] != side).mean() for side in (0, 1)]))
    return 2.0 * (1.0 - 2.0 * error)


@checked
def accuracy(predictions: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> float:
    """Compute the fraction of samples whose class is predicted correctly.

    Args:
        predictions: Classes, integer (N,), or scores of the K classes, float (N, K), of which the
            largest counts; `features(model, images)` computes scores in batches.
        labels: True classes, integer (N,).

    Returns:
        In [0, 1].

    Raises:
        TypeError: Predictions of another type, or labels that are not integers.
        ValueError: Wrong shapes, scores that are not finite, or labels outside the classes of the
            scores.

    Example:
        >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
        0.5
    """
    predicted, truth, _ = classes_of(predictions, labels)
    return float((predicted == truth).double().mean())


@checked
def per_class_accuracy(predictions: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> Tensor:
    """Compute the recall of each class: the fraction of its samples predicted correctly.

    Args:
        predictions: Classes, integer (N,), or scores, float (N, K); see `accuracy`.
        labels: True classes, integer (N,).

    Returns:
        Float64 (K,), NaN for a class without samples. Without scores K is one more than the largest
        class. Its `nanmean()` is the mean per-class accuracy.

    Raises:
        TypeError: As `accuracy`.
        ValueError: As `accuracy`.

    Example:
        >>> per_class_accuracy(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 1, 1]))
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    predicted, truth, classes = classes_of(predictions, labels)
    right = torch.bincount(truth[predicted == truth], minlength=classes).double()
    return right / torch.bincount(truth, minlength=classes)


@checked
def information_maximisation(logits: Tensor | np.ndarray) -> float:
    r"""Compute the information-maximisation validator, which needs no labels; higher is better.

    .. math:: H(\bar p) - \frac1N \sum_n H(p_n)

    With p_n the softmax of the logits of target sample n and H the entropy in nats, this is the
    mutual information of samples and predicted classes. It is large where predictions are confident
    and spread over the classes.

    Args:
        logits: Float (N, K), scores of the target samples.

    Returns:
        In [0, log K].

    Raises:
        TypeError: Not float data.
        ValueError: A wrong shape, or values that are not finite.

    Example:
        >>> round(information_maximisation(100.0 * torch.eye(4)), 4)  # log 4
        1.3863

    Reference: Shi and Sha, "Information-Theoretical Learning of Discriminative Clusters for
    Unsupervised Domain Adaptation", ICML 2012; as a validator Musgrave et al., "Three New
    Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain Adaptation", 2022.
    """
    log_p = rows("logits", to_tensor(logits), dims="(N, K)").log_softmax(dim=1)
    mean = log_p.exp().mean(dim=0)
    return float(-torch.special.xlogy(mean, mean).sum() + (log_p.exp() * log_p).sum(dim=1).mean())


@checked
def soft_neighbourhood_density(logits: Tensor | np.ndarray, temperature: Positive = 0.05) -> float:
    r"""Compute the soft neighbourhood density, which needs no labels; higher is better.

    With z_n the softmax of the logits of target sample n, scaled to length 1, sample m != n is
    a neighbour of sample n with probability P_nm = softmax_m(z_n z_m / temperature). The density is
    the mean over n of the entropy of P_n, in nats. It is large where samples lie in dense clusters,
    and also where all predictions are equal: log(N - 1).

    Args:
        logits: Float (N, K), scores of the target samples, N at least 2. Values of different N are
            not comparable.
        temperature: Positive; 0.05 in the paper.

    Returns:
        In [0, log(N - 1)].

    Raises:
        TypeError: Not float data.
        ValueError: A wrong shape, values that are not finite, or a temperature that is not
        positive.

    Example:
        >>> round(soft_neighbourhood_density(torch.zeros(5, 3)), 4)  # log 4
        1.3863

    Reference: Saito et al., "Tune it the Right Way: Unsupervised Validation of Domain Adaptation
    via Soft Neighborhood Density", ICCV 2021.
    """
    p = rows("logits", to_tensor(logits), at_least=2, dims="(N, K)").softmax(dim=1)
    z = p / p.norm(dim=1, keepdim=True)
    total, block = 0.0, max(1, _BLOCK // len(z))
    for start in range(0, len(z), block):
        similarity = z[start : start + block] @ z.T / temperature
        # A sample is not its own neighbour; a finite low value avoids NaN in p log p.
        similarity.diagonal(start).fill_(-1e6 / temperature)
        log_p = similarity.log_softmax(dim=1)
        total -= float((log_p.exp() * log_p).sum())
    return total / len(z)


@checked
def reverse_validation(
    source: Tensor | np.ndarray,
    source_labels: Tensor | np.ndarray,
    target: Tensor | np.ndarray,
    target_predictions: Tensor | np.ndarray,
) -> float:
    """Compute the reverse-validation accuracy, which needs no target labels; higher is better.

    A logistic regression on standardised features is fitted to the target with its predicted
    classes and evaluated on the labelled source. Wrong predictions on the target lower its
    accuracy.

    Args:
        source: Float (N, d), features of source samples, preferably held out from training.
        source_labels: Classes of the source samples, integer (N,).
        target: Float (M, d), features of target samples.
        target_predictions: Predicted classes of the target samples, integer (M,), or scores, float
            (M, K).

    Returns:
        In [0, 1].

    Raises:
        TypeError: No float data, or labels that are not integers.
        ValueError: Wrong shapes, or values that are not finite.

    Example:
        >>> x, y = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
        >>> reverse_validation(x, y, x + 0.1, y), reverse_validation(x, y, x + 0.1, 1 - y)
        (1.0, 0.0)

    Reference: Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 2016
    (unsupervised selection of hyper-parameters), after Zhong et al., "Cross Validation Framework to
    Choose amongst Models and Datasets for Transfer Learning", ECML 2010.

    Deviations: the papers train the reverse classifier with the method under test; this one is
    linear and not adapted, which costs only one small fit.
    """
    x, y = pair(("source", "target"), to_tensor(source), to_tensor(target))
    truth = class_labels("source_labels", source_labels, len(x)).cpu().numpy()
    predicted = predicted_classes("target_predictions", target_predictions, len(y)).cpu().numpy()
    return float((classify(y.cpu().numpy(), predicted, x.cpu().numpy()) == truth).mean())
