# Written by `make stubs`; do not edit.
"""Tasks: one file each; every class is importable from here, for example ``Generate``."""

from advlearn.tasks.ac_gan import ACGAN as ACGAN
from advlearn.tasks.cross_modal import CrossModal as CrossModal
from advlearn.tasks.disentangle import Disentangle as Disentangle
from advlearn.tasks.domain_adaptation import DomainAdaptation as DomainAdaptation
from advlearn.tasks.fairness import Fairness as Fairness
from advlearn.tasks.generate import Generate as Generate
from advlearn.tasks.laplacian_pyramid import LaplacianPyramid as LaplacianPyramid
from advlearn.tasks.paired_translation import PairedTranslation as PairedTranslation
from advlearn.tasks.representation import Representation as Representation
from advlearn.tasks.retrieval import Retrieval as Retrieval
from advlearn.tasks.semi_supervised import SemiSupervised as SemiSupervised
from advlearn.tasks.unpaired_translation import UnpairedTranslation as UnpairedTranslation
