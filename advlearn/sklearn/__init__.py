"""scikit-learn estimators over `advlearn.fit`."""

from advlearn.sklearn.domain import DomainAdversarialClassifier
from advlearn.sklearn.fair import AdversarialFairClassifier
from advlearn.sklearn.fair_regressor import AdversarialFairRegressor
from advlearn.sklearn.few_labels import SemiSupervisedGANClassifier
from advlearn.sklearn.frontier import frontier

__all__ = [
    "AdversarialFairClassifier",
    "AdversarialFairRegressor",
    "DomainAdversarialClassifier",
    "SemiSupervisedGANClassifier",
    "frontier",
]
