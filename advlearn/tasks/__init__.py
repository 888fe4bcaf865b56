"""Tasks, one file each: which samples each critic compares, and which other loss is minimised."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
    from advlearn.tasks.ac_gan import ACGAN
    from advlearn.tasks.cross_modal import CrossModal
    from advlearn.tasks.disentangle import Disentangle
    from advlearn.tasks.domain_adaptation import DomainAdaptation
    from advlearn.tasks.fairness import Fairness
    from advlearn.tasks.generate import Generate
    from advlearn.tasks.laplacian_pyramid import LaplacianPyramid
    from advlearn.tasks.paired_translation import PairedTranslation
    from advlearn.tasks.representation import Representation
    from advlearn.tasks.retrieval import Retrieval
    from advlearn.tasks.semi_supervised import SemiSupervised
    from advlearn.tasks.unpaired_translation import UnpairedTranslation

_MODULES = {
    "ACGAN": "advlearn.tasks.ac_gan",
    "CrossModal": "advlearn.tasks.cross_modal",
    "Disentangle": "advlearn.tasks.disentangle",
    "DomainAdaptation": "advlearn.tasks.domain_adaptation",
    "Fairness": "advlearn.tasks.fairness",
    "Generate": "advlearn.tasks.generate",
    "LaplacianPyramid": "advlearn.tasks.laplacian_pyramid",
    "PairedTranslation": "advlearn.tasks.paired_translation",
    "Representation": "advlearn.tasks.representation",
    "Retrieval": "advlearn.tasks.retrieval",
    "SemiSupervised": "advlearn.tasks.semi_supervised",
    "UnpairedTranslation": "advlearn.tasks.unpaired_translation",
    **dict.fromkeys(("Batch", "SamplePair", "Task", "TaskOutput"), "advlearn.core.task"),
}

__all__ = [
    "ACGAN",
    "Batch",
    "CrossModal",
    "Disentangle",
    "DomainAdaptation",
    "Fairness",
    "Generate",
    "LaplacianPyramid",
    "PairedTranslation",
    "Representation",
    "Retrieval",
    "SamplePair",
    "SemiSupervised",
    "Task",
    "TaskOutput",
    "UnpairedTranslation",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
