"""Core classes: objective, regularizer, adversary, task, trainer, and what each builds on.

The core does not import other parts of the library.
"""

from advlearn._lazy import lazy

_NAMES = {
    "Adversary": "adversary",
    "Batch": "task",
    "Callback": "trainer",
    "Chain": "chain",
    "Critic": "critic_batch",
    "CriticBatch": "critic_batch",
    "CriticOutput": "objective",
    "Defaults": "chain",
    "Health": "health",
    "LayerCapture": "layer_capture",
    "LayerCaptures": "layer_capture",
    "Method": "method",
    "NonFiniteError": "finite",
    "Objective": "objective",
    "Pointwise": "objective",
    "Reference": "described",
    "Regularizer": "regularizer",
    "SamplePair": "task",
    "Samples": "critic_batch",
    "Setwise": "objective",
    "Task": "task",
    "TaskOutput": "task",
    "Trainer": "trainer",
    "UnknownNameError": "naming",
}


def _where() -> dict[str, str]:
    return {name: f"advlearn.core.{module}" for name, module in _NAMES.items()}


__all__ = sorted(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = lazy(__name__, _where)
