"""Fairness: predictions that are independent of a sensitive attribute."""

from typing import Any

from advlearn.core.chain import Defaults
from advlearn.core.described import Reference
from advlearn.core.method import Method

ARXIV = "https://arxiv.org/abs/"
DEFAULTS = Defaults(lr=3e-3, steps=1000, batch_size=512)
WARMUP = 0.1


def _row(name: str, objective: str, summary: str, paper: Reference, **row: Any) -> Method:
    options = {"warmup": WARMUP, **row.pop("options", {})}
    settings = {"defaults": DEFAULTS, "data": "biased-groups", **row}
    return Method(
        name,
        task="fairness",
        objective=objective,
        summary=summary,
        paper=paper,
        options=options,
        **settings,
    )


METHODS: tuple[Method, ...] = (
    _row(
        "zhang-2018",
        "predictive",
        "An adversary predicts the attribute from the prediction; gradients are projected.",
        Reference(
            "Mitigating Unwanted Biases with Adversarial Learning",
            "Zhang et al. 2018",
            "section 3 and eq. 1",
            ARXIV + "1801.07593",
        ),
        options={"gradient_combination": "project"},
        networks="a classifier sized from the data and an adversary of its output",
        deviations="the adversary gets the logit, not the probability, and has no weight in the "
        "first tenth of the steps.",
        aliases=("adversarial-debiasing",),
    ),
    _row(
        "laftr",
        "nsgan",
        "Features of a hidden layer that an adversary cannot trace back to the attribute.",
        Reference(
            "Learning Adversarially Fair and Transferable Representations",
            "Madras et al. 2018",
            "the method",
            ARXIV + "1802.06309",
        ),
        options={"layer": "features"},
        networks="a classifier sized from the data and a critic of its features",
        deviations="a cross-entropy in place of the group-normalised L1 loss, and no decoder.",
    ),
    _row(
        "louppe-2017",
        "predictive",
        "An adversary models the density of a numeric attribute given the prediction.",
        Reference(
            "Learning to Pivot with Adversarial Networks",
            "Louppe et al. 2017",
            "eq. 2 to 4",
            ARXIV + "1611.01046",
        ),
        data="biased-ages",
        networks="a classifier sized from the data and a mixture density network",
        aliases=("pivot",),
    ),
)
