"""Train the first stage of a two-stage method."""

import inspect
from dataclasses import replace
from typing import Any, cast

from advlearn import catalogue
from advlearn.catalogue import Request
from advlearn.core import registry
from advlearn.core.grammar import Spec
from advlearn.core.settings import AdversarySettings
from advlearn.core.task import Task
from advlearn.train_task import train_task
from advlearn.training.run_arguments import TrainingArguments

FIRST_STAGE = "first-stage"
"""Folder, inside the folder of a run, of the first of two stages."""


def first_stage(
    request: Request,
    objective: Spec | None,
    source: Any,
    settings: AdversarySettings,
    training: TrainingArguments,
) -> Task:
    """Train the first stage of a two-stage method, and return the task of the second stage.

    Args:
        request: The method and the options of the task.
        objective: The objective of the call.
        source: The data.
        settings: Settings of the adversaries.
        training: The remaining arguments of `fit`.

    Raises:
        ValueError: If an option of the second stage is unknown, or with `warm_start`.
    """
    method = request.method
    if training.warm_start is not None:
        raise ValueError(
            f"warm_start: expected None with {method.name}, which trains in two stages, got "
            f"{training.warm_start}; leave it out"
        )
    # The options of the second stage are checked before the first one is trained.
    known = inspect.signature(getattr(registry.tasks()[method.task], method.second_stage))
    names = [name for name in known.parameters if name != "self"]
    for name in request.options:
        if name not in names:
            hint = catalogue.near(name, names)
            raise ValueError(f"{name}: {method.name} has no such option; {hint}")
    first = replace(request, options={**request.options, **cast(Any, method.first_stage)})
    folder = None if training.out is None else training.out / FIRST_STAGE
    arguments = replace(training, out=folder)
    run = train_task(method.task, first, request.chain(objective), source, settings, arguments)
    second_stage = getattr(run.ema_model, method.second_stage)
    return second_stage(**request.options)
