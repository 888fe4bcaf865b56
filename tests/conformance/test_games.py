"""Every objective by name on every task: three steps of `fit`, and its words."""

import math
from typing import Any, cast

import pytest
import torch

from advlearn.core import discovery
from advlearn.core.objective import Setwise
from advlearn.core.spec import describe, parse, resolve
from advlearn.core.task import Task
from advlearn.data import Pairs, Source, Unpaired, batches
from advlearn.data.several import Domains, PartlyLabelled
from advlearn.data.table import Table
from advlearn.fitting import fit
from advlearn.testing import check_task
from advlearn.testing._found import games

POINTS = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(16) % 2
SOURCE = Source(POINTS, LABELS, "points", classes=2)
TABLE = Table(POINTS, LABELS, {"sex": LABELS.roll(1) ^ (torch.arange(16) % 3 == 0), "age": POINTS[:, 1]})
# The data that each task is tried with.
DATA: dict[str, Any] = {
    "generate": SOURCE,
    "adapt": Domains((SOURCE,), Source(POINTS + 1, LABELS, "moved", classes=2)),
    "debias": TABLE,
    "classify": PartlyLabelled(SOURCE, Source(POINTS, None, "more")),
    "encode": SOURCE,
    "pyramid": Source(POINTS.repeat(1, 8).view(16, 1, 4, 4).tanh(), LABELS, "tiny", classes=2),
    "disentangle": SOURCE,
    "auxiliary": SOURCE,
    "retrieve": SOURCE,
    "tag": Pairs(POINTS, POINTS.flip(1)),
    "translate": Pairs(torch.rand(16, 1, 8, 8), torch.rand(16, 2, 8, 8)),
    "cycle": Unpaired(SOURCE, Source(POINTS[:9] + 1, None, "moved")),
}
# The keywords that each task is tried with; a task that is not here is tried as it is.
FORMS = {
    "generate": ("generate(latent=2)", "generate(latent=2, conditional=True)"),
    "adapt": ("adapt", "adapt(beside='predictions', entropy=True)", "adapt(beside='labels', reversal=True)"),
    "debias": (
        "debias",
        "debias(criterion='equalized_odds', combine='project')",
        "debias(criterion='equal_opportunity', protect='sex', warmup=0.5, reversal=True, balance=True)",
    ),
    "classify": ("classify(latent=2)",),
    "encode": (
        "encode(latent=2, width=8)",
        "encode(latent=2, width=8, method='ali', prior='ring')",
        "encode(latent=2, width=8, method='bigbigan')",
        "encode(latent=2, width=8, method='aae', prior='mixture', labels=True)",
        "encode(latent=2, width=8, method='vae-gan')",
        "encode(latent=2, width=8, method='alpha-gan')",
        "encode(latent=2, width=8, method='vae')",
    ),
    "auxiliary": ("auxiliary(latent=2)",),
    "pyramid": ("pyramid(latent=2, width=2)", "pyramid(latent=2, width=2, conditional=True)"),
    "translate": (
        "translate(width=4)",
        "translate(width=4, conditional=False, norm='l2')",
        "translate(width=4, strength=0.0)",
    ),
    "cycle": ("cycle(width=4)", "cycle(width=4, method='discogan')"),
    "retrieve": ("retrieve(draws=2)",),
    "tag": ("tag(latent=2)",),
    "disentangle": ("disentangle(codes=(3,), continuous=1, noise=2)", "disentangle(codes=(), continuous=1, noise=2)"),
}
TASKS = [form for name in discovery.tasks() for form in FORMS.get(name, (name,))]
REGULARIZERS = [f"nsgan + {e.name}" for e in discovery.entries().values() if e.kind == "regularizer"]


def built(form: str) -> tuple[Task, Any]:
    """The task of a form, and the data it is tried with."""
    name = form.partition("(")[0]
    arguments = parse(form)[0].arguments
    return cast(Any, discovery.tasks()[name]).for_data(DATA[name], **arguments), DATA[name]


# A task's first form meets everything, its other forms one objective of each kind of score.
DIAGONAL = ("nsgan", "wgan-gp", "began", "mmd", "mmd-gan", "sinkhorn", "predictive")
FIRST = [FORMS.get(name, (name,))[0] for name in discovery.tasks()]
CROSSED = [(o, form) for form in TASKS for o in ([*games(), *REGULARIZERS] if form in FIRST else DIAGONAL)]


@pytest.mark.parametrize(("objective", "form"), CROSSED)
def test_three_steps_or_a_reason(objective: str, form: str) -> None:
    task, data = built(form)
    reason = task.refuses(resolve(objective).required_objective())
    weighs = "entropy" in form and not resolve(objective).required_objective().pointwise
    if reason is not None:
        with pytest.raises(ValueError, match=r"objective: .* cannot use") as error:
            fit(form, objective, data, steps=3, batch_size=8, device="cpu", callbacks=())
        assert reason in str(error.value)
        return
    if weighs and isinstance(resolve(objective).objective, Setwise):
        with pytest.raises(ValueError, match="weights"):
            fit(form, objective, data, steps=3, batch_size=8, device="cpu", callbacks=())
        return
    run = fit(form, objective, data, steps=3, batch_size=8, device="cpu", callbacks=())
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


@pytest.mark.parametrize("form", TASKS)
def test_every_task_is_one(form: str) -> None:
    task, data = built(form)
    check_task(task, next(batches(data, 6)))
