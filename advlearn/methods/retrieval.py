"""Retrieval: documents for a query, and words for a sample."""

from advlearn.core.described import Reference
from advlearn.core.method import Method

ARXIV = "https://arxiv.org/abs/"

METHODS: tuple[Method, ...] = (
    Method(
        "irgan",
        task="retrieval",
        objective="nsgan",
        summary="A retriever draws documents for a query; a critic tells them from relevant ones.",
        paper=Reference(
            "IRGAN: A Minimax Game for Unifying Generative and Discriminative Information "
            "Retrieval Models",
            "Wang et al. 2017",
            "section 2.1, eq. 3 to 5",
            ARXIV + "1705.10513",
        ),
        data="digits",
        networks="a retriever and a critic of (query, document) sized from the data",
        deviations="the baseline is the mean loss of the query's other draws.",
    ),
    Method(
        "cross-modal-cgan",
        task="cross_modal",
        objective="nsgan",
        summary="Generate word vectors from features, and tag samples with the nearest words.",
        paper=Reference(
            "Conditional Generative Adversarial Nets",
            "Mirza and Osindero 2014",
            "section 4.2",
            ARXIV + "1411.1784",
        ),
        data="tags:digits",
        networks="a perceptron from features and noise to vectors, and a critic of both",
        deviations="features are given; the paper takes them from a network trained on ImageNet.",
        aliases=("word-vectors",),
    ),
)
