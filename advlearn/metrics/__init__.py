"""Measures of generators, of two samples, of transfer and of fairness, as plain functions.

Every image metric takes features (N, d), so any extractor works; `features` computes them in
batches. Results are float64 and carry no gradient. Random parts use a private generator with the
seed `seed`. Fairness metrics take tensors, arrays, lists or pandas columns and return floats.
"""

import inspect

from advlearn.metrics.coverage import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from advlearn.metrics.duplicates import binary_codes, near_duplicates
from advlearn.metrics.extract import features
from advlearn.metrics.fairness import (
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
)
from advlearn.metrics.fidelity import (
    MeanStd,
    frechet_distance,
    frechet_from_moments,
    inception_score,
    kid,
)
from advlearn.metrics.group_means import mean_difference, quantile_difference
from advlearn.metrics.group_report import (
    GroupMetrics,
    GroupReport,
    group_metrics,
    group_report,
)
from advlearn.metrics.image_report import (
    ImageReport,
    image_report,
    per_class_frechet,
    sampled_report,
)
from advlearn.metrics.inception import Inception
from advlearn.metrics.label_shift import label_shift_weights
from advlearn.metrics.likelihood import kde_bandwidth, kde_log_likelihood
from advlearn.metrics.memorisation import Memorisation, memorisation, nearest, nearest_k
from advlearn.metrics.modes import ClassReport, ModeReport, class_report, mode_report
from advlearn.metrics.posterior import PosteriorReport, mutual_information, posterior_report
from advlearn.metrics.probe import critic_features, linear_probe
from advlearn.metrics.transfer import (
    accuracy,
    information_maximisation,
    per_class_accuracy,
    proxy_a_distance,
    reverse_validation,
    soft_neighbourhood_density,
)
from advlearn.metrics.transport import sinkhorn_divergence, sliced_wasserstein, wasserstein_1d
from advlearn.metrics.two_sample import energy_distance, mmd

__all__ = [
    "ClassReport",
    "DensityCoverage",
    "GroupMetrics",
    "GroupReport",
    "ImageReport",
    "Inception",
    "MeanStd",
    "Memorisation",
    "ModeReport",
    "PosteriorReport",
    "PrecisionRecall",
    "accuracy",
    "binary_codes",
    "class_report",
    "critic_features",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "density_coverage",
    "energy_distance",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "features",
    "frechet_distance",
    "frechet_from_moments",
    "group_metrics",
    "group_report",
    "image_report",
    "inception_score",
    "information_maximisation",
    "kde_bandwidth",
    "kde_log_likelihood",
    "kid",
    "label_shift_weights",
    "linear_probe",
    "mean_difference",
    "memorisation",
    "mmd",
    "mode_report",
    "mutual_information",
    "near_duplicates",
    "nearest",
    "nearest_k",
    "per_class_accuracy",
    "per_class_frechet",
    "posterior_report",
    "precision_recall",
    "proxy_a_distance",
    "quantile_difference",
    "reverse_validation",
    "sampled_report",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "soft_neighbourhood_density",
    "summaries",
    "wasserstein_1d",
]


def summaries() -> dict[str, str]:
    """Return the name of each metric with the first line of its documentation.

    Example:
        >>> summaries()["accuracy"]
        'Compute the fraction of samples whose class is predicted correctly.'
    """
    return {
        name: (inspect.getdoc(metric) or "").partition("\n")[0]
        for name in __all__
        if name != "summaries" and inspect.isfunction(metric := globals()[name])
    }
