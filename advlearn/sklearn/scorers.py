"""Scorers for cross-validation and grid search: of fairness, and of adaptation without labels."""

from typing import Any

import numpy as np
import torch
from sklearn.metrics import make_scorer

from advlearn import metrics
from advlearn.core.arguments import checked
from advlearn.core.checks import check_choice

FAIRNESS = {
    "demographic_parity_difference": metrics.demographic_parity_difference,
    "demographic_parity_ratio": metrics.demographic_parity_ratio,
    "equal_opportunity_difference": metrics.equal_opportunity_difference,
    "equal_opportunity_ratio": metrics.equal_opportunity_ratio,
    "equalized_odds_difference": metrics.equalized_odds_difference,
    "equalized_odds_ratio": metrics.equalized_odds_ratio,
    "mean_difference": metrics.mean_difference,
    "quantile_difference": metrics.quantile_difference,
}
UNSUPERVISED = {
    "information_maximisation": metrics.information_maximisation,
    "soft_neighbourhood_density": metrics.soft_neighbourhood_density,
}


@checked
def fairness_scorer(name: str, *, pos_label: Any = None) -> Any:
    """Make a scorer of a fairness measure; differences are negated, so that higher is better.

    With metadata routing, `sensitive_features` passed to a search or to `cross_validate` are cut
    into folds and reach the scorer.

    Args:
        name: Name of a measure of `advlearn.metrics`, such as ``"demographic_parity_difference"``.
        pos_label: The positive class, for labels other than 0 and 1.

    Returns:
        A scorer that requests `sensitive_features`.

    Raises:
        ValueError: An unknown name.

    Example:
        >>> import sklearn
        >>> from advlearn.sklearn import AdversarialFairClassifier
        >>> X = np.random.default_rng(0).normal(size=(60, 3))
        >>> y, sex = (X[:, 0] > 0).astype(int), X[:, 1] > 0
        >>> model = AdversarialFairClassifier(steps=3, random_state=0).fit(X, y, sex)
        >>> with sklearn.config_context(enable_metadata_routing=True):
        ...     score = fairness_scorer("demographic_parity_ratio")(
        ...         model, X, y, sensitive_features=sex
        ...     )
        >>> 0 <= score <= 1
        True
    """
    check_choice("name", name, tuple(FAIRNESS))
    labels = {} if name in ("mean_difference", "quantile_difference") else {"pos_label": pos_label}
    scorer: Any = make_scorer(FAIRNESS[name], greater_is_better=name.endswith("ratio"), **labels)
    return _requesting(scorer, "sensitive_features")


@checked
def adaptation_scorer(name: str) -> Any:
    """Make a scorer of a measure that needs no labels of the target domain; higher is better.

    Args:
        name: ``"information_maximisation"`` or ``"soft_neighbourhood_density"``.

    Returns:
        A scorer of the target samples; it requests `sample_domain`, without which all samples are
        of the target, as in the folds of `DomainFold(test="target")`.

    Raises:
        ValueError: An unknown name.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> X = np.arange(8.0)[:, None]
        >>> model = LogisticRegression(C=1e3).fit(X, X[:, 0] > 3)
        >>> round(adaptation_scorer("information_maximisation")(model, X, None), 1)
        0.7
    """
    check_choice("name", name, tuple(UNSUPERVISED))
    measure = UNSUPERVISED[name]

    def of_target(y_true: Any, y_score: Any, *, sample_domain: Any = None) -> float:
        probabilities = np.asarray(y_score, dtype=np.float64)
        if sample_domain is not None:
            probabilities = probabilities[np.asarray(sample_domain) < 0]
        # A binary scorer is given the probability of the second class.
        if probabilities.ndim == 1:
            probabilities = np.stack([1 - probabilities, probabilities], 1)
        smallest = np.finfo(np.float64).tiny
        return measure(torch.from_numpy(probabilities.clip(min=smallest)).log())

    scorer: Any = make_scorer(of_target, response_method="predict_proba")
    return _requesting(scorer, "sample_domain")


def _requesting(scorer: Any, name: str) -> Any:
    """Return a scorer that requests metadata of its call, also where routing is on only later."""
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        return scorer.set_score_request(**{name: True})
