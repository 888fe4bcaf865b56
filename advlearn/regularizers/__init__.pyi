# Written by `make stubs`; do not edit.
"""Regularizers: one file per family; every class is importable from here, for example ``R1``."""

from advlearn.objectives.mmd import WitnessPenalty as WitnessPenalty
from advlearn.regularizers.ada import Ada as Ada
from advlearn.regularizers.bottleneck import Bottleneck as Bottleneck
from advlearn.regularizers.consistency import Consistency as Consistency
from advlearn.regularizers.cut_mix import CutMix as CutMix
from advlearn.regularizers.diff_augment import DiffAugment as DiffAugment
from advlearn.regularizers.dragan import DraganPenalty as DraganPenalty
from advlearn.regularizers.feature_matching import FeatureMatching as FeatureMatching
from advlearn.regularizers.gradient_penalty import GradientPenalty as GradientPenalty
from advlearn.regularizers.gradient_penalty import (
    OneSidedGradientPenalty as OneSidedGradientPenalty,
)
from advlearn.regularizers.historical_averaging import HistoricalAveraging as HistoricalAveraging
from advlearn.regularizers.image_pool import ImagePool as ImagePool
from advlearn.regularizers.instance_noise import InstanceNoise as InstanceNoise
from advlearn.regularizers.label_smoothing import LabelSmoothing as LabelSmoothing
from advlearn.regularizers.lecam import LeCam as LeCam
from advlearn.regularizers.low_density import LowDensity as LowDensity
from advlearn.regularizers.orthogonal_regularization import (
    OrthogonalRegularization as OrthogonalRegularization,
)
from advlearn.regularizers.pulling_away import PullingAway as PullingAway
from advlearn.regularizers.spectral_norm import SpectralNorm as SpectralNorm
from advlearn.regularizers.weight_clipping import WeightClipping as WeightClipping
from advlearn.regularizers.zero_centred import R1 as R1
from advlearn.regularizers.zero_centred import R2 as R2
