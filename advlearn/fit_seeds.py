"""Train one game with several seeds, as one computation where its steps can be stacked."""

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from advlearn import catalogue
from advlearn.catalogue import Request
from advlearn.core.callback import Callback
from advlearn.core.chain import Chain
from advlearn.core.settings import AdversarySettings
from advlearn.core.task import Task
from advlearn.run import Run
from advlearn.train_task import build_run
from advlearn.training import device as devices
from advlearn.training import launch, rng
from advlearn.training.folder_lock import folder_lock
from advlearn.training.progress import Progress
from advlearn.training.run_arguments import TrainingArguments
from advlearn.training.stacked_runs import run_all, warn

TrainOne = Callable[[str | Task, AdversarySettings, TrainingArguments], Any]


def check_seeds(seeds: Sequence[int], seed: int) -> None:
    """Refuse seeds that are not several different ones, or that come with a single one.

    Args:
        seeds: The argument `seeds` of `fit`.
        seed: Its argument `seed`.

    Raises:
        ValueError: If they are refused.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(
            f"seeds: expected one or more different seeds, got {list(seeds)}; pass each once, such "
            "as range(16)"
        )
    if seed:
        raise ValueError(f"seed: expected none with seeds, got {seed}; add it to seeds")


def arguments_of_each(training: TrainingArguments, seeds: Sequence[int]) -> list[TrainingArguments]:
    """Return the arguments of each run: its seed, its folder and its callbacks.

    The first run gets the callbacks that were passed, every other one copies of them; only the
    first run shows its progress.

    Args:
        training: The arguments of the call.
        seeds: The seeds.

    Raises:
        TypeError: If a callback cannot be copied.
    """
    return [
        replace(
            training,
            seed=seed,
            out=None if training.out is None else training.out / f"seed-{seed}",
            callbacks=_callbacks_of(training.callbacks, first=seed == seeds[0]),
        )
        for seed in seeds
    ]


def _callbacks_of(given: Sequence[Callback] | None, *, first: bool) -> Sequence[Callback] | None:
    if first:
        return given
    return [_copy(callback) for callback in given or () if not isinstance(callback, Progress)]


def _copy(callback: Callback) -> Callback:
    try:
        return copy.deepcopy(callback)
    except (TypeError, ValueError, AttributeError) as error:
        raise TypeError(
            f"callbacks: expected ones that can be copied for each of several seeds, got "
            f"{type(callback).__name__} ({error}); train with one seed at a time"
        ) from None


def reason_against_building(
    request: Request, settings: AdversarySettings, training: TrainingArguments
) -> str | None:
    """Return why the runs of several seeds are not even built together, or None.

    Args:
        request: The method and its options.
        settings: Settings of the adversaries.
        training: The arguments of the call.
    """
    method = request.method
    if method.task == catalogue.IMITATION:
        return "imitation plays its own environments"
    if method.first_stage is not None:
        return f"{method.name} trains in two stages"
    if training.compile:
        return "compile=True compiles the losses of each run"
    if training.precision == "bf16":
        return "bf16 is computed under autocast"
    if training.accumulate > 1:
        return "accumulate= splits the batches of each run"
    if settings.game is not None:
        return f"the rule of the game, {settings.game!r}, keeps further weights"
    if launch.processes() > 1:
        return "several processes train together"
    return None


def fit_one_by_one(
    train: TrainOne,
    task: str | Task,
    settings: AdversarySettings,
    each: Sequence[TrainingArguments],
    reason: str,
) -> list[Any]:
    """Train with each seed in turn.

    Args:
        train: Trains one run.
        task: The task of the call.
        settings: Settings of the adversaries.
        each: The arguments of each run.
        reason: Why they are not computed as one; given in a warning if there are several.
    """
    if len(each) > 1:
        warn(reason)
    parts = [(copy.deepcopy(task), copied(settings)) for _ in each]
    with launch.launched(each[0].device):
        return [train(*own, training) for own, training in zip(parts, each, strict=True)]


def copied(settings: AdversarySettings) -> AdversarySettings:
    """Return the settings with a copy of the user's critics, which are trained in place.

    Args:
        settings: Settings of the adversaries.
    """
    return replace(settings, critic=copy.deepcopy(settings.critic))


def fit_together(
    task: str | Task,
    request: Request,
    chain: Chain,
    source: Any,
    settings: AdversarySettings,
    each: Sequence[TrainingArguments],
) -> list[Run]:
    """Train one run for each seed, as one computation if their steps can be stacked.

    Args:
        task: As for `train_task`, like the arguments up to `settings`.
        request: The method and the options of the task.
        chain: Objective, regularizers and defaults.
        source: Data that the task's `load_data` returned.
        settings: Settings of the adversaries.
        each: The arguments of each run.
    """
    chain.required_objective()
    first = each[0]
    with ExitStack() as blocks:
        target = blocks.enter_context(launch.launched(first.device))
        for training in each:
            blocks.enter_context(folder_lock(training.out))
        blocks.enter_context(devices.precision(first.precision, target))
        built, states = [], []
        for training in each:
            with rng.isolated(training.seed):
                own = copy.deepcopy(task)
                parts = (own, request, chain, source, copied(settings), training, target)
                built.append(build_run(*parts))
                states.append(rng.get_state())
        trainers = [run.trainer for run in built]
        run_all(trainers, states, [f"seed {training.seed}" for training in each], target)
        return [run.result() for run in built]
