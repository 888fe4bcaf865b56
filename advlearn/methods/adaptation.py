"""Domain adaptation: a classifier for a domain without labels."""

from typing import Any

from advlearn.core.chain import Defaults
from advlearn.core.described import Reference
from advlearn.core.method import Method

ARXIV = "https://arxiv.org/abs/"
DATA = "digits->rotated-digits"
DEFAULTS = Defaults(lr=1e-3, steps=2000, batch_size=64)
CRITIC = "a classifier sized from the data and a critic of its features"
NO_CRITIC = "a classifier sized from the data; no trained critic"


def _row(name: str, objective: str, summary: str, paper: Reference, **row: Any) -> Method:
    settings = {"defaults": DEFAULTS, "data": DATA, "networks": CRITIC, **row}
    return Method(
        name,
        task="domain_adaptation",
        objective=objective,
        summary=summary,
        paper=paper,
        **settings,
    )


_CDAN = Reference(
    "Conditional Adversarial Domain Adaptation", "Long et al. 2018", "eq. 5", ARXIV + "1705.10667"
)

METHODS: tuple[Method, ...] = (
    _row(
        "dann",
        "nsgan",
        "Features that a domain critic cannot tell apart.",
        Reference(
            "Domain-Adversarial Training of Neural Networks",
            "Ganin et al. 2016",
            "eq. 9",
            ARXIV + "1505.07818",
        ),
        deviations="critic and classifier alternate unless gradient_reversal=True; Adam in place "
        "of SGD.",
    ),
    _row(
        "cdan",
        "nsgan",
        "DANN whose critic also gets the predictions.",
        _CDAN,
        options={"conditioning": "predictions"},
        deviations="no random projection of large products.",
    ),
    _row(
        "cdan+e",
        "nsgan",
        "CDAN that counts samples by the certainty of their predictions.",
        Reference(_CDAN.title, _CDAN.authors, "eq. 5 and 8", _CDAN.url),
        options={"conditioning": "predictions", "entropy": True},
        deviations="no random projection of large products.",
        aliases=("cdan-e",),
    ),
    _row(
        "adda",
        "nsgan",
        "Train a source classifier, then target features that match its features.",
        Reference(
            "Adversarial Discriminative Domain Adaptation",
            "Tzeng et al. 2017",
            "the two stages of training",
            ARXIV + "1702.05464",
        ),
        first_stage={"adversarial_weight": 0.0},
        second_stage="adda",
        deviations="each stage takes the given number of steps.",
    ),
    _row(
        "wdgrl",
        "wgan-gp",
        "The Wasserstein distance of the features, by a critic with a gradient penalty.",
        Reference(
            "Wasserstein Distance Guided Representation Learning for Domain Adaptation",
            "Shen et al. 2018",
            "the method",
            ARXIV + "1707.01217",
        ),
    ),
    _row(
        "dan",
        "mmd",
        "The maximum mean discrepancy of the features.",
        Reference(
            "Learning Transferable Features with Deep Adaptation Networks",
            "Long et al. 2015",
            "the method",
            ARXIV + "1502.02791",
        ),
        networks=NO_CRITIC,
        deviations="one layer is compared, not several; the kernel is that of `mmd`.",
    ),
    _row(
        "deep-coral",
        "coral",
        "The distance of the covariances of the features.",
        Reference(
            "Deep CORAL: Correlation Alignment for Deep Domain Adaptation",
            "Sun and Saenko 2016",
            "eq. 1",
            ARXIV + "1607.01719",
        ),
        networks=NO_CRITIC,
    ),
    _row(
        "deepjdot",
        "assignment",
        "Optimal transport of features and labels together.",
        Reference(
            "DeepJDOT: Deep Joint Distribution Optimal Transport for Unsupervised Domain "
            "Adaptation",
            "Damodaran et al. 2018",
            "the method",
            ARXIV + "1803.10081",
        ),
        options={"conditioning": "labels"},
        networks=NO_CRITIC,
        deviations="labels are compared by squared distance, not by cross-entropy.",
    ),
)
