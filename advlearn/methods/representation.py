"""Encoders and generators: bidirectional GANs and autoencoders."""

from typing import Any

from advlearn.core.described import Reference
from advlearn.core.method import Method

ARXIV = "https://arxiv.org/abs/"
NETWORKS = "encoder, generator and critics sized from the data"


def _row(name: str, summary: str, paper: Reference, **row: Any) -> Method:
    options = row.pop("options")
    settings = {"objective": "nsgan", "data": "digits", "networks": NETWORKS, **row}
    return Method(
        name, task="representation", summary=summary, paper=paper, options=options, **settings
    )


METHODS: tuple[Method, ...] = (
    _row(
        "bigan",
        "An encoder and a generator against a critic of (sample, code) pairs.",
        Reference(
            "Adversarial Feature Learning", "Donahue et al. 2017", "eq. 3", ARXIV + "1605.09782"
        ),
        options={"compare": ("joint",)},
    ),
    _row(
        "ali",
        "BiGAN with a stochastic encoder.",
        Reference(
            "Adversarially Learned Inference", "Dumoulin et al. 2017", "eq. 3", ARXIV + "1606.00704"
        ),
        options={"compare": ("joint",), "stochastic": True},
    ),
    _row(
        "bigbigan",
        "ALI whose critic also scores the sample and the code separately.",
        Reference(
            "Large Scale Adversarial Representation Learning",
            "Donahue and Simonyan 2019",
            "section 2",
            ARXIV + "1907.02544",
        ),
        options={"compare": ("joint",), "stochastic": True, "marginal_terms": True},
        deviations="the three terms of the critic are averaged, not summed; the networks are "
        "sized from the data.",
    ),
    _row(
        "aae",
        "An autoencoder whose codes a critic holds to a prior.",
        Reference(
            "Adversarial Autoencoders", "Makhzani et al. 2016", "section 2", ARXIV + "1511.05644"
        ),
        options={"compare": ("codes",), "reconstruction": 0.1},
        deviations="one optimizer and one step for both losses.",
        aliases=("adversarial-autoencoder",),
    ),
    _row(
        "vae",
        "Variational autoencoder: reconstruction and a KL divergence, no critic.",
        Reference(
            "Auto-Encoding Variational Bayes",
            "Kingma and Welling 2014",
            "eq. 10",
            ARXIV + "1312.6114",
        ),
        options={"compare": (), "stochastic": True, "reconstruction": 10.0, "kl": 1.0},
        networks="encoder and generator sized from the data; no critic",
    ),
    _row(
        "vae-gan",
        "A VAE whose samples a critic compares with the data.",
        Reference(
            "Autoencoding beyond pixels using a learned similarity metric",
            "Larsen et al. 2016",
            "eq. 8",
            ARXIV + "1512.09300",
        ),
        options={"compare": ("samples",), "stochastic": True, "reconstruction": 10.0, "kl": 1.0},
        deviations="the reconstruction is of the samples, not of a layer of the critic.",
    ),
    _row(
        "alpha-gan",
        "An autoencoder with a critic of codes and a critic of samples.",
        Reference(
            "Variational Approaches for Auto-Encoding Generative Adversarial Networks",
            "Rosca et al. 2017",
            "section 3",
            ARXIV + "1706.04987",
        ),
        options={"compare": ("codes", "samples"), "reconstruction": 0.1},
    ),
    _row(
        "autoencoder",
        "Reconstruction only, no prior and no critic.",
        Reference(
            "Reducing the Dimensionality of Data with Neural Networks",
            "Hinton and Salakhutdinov 2006",
            "the autoencoder",
            "https://doi.org/10.1126/science.1127647",
        ),
        options={"compare": (), "reconstruction": 1.0},
        networks="encoder and generator sized from the data; no critic",
    ),
)
