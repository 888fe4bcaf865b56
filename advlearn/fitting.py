"""Train a method or a task with one call."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, overload

from advlearn import catalogue
from advlearn.catalogue import Request
from advlearn.core import registry
from advlearn.core.arguments import Count, NonNegative, Positive, Seed, checked
from advlearn.core.chain import FALLBACK
from advlearn.core.game import GameFactory
from advlearn.core.grammar import Spec
from advlearn.core.method import Method
from advlearn.core.settings import AdversarySettings, Critic, Optimizer
from advlearn.core.task import Task
from advlearn.core.trainer import Callback
from advlearn.data import load as load_data
from advlearn.first_stage import first_stage
from advlearn.fit_seeds import (
    arguments_of_each,
    check_seeds,
    fit_one_by_one,
    fit_together,
    reason_against_building,
)
from advlearn.held_out import Keep
from advlearn.run import Run
from advlearn.train_task import train_task
from advlearn.training import launch
from advlearn.training.comparison import check_changes
from advlearn.training.device import Precision
from advlearn.training.run_arguments import CHANGEABLE, TrainingArguments
from advlearn.training.torch_modes import training_modes

_OF_IMITATION = {"lr": "critic_lr"}


@overload
def fit(
    task: str | Task = ...,
    objective: Spec | None = ...,
    data: Any = ...,
    *,
    steps: int | None = ...,
    batch_size: int | None = ...,
    accumulate: int = ...,
    lr: float | None = ...,
    seed: int = ...,
    seeds: None = None,
    device: str = ...,
    precision: Precision = ...,
    compile: bool = ...,
    capture: bool = ...,
    out: str | Path | None = ...,
    save_every: int | None = ...,
    picture_every: int | None = ...,
    evaluate: int | None = ...,
    keep: Keep = ...,
    callbacks: Sequence[Callback] | None = ...,
    critic: Critic | None = ...,
    critic_lr: float | None = ...,
    critic_steps: int | None = ...,
    optimizer: Optimizer | None = ...,
    adversarial_weight: float | None = ...,
    game: str | GameFactory | None = ...,
    resume_with: Mapping[str, Any] | None = ...,
    warm_start: str | Path | None = ...,
    page: bool = ...,
    **options: Any,
) -> Run: ...


@overload
def fit(
    task: str | Task = ...,
    objective: Spec | None = ...,
    data: Any = ...,
    *,
    seeds: Sequence[int],
    **settings: Any,
) -> list[Run]: ...


@checked
@training_modes()
def fit(
    task: str | Task = "generate",
    objective: Spec | None = None,
    data: Any = None,
    *,
    steps: Count | None = None,
    batch_size: Count | None = None,
    accumulate: Count = 1,
    lr: Positive | None = None,
    seed: Seed = 0,
    seeds: Sequence[Seed] | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    compile: bool = False,
    capture: bool = True,
    out: str | Path | None = None,
    save_every: int | None = None,
    picture_every: int | None = None,
    evaluate: int | None = None,
    keep: Keep = "last",
    callbacks: Sequence[Callback] | None = None,
    critic: Critic | None = None,
    critic_lr: Positive | None = None,
    critic_steps: Count | None = None,
    optimizer: Optimizer | None = None,
    adversarial_weight: NonNegative | None = None,
    game: str | GameFactory | None = None,
    resume_with: Mapping[str, Any] | None = None,
    warm_start: str | Path | None = None,
    page: bool = False,
    **options: Any,
) -> Any:
    """Train a method or a task.

    Args:
        task: The name of a method (``"dann"``, ``"wgan-gp + r1"``) or of a task (``"generate"``),
            optionally with options in brackets: ``"generate(conditional=True)"``; or a `Task` of
            your modules. A task without a method and an objective is trained by its first method.
        objective: A spec such as ``"hinge + spectral_norm"``, or an object; None: the method's.
        data: Data that the task accepts: a name, an array or tensor, (x, y), a Dataset, a
            DataLoader, a folder of images; None: the small example data set of the method.
        steps: Steps of the learner; None: the method's.
        batch_size: Samples in a batch, over all processes; None: the method's, or all of a smaller
            data set.
        accumulate: Parts into which each batch is split, for batches that do not fit into memory:
            their gradients are added before critics or learner move.
        lr: Learning rate of the learner and the critics; None: the method's.
        seed: Seed of the whole run; the state of the global generators does not change.
        seeds: Seeds of several runs, such as ``range(16)``, whose steps are computed as one: a list
            of runs is returned, each equal to that of its seed up to rounding, in the folder
            ``seed-N`` of `out`. A warning says why where they train one after another instead.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        precision: ``"fp32"``, ``"tf32"`` or ``"bf16"``; penalties are not in bf16.
        compile: Compile the losses of critics and learner, penalties included.
        capture: On CUDA, replay each training step as one CUDA graph, with the same results; a
            warning says why where a game cannot be captured. It has no effect on a CPU.
        out: Folder for checkpoint, images and TensorBoard log. The same call with the same folder
            resumes a run that was stopped or killed; a call with other settings or other data, and
            a folder that another run writes to, are refused. None writes no files.
        save_every: Steps between two checkpoints; None: 1,000. The first Ctrl-C, or SIGTERM, stops
            the run after its step and saves it; a second Ctrl-C stops at once.
        picture_every: Steps between two pictures of each kind; None: 1,000.
        evaluate: Steps between two evaluations on a held-out tenth of the data, at most 1,000
            samples, which is not trained on; see `Run.evaluations`. Samples are compared as raw
            vectors, by their Frechet distance first. None holds nothing out.
        keep: ``"best"`` ends the run with the model that was best in these evaluations.
        callbacks: Callbacks in addition to those of `out`; None adds `Progress`. Networks that grow
            also get `ProgressiveGrowing` if the list has none.
        critic: The critic, or critics by the name of their adversary; None: sized from the data.
        critic_lr: Learning rate of the critics; None: `lr` or the method's.
        critic_steps: Critic steps for each step of the learner; None: the method's.
        optimizer: ``"adam"``, ``"rmsprop"``, ``"sgd"``, or a callable from a list of parameters to
            an optimizer, for learner and critics; None: the method's.
        adversarial_weight: Weight of the adversaries in the learner's loss; None: the method's.
        game: Rule that moves critics and learner together: ``"extragradient"``, ``"optimistic"``,
            ``"lookahead(k=5)"``, or a function that builds one from its sides; None: in turn.
        resume_with: New values of `lr`, `critic_lr`, `batch_size` or `steps` for the run in `out`,
            which otherwise resumes with equal settings and data only: ``{"lr": 1e-4}``.
        warm_start: Checkpoint or folder of another run; a new run starts at step 0 from its
            learner, critics, average and optimizers, with this call's rates and betas.
        page: Write ``run.html`` into `out` at the end, and after Ctrl-C: one file that plays the
            run, see `Run.page`.
        **options: Options of the task, as in brackets; `advlearn.describe(task)` lists them.

    Returns:
        The trained run; for a method of imitation an `advlearn.imitation` result. With `seeds` a
        list of them.

    Raises:
        ValueError: If an argument is refused; the message names it. No training has started.
        NonFiniteError: If a loss, a weight or a state of an optimizer stopped being finite.

    Example:
        >>> run = fit("geometric-gan", data="digits", steps=3, callbacks=())
        >>> run.sample(4).shape
        torch.Size([4, 1, 8, 8])
    """
    settings = AdversarySettings(
        critic, critic_lr, critic_steps, optimizer, adversarial_weight, game
    )
    # A callback may change the working folder.
    folder = None if out is None else Path(out).absolute()
    training = TrainingArguments(
        steps, batch_size, lr, seed, device, precision, compile, capture, folder, callbacks,
        save_every=save_every, picture_every=picture_every, warm_start=warm_start,
        evaluate=evaluate, keep=keep, page=page, accumulate=accumulate,
    )  # fmt: skip
    training, settings = _change(training, settings, check_changes(resume_with, CHANGEABLE, out))
    request, settings = _merge(
        _requested(task, objective, options), settings, built=isinstance(task, Task)
    )
    imitates = request.method.task == catalogue.IMITATION
    of_data = task if isinstance(task, Task) else request.method
    source = None if imitates else load_source(of_data, data)
    train = partial(_train, request, objective, data, source)
    if seeds is None:
        return train(task, settings, training)
    check_seeds(seeds, seed)
    each = arguments_of_each(training, seeds)
    reason = reason_against_building(request, settings, training)
    if reason is not None or len(seeds) == 1:
        return fit_one_by_one(train, task, settings, each, reason or "")
    chain = request.chain(objective)
    return fit_together(task, request, chain, source, settings, each)


def _train(
    request: Request,
    objective: Spec | None,
    data: Any,
    source: Any,
    task: str | Task,
    settings: AdversarySettings,
    training: TrainingArguments,
) -> Any:
    """Train one run."""
    method = request.method
    if method.task == catalogue.IMITATION:
        return _imitate(request, objective, data, settings, training)
    if method.first_stage is not None and not isinstance(task, Task):
        task = first_stage(request, objective, source, settings, training)
    return train_task(task, request, request.chain(objective), source, settings, training)


def _change(
    training: TrainingArguments, settings: AdversarySettings, changes: dict[str, Any]
) -> tuple[TrainingArguments, AdversarySettings]:
    """Return the arguments and settings with the changes of `resume_with`."""
    rates = {name: value for name, value in changes.items() if name.endswith("lr")}
    if rates and callable(settings.optimizer):
        raise ValueError(
            f"resume_with: expected an optimizer by name with {next(iter(rates))}, got a function, "
            "which sets its own rates; start a new run with warm_start="
        )
    if "critic_lr" in changes:
        settings = replace(settings, critic_lr=changes["critic_lr"])
    of_training = {name: value for name, value in changes.items() if name != "critic_lr"}
    return replace(training, **of_training, changed=tuple(changes)), settings


def _requested(task: str | Task, objective: Spec | None, options: dict[str, Any]) -> Request:
    """Parse the method, its options and its added terms, and check the names of the options."""
    if isinstance(task, Task):
        if options:
            raise ValueError(
                f"{next(iter(options))}: expected options only with the name of a task; set it on "
                f"the {type(task).__name__} instead"
            )
        names = {cls: name for name, cls in registry.tasks().items()}
        return Request(catalogue.default_method(names.get(type(task), type(task).__name__)))
    request = catalogue.request(task, objective)
    given = {**request.options, **options}
    if request.method.task != catalogue.IMITATION:
        catalogue.check_options(request.method, given, keywords_of_fit())
    return replace(request, options=given)


def keywords_of_fit() -> list[str]:
    """Return the keywords of `fit`, without the options of tasks."""
    parameters = inspect.signature(fit).parameters.values()
    return [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]


def _merge(
    request: Request, settings: AdversarySettings, *, built: bool
) -> tuple[Request, AdversarySettings]:
    """Move the adversarial weight to the options of the task, if the task has that option."""
    weight, name = settings.adversarial_weight, request.method.task
    if weight is None or name not in registry.tasks():
        return request, settings
    if "adversarial_weight" not in catalogue.task_options(name):
        return request, settings
    if built:
        raise ValueError(
            f"adversarial_weight: expected None with a Task instance, got {weight}; "
            "set it on the task"
        )
    options = {**request.options, "adversarial_weight": weight}
    return replace(request, options=options), replace(settings, adversarial_weight=None)


def load_source(task: Task | Method, data: Any) -> Any:
    """Load data in the form that a task expects.

    Args:
        task: A task, or a method of one.
        data: The user's data; None takes the example data of the method.
    """
    cls = registry.tasks()[task.task] if isinstance(task, Method) else type(task)
    if data is None:
        names = {known: name for name, known in registry.tasks().items()}
        method = task if isinstance(task, Method) else catalogue.default_method(names.get(cls, ""))
        data = method.data or "digits"
    return getattr(cls, "load_data", load_data)(data)


def _imitate(
    request: Request,
    objective: Spec | None,
    data: Any,
    settings: AdversarySettings,
    training: TrainingArguments,
) -> Any:
    """Train a policy with `imitate`, whose arguments have the same names as those of `fit`."""
    try:
        from advlearn.imitation import imitate, specify
    except ImportError as error:
        raise ImportError(
            f'task: imitation needs further packages: pip install "advlearn[rl]" ({error})'
        ) from None
    row, known = request.method, inspect.signature(imitate).parameters
    terms = f" + {request.terms}" if request.terms else ""
    default = () if row.name == catalogue.IMITATION else (row.name + terms,)
    spec = default if objective is None else (objective,)
    unsupported = {"compile": training.compile or None, "warm_start": training.warm_start}
    unsupported |= {"precision": None if training.precision == "fp32" else training.precision}
    unsupported |= {"evaluate": training.evaluate, "accumulate": training.accumulate > 1 or None}
    given = {"batch_size": training.batch_size, "critic_lr": training.lr, "out": training.out}
    given |= {"save_every": training.save_every, "picture_every": training.picture_every}
    given |= {"device": None if training.device == "auto" else training.device}
    # `imitate` reads the options of the row itself, from the method's name.
    changed = {k: v for k, v in request.options.items() if row.options.get(k) != v}
    given |= {"callbacks": training.callbacks, **settings.given(), **unsupported, **changed}
    given = {name: value for name, value in given.items() if value is not None}
    if training.changed:
        values = {**given, "lr": training.lr, "steps": training.steps}
        given["resume_with"] = {_OF_IMITATION.get(n, n): values[n] for n in training.changed}
    for name in given:
        if name not in known:
            raise ValueError(f"{name}: imitation has no such option; {catalogue.near(name, known)}")
    steps = training.steps
    # Behaviour cloning refuses steps in the environment, so it gets no default of them.
    if steps is None and not (spec and specify(*spec).cloning_only):
        steps = row.defaults.over(FALLBACK).steps
    demonstrations = row.data if data is None else data
    if demonstrations is None:
        raise ValueError("data: expected demonstrations, such as 'cartpole' or a file, got None")
    run = imitate(demonstrations, *spec, steps=steps, seed=training.seed, **given)
    if training.page and training.out is not None and launch.is_first():
        run.page(training.out / "run.html")
    return run
