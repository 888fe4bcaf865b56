"""Every objective by name on every task: three steps of `fit`, and its words."""

import math
from typing import Any, cast

import pytest
import torch

from advlearn.core import registry
from advlearn.core.grammar import describe, parse, resolve
from advlearn.core.objective import Setwise
from advlearn.core.task import Task
from advlearn.data import ArrayDataset, Pairs, TabularDataset, Unpaired, batches
from advlearn.data.compound import Domains, SemiSupervisedDataset
from advlearn.fitting import fit
from advlearn.testing import check_task
from advlearn.testing._found import games

POINTS = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(16) % 2
SOURCE = ArrayDataset(POINTS, LABELS, "points", classes=2)
TABLE = TabularDataset(
    POINTS, LABELS, {"sex": LABELS.roll(1) ^ (torch.arange(16) % 3 == 0), "age": POINTS[:, 1]}
)
# The data that each task is tried with.
DATA: dict[str, Any] = {
    "generate": SOURCE,
    "domain_adaptation": Domains((SOURCE,), ArrayDataset(POINTS + 1, LABELS, "moved", classes=2)),
    "fairness": TABLE,
    "semi_supervised": SemiSupervisedDataset(SOURCE, ArrayDataset(POINTS, None, "more")),
    "representation": SOURCE,
    "laplacian_pyramid": ArrayDataset(
        POINTS.repeat(1, 8).view(16, 1, 4, 4).tanh(), LABELS, "tiny", classes=2
    ),
    "disentangle": SOURCE,
    "ac_gan": SOURCE,
    "retrieval": SOURCE,
    "cross_modal": Pairs(POINTS, POINTS.flip(1)),
    "paired_translation": Pairs(torch.rand(16, 1, 8, 8), torch.rand(16, 2, 8, 8)),
    "unpaired_translation": Unpaired(SOURCE, ArrayDataset(POINTS[:9] + 1, None, "moved")),
}
# The keywords that each task is tried with; a task that is not here is tried as it is.
FORMS = {
    "generate": ("generate(latent=2)", "generate(latent=2, conditional=True)"),
    "domain_adaptation": (
        "domain_adaptation",
        "domain_adaptation(conditioning='predictions', entropy=True)",
        "domain_adaptation(conditioning='labels', gradient_reversal=True)",
    ),
    "fairness": (
        "fairness",
        "fairness(criterion='equalized_odds', gradient_combination='project')",
        "fairness(criterion='equal_opportunity', sensitive='sex', warmup=0.5, gradient_reversal=True, balance_groups=True)",
    ),
    "semi_supervised": ("semi_supervised(latent=2)",),
    "representation": (
        "representation(latent=2, base_channels=8)",
        "ali(latent=2, base_channels=8, prior='ring')",
        "bigbigan(latent=2, base_channels=8)",
        "aae(latent=2, base_channels=8, prior='mixture', labels=True)",
        "vae-gan(latent=2, base_channels=8)",
        "alpha-gan(latent=2, base_channels=8)",
        "vae(latent=2, base_channels=8)",
    ),
    "ac_gan": ("ac_gan(latent=2)",),
    "laplacian_pyramid": (
        "laplacian_pyramid(latent=2, base_channels=2)",
        "laplacian_pyramid(latent=2, base_channels=2, conditional=True)",
    ),
    "paired_translation": (
        "paired_translation(base_channels=4)",
        "paired_translation(base_channels=4, conditional=False, norm='l2')",
        "paired_translation(base_channels=4, adversarial_weight=0.0)",
    ),
    "unpaired_translation": (
        "unpaired_translation(base_channels=4)",
        "discogan(base_channels=4)",
    ),
    "retrieval": ("retrieval(samples_per_query=2)",),
    "cross_modal": ("cross_modal(latent=2)",),
    "disentangle": (
        "disentangle(codes=(3,), continuous=1, noise=2)",
        "disentangle(codes=(), continuous=1, noise=2)",
    ),
}
TASKS = [form for name in registry.tasks() for form in FORMS.get(name, (name,))]
REGULARIZERS = [f"nsgan + {e.name}" for e in registry.entries().values() if e.kind == "regularizer"]


def built(form: str) -> tuple[Task, Any]:
    """The task of a form, and the data it is tried with."""
    name = form.partition("(")[0]
    arguments = parse(form)[0].arguments
    return cast(Any, registry.tasks()[name]).from_data(DATA[name], **arguments), DATA[name]


# A task's first form meets everything, its other forms one objective of each kind of score.
DIAGONAL = ("nsgan", "wgan-gp", "began", "mmd", "mmd-gan", "sinkhorn", "predictive")
FIRST = [FORMS.get(name, (name,))[0] for name in registry.tasks()]
CROSSED = [
    (o, form) for form in TASKS for o in ([*games(), *REGULARIZERS] if form in FIRST else DIAGONAL)
]


@pytest.mark.parametrize(("objective", "form"), CROSSED)
def test_three_steps_or_a_reason(objective: str, form: str) -> None:
    task, data = built(form)
    reason = task.check_compatibility(resolve(objective).required_objective())
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
    terms = run.trainer.last_losses()
    assert terms and all(map(math.isfinite, terms.values())), terms
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
def test_every_task_is_one(form: str) -> None:
    task, data = built(form)
    check_task(task, next(batches(data, 6)))
