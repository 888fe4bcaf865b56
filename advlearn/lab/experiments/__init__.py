"""Experiments of the lab: one file a kind, found by the name of its settings."""

from typing import Any

from advlearn.lab.experiments.base import Experiment


def build(settings: dict[str, Any]) -> Experiment:
    """Build the experiment that checked settings describe.

    Args:
        settings: Result of `advlearn.lab.messages.read_settings`.

    Raises:
        ValueError: If the library refuses a setting.
        ImportError: If imitation is not installed.
    """
    from importlib import import_module

    module = import_module(f"{__name__}.{settings['kind']}")
    return module.EXPERIMENT(settings)
