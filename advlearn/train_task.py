"""Train one task on loaded data, with its callbacks, its folder and its configuration."""

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast, final

import torch
from torch import nn

from advlearn import catalogue
from advlearn.catalogue import Request
from advlearn.core import distributed, registry
from advlearn.core.adversary import Adversary
from advlearn.core.agreement import agreed
from advlearn.core.chain import FALLBACK, Chain, Defaults
from advlearn.core.identity import flatten
from advlearn.core.method import Method
from advlearn.core.optim import build_optimizer
from advlearn.core.settings import AdversarySettings
from advlearn.core.task import Task
from advlearn.core.trainer import Callback, Trainer
from advlearn.critics.build import build as build_critics
from advlearn.critics.build import critic_configs
from advlearn.data import StreamedDataset, batches
from advlearn.held_out import HeldOut, hold_out
from advlearn.introduction import introduction
from advlearn.run import CUSTOM, Run
from advlearn.run_files import writers
from advlearn.training import checkpoint, launch, rng, structure
from advlearn.training import device as devices
from advlearn.training.comparison import compare
from advlearn.training.ema import EMA
from advlearn.training.facts import batch_sizes_of, facts, warn_of_batch_statistics
from advlearn.training.folder_lock import folder_lock
from advlearn.training.previous_file import newest
from advlearn.training.progress import Progress
from advlearn.training.progressive_growing import ProgressiveGrowing, grows
from advlearn.training.run_arguments import CHANGEABLE, TrainingArguments
from advlearn.training.warm_start import warm_start


def train_task(
    task: str | Task,
    request: Request,
    chain: Chain,
    source: Any,
    settings: AdversarySettings,
    training: TrainingArguments,
) -> Run:
    """Train one task.

    Args:
        task: The task, or the name of a task to build from the data.
        request: The method and the options of the task.
        chain: Objective, regularizers and defaults.
        source: Data that the task's `load_data` returned.
        settings: Settings of the adversaries.
        training: The remaining arguments of `fit`.

    Returns:
        The trained run.
    """
    chain.required_objective()
    with ExitStack() as blocks:
        target = blocks.enter_context(launch.launched(training.device))
        blocks.enter_context(folder_lock(training.out))
        with agreed() as compared:
            blocks.enter_context(rng.isolated(training.seed))
            blocks.enter_context(devices.precision(training.precision, target))
            built = build_run(task, request, chain, source, settings, training, target)
            trainer = built.trainer
            compared.update(flatten(_flat(built.config)), steps=trainer.steps, step=trainer.step)
        warn_of_batch_statistics([trainer.task, *built.critics.values()])
        trainer.run()
        return built.result()


@final
@dataclass(frozen=True, slots=True)
class BuiltRun:
    """Hold a run that is ready to start, or to resume.

    Args:
        trainer: Its trainer.
        average: The average of its weights.
        critics: Its critics, by name.
        config: Plain values from which `load` builds the same run.
        out: Folder of its files, or None.
    """

    trainer: Trainer
    average: EMA
    critics: dict[str, nn.Module]
    config: dict[str, Any]
    out: Path | None

    def result(self) -> Run:
        """Return the trained run, once the trainer has run."""
        trainer = self.trainer
        return Run(
            trainer.task, trainer.adversaries, self.average.module, self.config, trainer, self.out
        )


def build_run(
    task: str | Task,
    request: Request,
    chain: Chain,
    source: Any,
    settings: AdversarySettings,
    training: TrainingArguments,
    target: torch.device,
) -> BuiltRun:
    """Build a run from the present random state, and resume it if its folder holds a checkpoint.

    Args:
        task: As for `train_task`, like the arguments up to `training`.
        request: The method and the options of the task.
        chain: Objective, regularizers and defaults.
        source: Data that the task's `load_data` returned.
        settings: Settings of the adversaries.
        training: The remaining arguments of `fit`.
        target: The device.
    """
    if isinstance(task, str):
        task = catalogue.build_task(request.method, request.options, source)
    held_out = _hold_out(source, task, training)
    source = held_out.source
    task = task.to(target)
    chain = playable(task, chain)
    built = build_critics(task, chain, settings.critic)
    critics = {name: critic.to(target) for name, critic in built.items()}
    adversaries = settings.adversaries(critics, chain, lr=training.lr, compile=training.compile)
    size = _batch_size(training, chain, source)
    stream = batches(
        source,
        size,
        seed=training.seed,
        device=target,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
    )
    config = _config(task, request.method, chain, settings, training, source, size)
    if settings.critic is not None:
        config["critics"] = critic_configs(critics)
    trainer, average = _trainer(
        task, adversaries, stream, chain, settings, training, config, held_out
    )
    if training.out is not None or distributed.world_size() > 1:
        config["compared"] = _facts(trainer, settings, training, source)
    _restore(trainer, training, config)
    return BuiltRun(trainer, average, critics, config, training.out)


def playable(task: Task, chain: Chain) -> Chain:
    """Return the chain that a task trains with.

    Args:
        task: The task.
        chain: Objective, regularizers and defaults.

    Raises:
        ValueError: If the task cannot use the objective.
    """
    refused = task.check_compatibility(chain.required_objective())
    if refused is not None:
        name = registry.task_name(type(task))
        raise ValueError(f"objective: {name} cannot use {chain.objective!r}: {refused}")
    return task.adapt_objective(chain)


def _hold_out(source: Any, task: Task, training: TrainingArguments) -> HeldOut:
    """Hold out a part of the data if the run is evaluated."""
    if training.evaluate is None:
        return HeldOut(source, [])
    return hold_out(source, task, training.evaluate, training.keep)


def _batch_size(training: TrainingArguments, chain: Chain, source: Any) -> int:
    if training.batch_size is not None:
        size = training.batch_size
    elif isinstance(source, StreamedDataset) and source.batch_size:
        size = source.batch_size
    else:
        size = min(cast(int, chain.defaults.over(FALLBACK).batch_size), len(source))
    own = size // distributed.world_size()
    if training.accumulate > own:
        raise ValueError(
            f"accumulate: expected at most the {own} samples of a batch, got {training.accumulate}"
        )
    return size


def _trainer(
    task: Task,
    adversaries: dict[str, Adversary],
    stream: Any,
    chain: Chain,
    settings: AdversarySettings,
    training: TrainingArguments,
    config: dict[str, Any],
    held_out: HeldOut,
) -> tuple[Trainer, EMA]:
    """Build the trainer with its callbacks."""
    source = held_out.source
    defaults = chain.defaults.over(FALLBACK)
    average = EMA(cast(float, defaults.ema))
    given: Sequence[Callback] = (Progress(),) if training.callbacks is None else training.callbacks
    for callback in given:
        if isinstance(callback, Progress):
            callback.introduction = introduction(source, task, adversaries)
    callbacks = [average, *_growing(given, task, adversaries), *held_out.callbacks, *given]
    if training.out is not None:
        callbacks += writers(
            training.out, training, config, average, task, adversaries, source, held_out.callbacks
        )
    trainer = Trainer(
        task,
        adversaries,
        stream,
        steps=cast(int, defaults.steps if training.steps is None else training.steps),
        optimizer=learner_optimizer(settings, defaults, training.lr),
        schedule=defaults.schedule,
        callbacks=callbacks,
        game=settings.game,
        capture=training.capture,
        accumulate=training.accumulate,
    )
    return trainer, average


def learner_optimizer(settings: AdversarySettings, defaults: Defaults, lr: float | None) -> Any:
    """Return a function that builds the learner's optimizer from its parameters.

    Args:
        settings: The settings; their optimizer takes precedence.
        defaults: Defaults in which no setting is None.
        lr: Learning rate; None takes the default.
    """
    if settings.optimizer is not None and not isinstance(settings.optimizer, str):
        return settings.optimizer
    name = settings.optimizer or cast(str, defaults.optimizer)
    rate = cast(float, defaults.lr if lr is None else lr)
    betas = cast(tuple[float, float], defaults.betas)
    return partial(build_optimizer, name, lr=rate, betas=betas)


def _config(
    task: Task,
    method: Method,
    chain: Chain,
    settings: AdversarySettings,
    training: TrainingArguments,
    source: Any,
    batch_size: int,
) -> dict[str, Any]:
    """Collect the plain values from which `load` builds the same run."""
    names = {cls: name for name, cls in registry.tasks().items()}
    given = settings.given()
    plain = {k: v if isinstance(v, str | int | float) else CUSTOM for k, v in given.items()}
    values = {"batch_size": batch_size, "lr": training.lr, "seed": training.seed}
    values |= {"data": source.name, "count": len(source), **plain}
    if training.accumulate > 1:
        values["accumulate"] = training.accumulate
    if training.evaluate is not None:
        values |= {"evaluate": training.evaluate, "keep": training.keep}
    class_names = getattr(source, "class_names", ())
    values |= {"class_names": list(class_names)} if class_names else {}
    return {
        "task": names.get(type(task)),
        "parts": task.config(),
        "method": method.name,
        "objective": repr(chain),
        "defaults": chain.defaults.given(),
        "settings": values,
    }


def _growing(
    given: Sequence[Callback], task: Task, adversaries: dict[str, Adversary]
) -> list[Callback]:
    """Return the callback that grows networks, unless the user gave one."""
    has_growing = any(isinstance(callback, ProgressiveGrowing) for callback in given)
    return (
        [ProgressiveGrowing()]
        if not has_growing and grows(task) and grows(*adversaries.values())
        else []
    )


def _facts(
    trainer: Trainer, settings: AdversarySettings, training: TrainingArguments, source: Any
) -> dict[str, Any]:
    """Collect what a resumed run must share besides the settings from which `load` builds it."""
    start = None if training.warm_start is None else str(training.warm_start)
    return facts(
        trainer,
        source,
        {"optimizer": settings.optimizer, "game": settings.game},
        precision=training.precision,
        warm_start=start,
        compile=training.compile,
    )


def _restore(trainer: Trainer, training: TrainingArguments, config: dict[str, Any]) -> None:
    """Resume from the folder's checkpoint if there is one, else start from that of another run."""
    folder = training.out
    if folder is None or not newest(folder / checkpoint.NAME).exists():
        if training.warm_start is not None:
            warm_start(training.warm_start, trainer)
        return
    saved = checkpoint.load(folder)
    structure.check(saved, {"config": structure.RECIPE, "trainer": structure.TRAINER}, folder)
    held = saved["config"]
    structure.check({"compared": {}, **held}, {"compared": dict}, folder)
    compare(
        folder,
        _flat(held),
        _flat(config),
        new=flatten(config["compared"]) if "compared" not in held else (),
        changed=training.changed,
        changeable=CHANGEABLE,
        way=f", or start from its weights with warm_start='{folder / checkpoint.NAME}'",
    )
    with batch_sizes_of(trainer.data, saved["trainer"]["data"]):
        checkpoint.restore(saved, folder, trainer)
    if trainer.step > trainer.steps:
        warnings.warn(
            f"out: {folder} holds a run of {trainer.step} steps, more than steps={trainer.steps}; "
            "it is returned as it is; choose another folder for a shorter run",
            stacklevel=2,
        )
    if {"lr", "critic_lr"} & {*training.changed}:
        trainer.rates.scale(1.0)


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with its settings and its facts at the top."""
    inner = ("settings", "compared")
    top = {name: value for name, value in config.items() if name not in inner}
    return {**top, **config["settings"], **config.get("compared", {})}
