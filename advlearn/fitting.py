"""Train a method or a task with one call."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from advlearn import catalogue
from advlearn.catalogue import Request
from advlearn.core import registry
from advlearn.core.chain import FALLBACK
from advlearn.core.grammar import Spec
from advlearn.core.method import Method
from advlearn.core.settings import AdversarySettings, Critic, Optimizer
from advlearn.core.task import Task
from advlearn.core.trainer import Callback
from advlearn.data import load as load_data
from advlearn.run import Run
from advlearn.train_task import TrainingArguments, train_task
from advlearn.training.device import Precision

FIRST_STAGE = "first-stage"
"""Folder, inside the folder of a run, of the first of two stages."""


def fit(
    task: str | Task = "generate",
    objective: Spec | None = None,
    data: Any = None,
    *,
    steps: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "fp32",
    compile: bool = False,
    out: str | Path | None = None,
    callbacks: Sequence[Callback] | None = None,
    critic: Critic | None = None,
    critic_lr: float | None = None,
    critic_steps: int | None = None,
    optimizer: Optimizer | None = None,
    adversarial_weight: float | None = None,
    **options: Any,
) -> Run:
    """Train a method or a task.

    Args:
        task: The name of a method (``"dann"``, ``"wgan-gp + r1"``) or of a task (``"generate"``),
            with options in brackets if you like: ``"generate(conditional=True)"``; or a `Task` of
            your modules. A task without a method and an
            objective is trained by its first method.
        objective: A spec such as ``"hinge + spectral_norm"``, or an object; None: the method's.
        data: Whatever the task takes: a name, an array or tensor, (x, y), a Dataset, a DataLoader,
            a folder of images; None: a small data set that the method can be tried on.
        steps: Steps of the learner; None: the method's.
        batch_size: Samples in a batch, over all processes; None: the method's, or all of a smaller
            data set.
        lr: Learning rate of the learner and the critics; None: the method's.
        seed: Controls the whole run; the global generators are left untouched.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        precision: ``"fp32"``, ``"tf32"`` or ``"bf16"``; penalties stay in full precision.
        compile: Compile the losses of critics and learner, penalties included.
        out: Folder for checkpoint, pictures and TensorBoard log. The same call with the same folder
            resumes a run that was stopped or killed. None writes nothing.
        callbacks: Added to those of `out`; None also shows progress. Networks that grow get
            `ProgressiveGrowing` unless it is among them.
        critic: The critic, or critics by the name of their adversary; None: sized from the data.
        critic_lr: Learning rate of the critics; None: `lr` or the method's.
        critic_steps: Critic steps for each step of the learner; None: the method's.
        optimizer: ``"adam"``, ``"rmsprop"``, ``"sgd"``, or a callable from a list of parameters to
            an optimizer, for learner and critics; None: the method's.
        adversarial_weight: Weight of the adversaries in the learner's loss; None: the method's.
        **options: Options of the task, as in the brackets; `advlearn.describe(task)` lists them.

    Returns:
        The trained run; for a method of imitation an `advlearn.imitation` result.

    Raises:
        ValueError: If an argument is refused; one line names it, before any training.
        NonFiniteError: If a loss stopped being finite.

    Example:
        >>> run = fit("geometric-gan", data="digits", steps=3, callbacks=())
        >>> run.sample(4).shape
        torch.Size([4, 1, 8, 8])
    """
    settings = AdversarySettings(critic, critic_lr, critic_steps, optimizer, adversarial_weight)
    folder = None if out is None else Path(out)
    how = (steps, batch_size, lr, seed, device, precision, compile, folder, callbacks)
    training = TrainingArguments(*how)
    asked, settings = _merge(
        _requested(task, objective, options), settings, built=isinstance(task, Task)
    )
    method = asked.method
    if method.task == catalogue.IMITATION:
        return _imitate(asked, objective, data, settings, training)
    source = load_source(task if isinstance(task, Task) else method, data)
    if method.first_stage is not None and not isinstance(task, Task):
        task = _first_stage(asked, objective, source, settings, training)
    return train_task(task, asked, asked.chain(objective), source, settings, training)


def _requested(task: str | Task, objective: Spec | None, options: dict[str, Any]) -> Request:
    """Read the method, its options and its added terms, and check the names of the options."""
    if isinstance(task, Task):
        if options:
            raise ValueError(
                f"{next(iter(options))}: expected options only with a task by name; set it on "
                f"the {type(task).__name__} instead"
            )
        names = {cls: name for name, cls in registry.tasks().items()}
        return Request(catalogue.default_method(names.get(type(task), type(task).__name__)))
    asked = catalogue.request(task, objective)
    given = {**asked.options, **options}
    if asked.method.task != catalogue.IMITATION:
        catalogue.check_options(asked.method, given, keywords_of_fit())
    return replace(asked, options=given)


def keywords_of_fit() -> list[str]:
    """Return the keywords of `fit`, without the options of tasks."""
    parameters = inspect.signature(fit).parameters.values()
    return [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]


def _merge(
    asked: Request, settings: AdversarySettings, *, built: bool
) -> tuple[Request, AdversarySettings]:
    """Give the weight of the adversaries to the task where it is an option of the task."""
    weight, name = settings.adversarial_weight, asked.method.task
    if weight is None or name not in registry.tasks():
        return asked, settings
    if "adversarial_weight" not in catalogue.task_options(name):
        return asked, settings
    if built:
        raise ValueError(
            f"adversarial_weight: expected None with a task that is built, got {weight}; "
            "set it on the task"
        )
    options = {**asked.options, "adversarial_weight": weight}
    return replace(asked, options=options), replace(settings, adversarial_weight=None)


def load_source(task: Task | Method, data: Any) -> Any:
    """Load data as a task takes it.

    Args:
        task: A task, or a method of one.
        data: What the user gave; None takes the data of the method.
    """
    cls = registry.tasks()[task.task] if isinstance(task, Method) else type(task)
    if data is None:
        names = {known: name for name, known in registry.tasks().items()}
        method = task if isinstance(task, Method) else catalogue.default_method(names.get(cls, ""))
        data = method.data or "digits"
    return getattr(cls, "load_data", load_data)(data)


def _imitate(
    asked: Request,
    objective: Spec | None,
    data: Any,
    settings: AdversarySettings,
    training: TrainingArguments,
) -> Any:
    """Train a policy; the settings of `fit` reach `imitate` under their own names."""
    try:
        from advlearn.imitation import imitate, specify
    except ImportError as error:
        raise ImportError(
            f'task: imitation needs more packages: pip install "advlearn[rl]" ({error})'
        ) from None
    row, known = asked.method, inspect.signature(imitate).parameters
    terms = f" + {asked.terms}" if asked.terms else ""
    named = () if row.name == catalogue.IMITATION else (row.name + terms,)
    spec = named if objective is None else (objective,)
    refused = {"compile": training.compile or None}
    refused |= {"precision": None if training.precision == "fp32" else training.precision}
    given = {"batch_size": training.batch_size, "critic_lr": training.lr, "out": training.out}
    given |= {"device": None if training.device == "auto" else training.device}
    # The options of the row are read by `imitate` itself, from the method's name.
    stated = {k: v for k, v in asked.options.items() if row.options.get(k) != v}
    given |= {"callbacks": training.callbacks, **settings.given(), **refused, **stated}
    given = {name: value for name, value in given.items() if value is not None}
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
    return imitate(demonstrations, *spec, steps=steps, seed=training.seed, **given)


def _first_stage(
    asked: Request,
    objective: Spec | None,
    source: Any,
    settings: AdversarySettings,
    training: TrainingArguments,
) -> Task:
    """Train the first stage of a method with two, and return the task of the second."""
    method = asked.method
    # The options of the second stage are checked before the first one is trained.
    known = inspect.signature(getattr(registry.tasks()[method.task], method.second_stage))
    names = [name for name in known.parameters if name != "self"]
    for name in asked.options:
        if name not in names:
            hint = catalogue.near(name, names)
            raise ValueError(f"{name}: {method.name} has no such option; {hint}")
    first = replace(asked, options={**asked.options, **cast(Any, method.first_stage)})
    folder = None if training.out is None else training.out / FIRST_STAGE
    how = replace(training, out=folder)
    run = train_task(method.task, first, asked.chain(objective), source, settings, how)
    following = getattr(run.ema_model, method.second_stage)
    return following(**asked.options)
