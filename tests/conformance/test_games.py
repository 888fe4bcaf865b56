"""Every objective by name on every task: three steps of `fit`, and its words."""

import math

import pytest
import torch

from advlearn.core import discovery
from advlearn.core.spec import describe, resolve
from advlearn.data import Source
from advlearn.fitting import fit
from advlearn.testing import check_task
from advlearn.testing._found import games

POINTS = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(16) % 2
SOURCE = Source(POINTS, LABELS, "points", classes=2)
# The keywords that each task is tried with; a task that is not here is tried as it is.
FORMS = {"generate": ("generate(latent=2)", "generate(latent=2, conditional=True)")}
TASKS = [form for name in discovery.tasks() for form in FORMS.get(name, (name,))]
REGULARIZERS = [f"nsgan + {e.name}" for e in discovery.entries().values() if e.kind == "regularizer"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("objective", [*games(), *REGULARIZERS])
def test_three_steps(objective: str, task: str) -> None:
    run = fit(task, objective, SOURCE, steps=3, batch_size=8, device="cpu", callbacks=())
    assert run.trainer is not None and run.trainer.step == 3
    terms = run.trainer.terms()
    assert terms and all(map(math.isfinite, terms.values())), terms
    assert all(p.isfinite().all() for p in run.task.parameters())
    assert all(health.verdict for health in run.health().values())


@pytest.mark.parametrize("name", [e.name for e in discovery.entries().values()])
def test_every_name_is_described(name: str) -> None:
    entry, text = discovery.lookup(name), describe(name)
    assert text.startswith(f"{name} = ")
    assert entry.reference.title in text and entry.reference.url in text
    chain = resolve(name)
    assert repr(chain) in text and repr(resolve(repr(chain))) == repr(chain)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", discovery.tasks())
def test_every_task_is_one(name: str, conditional: bool) -> None:
    if name != "generate" and conditional:
        pytest.skip(f"conditional: {name} has no such setting")
    settings = {"conditional": conditional} if name == "generate" else {}
    task = discovery.tasks()[name].for_data(SOURCE, **settings)
    check_task(task, (POINTS[:6], LABELS[:6]))
