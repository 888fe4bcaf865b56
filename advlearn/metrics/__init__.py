"""Measures of generators and of two samples, as plain functions of tensors.

Every image metric takes features (N, d), so any extractor works; `features` computes them in batches.
Results are float64 and carry no gradient. Random parts use a private generator made from `seed`.
"""

from advlearn.metrics.coverage import DensityCoverage, PrecisionRecall, density_coverage, precision_recall
from advlearn.metrics.extract import features
from advlearn.metrics.fidelity import MeanStd, frechet_distance, frechet_from_moments, inception_score, kid
from advlearn.metrics.likelihood import kde_bandwidth, kde_log_likelihood
from advlearn.metrics.modes import ClassReport, ModeReport, class_report, mode_report
from advlearn.metrics.transport import sinkhorn_divergence, sliced_wasserstein, wasserstein_1d
from advlearn.metrics.two_sample import energy_distance, mmd

__all__ = [
    "ClassReport",
    "DensityCoverage",
    "MeanStd",
    "ModeReport",
    "PrecisionRecall",
    "class_report",
    "density_coverage",
    "energy_distance",
    "features",
    "frechet_distance",
    "frechet_from_moments",
    "inception_score",
    "kde_bandwidth",
    "kde_log_likelihood",
    "kid",
    "mmd",
    "mode_report",
    "precision_recall",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "wasserstein_1d",
]
