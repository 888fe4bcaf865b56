"""scikit-learn estimators over `advlearn.fit`."""

from advlearn.sklearn.domain import DomainAdversarialClassifier
from advlearn.sklearn.fair import AdversarialFairClassifier, AdversarialFairRegressor
from advlearn.sklearn.few_labels import SemiSupervisedGANClassifier

__all__ = [
    "AdversarialFairClassifier",
    "AdversarialFairRegressor",
    "DomainAdversarialClassifier",
    "SemiSupervisedGANClassifier",
]
