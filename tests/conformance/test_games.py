"""Test that every task trains with every objective for two steps and every name is described."""

import math
from functools import cache
from typing import Any, cast

import pytest

from advlearn.core import registry
from advlearn.core.grammar import describe, parse, resolve
from advlearn.core.objective import Setwise
from advlearn.core.task import Task
from advlearn.data import batches
from advlearn.fitting import fit
from advlearn.testing import check_task
from advlearn.testing._found import different_games


def spec(name: str, options: Any) -> str:
    """Return the string that names a task with options."""
    keywords = ", ".join(f"{option}={value!r}" for option, value in options.items())
    return f"{name}({keywords})"


# Each task states its test data and options, so that a new file is tested without a list.
FORMS = {
    name: [spec(name, options) for options in cls.example_options]
    for name, cls in registry.tasks().items()
}
TASKS = [form for forms in FORMS.values() for form in forms]
DATA = {name: cls.example_data() for name, cls in registry.tasks().items()}
REGULARIZERS = [f"nsgan + {e.name}" for e in registry.entries().values() if e.kind == "regularizer"]
# A task's first form is trained with every objective, its other forms with one objective for each
# kind of critic output.
# The second step uses the state that the first one left; tests/device makes a third.
STEPS = 2
DIAGONAL = ("nsgan", "wgan-gp", "began", "mmd", "mmd-gan", "sinkhorn", "predictive")


def built(form: str) -> tuple[Task, Any]:
    """Build the task of a form and return it with its test data."""
    name = form.partition("(")[0]
    cls = cast(Any, registry.tasks()[name])
    return cls.from_data(DATA[name], **parse(form)[0].arguments), DATA[name]


# For reading only.
shared = cache(built)


def forms_by_critic() -> list[str]:
    """Return one form for each kind of critic inputs.

    A regularizer meets a task only through the critic and its samples: how many there are, their
    dimensions, whether they have classes, and how the critic joins them.
    """
    found: dict[str, str] = {}
    for forms in FORMS.values():
        for inputs in shared(forms[0])[0].critic_inputs().values():
            dimensions = [len(shape) for shape in inputs.shapes]
            labels = (len(inputs.classes), inputs.predicts is not None)
            found.setdefault(str((dimensions, labels, inputs.join)), forms[0])
    return sorted(set(found.values()))


GAMES = different_games()
TRIED = [
    (objective, form)
    for forms in FORMS.values()
    for form in forms
    for objective in (GAMES if form == forms[0] else DIAGONAL)
]
TRIED += [(chain, form) for form in forms_by_critic() for chain in REGULARIZERS]


@pytest.mark.parametrize(("objective", "form"), TRIED)
def test_every_task_trains_with_every_objective_or_gives_a_reason(
    objective: str, form: str
) -> None:
    task, data = shared(form)
    settings: dict[str, Any] = {"steps": STEPS, "batch_size": 8, "device": "cpu", "callbacks": ()}
    built_objective = resolve(objective).required_objective()
    reason = task.check_compatibility(built_objective)
    if reason is not None:
        with pytest.raises(ValueError, match=r"objective: .* cannot use") as error:
            fit(form, objective, data, **settings)
        assert reason in str(error.value)
        return
    if "entropy" in form and isinstance(built_objective, Setwise):
        with pytest.raises(ValueError, match="weights"):
            fit(form, objective, data, **settings)
        return
    run = fit(form, objective, data, **settings)
    assert run.trainer is not None and run.trainer.step == STEPS
    losses = run.trainer.last_losses()
    assert losses and all(map(math.isfinite, losses.values())), losses
    assert all(p.isfinite().all() for p in run.task.parameters())
    assert all(health.verdict for health in run.health().values())


@pytest.mark.parametrize("name", [e.name for e in registry.entries().values()])
def test_every_name_is_described(name: str) -> None:
    entry, text = registry.lookup(name), describe(name)
    assert text.startswith(f"{name} = ")
    assert entry.reference.title in text and entry.reference.url in text
    chain = resolve(name)
    assert repr(chain) in text and repr(resolve(repr(chain))) == repr(chain)


@pytest.mark.parametrize("form", TASKS)
def test_every_task_passes_the_checks(form: str) -> None:
    task, data = built(form)
    check_task(task, next(batches(data, 6)))


@pytest.mark.parametrize("form", TASKS)
def test_a_task_is_rebuilt_from_its_config(form: str) -> None:
    task, _ = built(form)
    config = task.config()
    assert config is not None
    again = type(task).from_config(config)
    assert again.config() == config
    again.load_state_dict(task.state_dict())


@pytest.mark.parametrize("name", FORMS)
def test_every_option_of_a_task_has_a_default_and_a_description(name: str) -> None:
    options = registry.tasks()[name].options()
    assert {option for form in FORMS[name] for option in parse(form)[0].arguments} <= set(options)
    for option, (_, default, doc) in options.items():
        assert doc and doc.count("\n") == 0, option
        assert not isinstance(default, type), option
