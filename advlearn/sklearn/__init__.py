"""scikit-learn estimators over `advlearn.fit`, with scorers, splitters and post-processing."""

from advlearn.sklearn._rows import as_rows
from advlearn.sklearn.disparity import Point, disparity
from advlearn.sklearn.domain import DomainAdversarialClassifier
from advlearn.sklearn.fair import AdversarialFairClassifier
from advlearn.sklearn.fair_regressor import AdversarialFairRegressor
from advlearn.sklearn.few_labels import SemiSupervisedGANClassifier
from advlearn.sklearn.frontier import frontier
from advlearn.sklearn.scorers import adaptation_scorer, fairness_scorer
from advlearn.sklearn.splitting import DomainFold, StratifiedGroupFold
from advlearn.sklearn.thresholds import GroupThresholds

__all__ = [
    "AdversarialFairClassifier",
    "AdversarialFairRegressor",
    "DomainAdversarialClassifier",
    "DomainFold",
    "GroupThresholds",
    "Point",
    "SemiSupervisedGANClassifier",
    "StratifiedGroupFold",
    "adaptation_scorer",
    "as_rows",
    "disparity",
    "fairness_scorer",
    "frontier",
]
