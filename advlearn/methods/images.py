"""Generative adversarial networks: generators of samples that resemble the data."""

from typing import Any

from advlearn.core.chain import Defaults
from advlearn.core.described import Reference
from advlearn.core.method import Method

ARXIV = "https://arxiv.org/abs/"
SIZED = "generator and critic sized from the data: convolutional from 16 pixels, else perceptrons"


def _generator(name: str, objective: str, summary: str, **row: Any) -> Method:
    settings: dict[str, Any] = {"task": "generate", "data": "digits", "networks": SIZED, **row}
    return Method(name, objective=objective, summary=summary, **settings)


def _network(
    name: str, objective: str, summary: str, paper: Reference, data: str = "digits-32"
) -> Method:
    return Method(
        name,
        task="generate",
        objective=objective,
        summary=summary,
        paper=paper,
        options={"architecture": name},
        data=data,
        networks=f"generator and critic of {paper.authors} (architecture={name!r})",
    )


METHODS: tuple[Method, ...] = (
    _generator("nsgan", "nsgan", "Non-saturating GAN: the generator maximises log D."),
    _generator("gan", "gan", "The original minimax game; its generator's gradient can vanish."),
    _generator("lsgan", "lsgan", "Least squares in place of the cross-entropy."),
    _generator("wgan", "wgan", "Wasserstein GAN: a critic with clipped weights, by RMSProp."),
    _generator("wgan-gp", "wgan-gp", "Wasserstein GAN with a gradient penalty on the critic."),
    _generator("cramer-gan", "cramer-gan", "Energy distance in the features of a critic."),
    _generator("dragan", "dragan", "Non-saturating GAN with a gradient penalty near the data."),
    _generator("geometric-gan", "geometric-gan", "Hinge loss, as in a support vector machine."),
    _generator("ls-gan", "ls-gan", "Loss-sensitive GAN: a margin that grows with the distance."),
    _generator("ebgan", "ebgan", "The critic is an autoencoder; its error is the energy."),
    _generator("began", "began", "An autoencoder critic held at an equilibrium of both errors."),
    _generator("ragan", "ragan", "Scores relative to the mean score of the other side."),
    _generator("rpgan", "rpgan", "Scores of real and fake samples compared in pairs."),
    _generator("f-gan", "f-gan", "Any f-divergence through its variational bound."),
    _generator("mmd-gan", "mmd-gan", "Maximum mean discrepancy in the features of a critic."),
    _generator("ot-gan", "ot-gan", "Minibatch energy distance with optimal transport costs."),
    _generator("imle", "imle", "Each real sample pulls its nearest generated sample; no critic."),
    _generator("vdb", "vdb", "A critic with an information bottleneck.", aliases=("vgan",)),
    _generator("ebm", "ebm", "An energy model and a generator that samples from it."),
    _generator(
        "cgan",
        "nsgan",
        "Conditional GAN: generator and critic also get the class or vector.",
        paper=Reference(
            "Conditional Generative Adversarial Nets",
            "Mirza and Osindero 2014",
            "eq. 2",
            ARXIV + "1411.1784",
        ),
        options={"conditional": True},
        deviations="architecture='cgan' concatenates the condition as the paper does; without it "
        "the critic projects on the condition.",
    ),
    _generator(
        "pacgan",
        "nsgan",
        "The critic scores two samples at once, so that it notices mode collapse.",
        paper=Reference(
            "PacGAN: The power of two samples in generative adversarial networks",
            "Lin et al. 2018",
            "section 3",
            ARXIV + "1712.04086",
        ),
        networks="generator sized from the data; a critic that scores packs of 2 samples",
        options={"pac": 2},
    ),
    _generator(
        "infogan",
        "nsgan",
        "Latent codes that a second network recovers from the samples.",
        task="disentangle",
        paper=Reference(
            "InfoGAN: Interpretable Representation Learning by Information Maximizing GANs",
            "Chen et al. 2016",
            "sections 4 to 6, eq. 5",
            ARXIV + "1606.03657",
        ),
        defaults=Defaults(lr=1e-3),
        deviations="the recognition network is separate from the critic.",
    ),
    _generator(
        "ac-gan",
        "nsgan",
        "Generation by class, with a classifier of the samples.",
        task="ac_gan",
        paper=Reference(
            "Conditional Image Synthesis with Auxiliary Classifier GANs",
            "Odena et al. 2017",
            "eq. 2 and 3",
            ARXIV + "1610.09585",
        ),
        deviations="the classifier is separate from the critic.",
    ),
    _generator(
        "lapgan",
        "nsgan",
        "A GAN for each level of a Laplacian pyramid, from coarse to fine.",
        task="laplacian_pyramid",
        paper=Reference(
            "Deep Generative Image Models using a Laplacian Pyramid of Adversarial Networks",
            "Denton et al. 2015",
            "section 3 and algorithm 1",
            ARXIV + "1506.05751",
        ),
        data="digits-32",
        networks="LAPGAN's generators and critics of each level",
    ),
    _network(
        "dcgan",
        "nsgan",
        "Convolutional generator and critic with batch normalisation.",
        Reference(
            "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial "
            "Networks",
            "Radford et al. 2016",
            "figure 1",
            ARXIV + "1511.06434",
        ),
    ),
    _network(
        "sngan",
        "sngan",
        "Residual networks, a hinge loss and a spectrally normalised critic.",
        Reference(
            "Spectral Normalization for Generative Adversarial Networks",
            "Miyato et al. 2018",
            "eq. 16 and 17, tables 4 and 5",
            ARXIV + "1802.05957",
        ),
    ),
    _network(
        "sagan",
        "hinge + spectral_norm",
        "Residual networks with self-attention and spectral normalisation.",
        Reference(
            "Self-Attention Generative Adversarial Networks",
            "Zhang et al. 2019",
            "sections 3 and 4, eq. 1 to 3",
            ARXIV + "1805.08318",
        ),
    ),
    _network(
        "biggan",
        "hinge + spectral_norm",
        "SAGAN with skip connections from z and a truncation trick.",
        Reference(
            "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
            "Brock et al. 2019",
            "sections 3 and 3.1",
            ARXIV + "1809.11096",
        ),
    ),
    _network(
        "progan",
        "wgan-gp",
        "Networks that grow with the resolution during training.",
        Reference(
            "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
            "Karras et al. 2018",
            "section 2 and table 2",
            ARXIV + "1710.10196",
        ),
    ),
    _network(
        "stylegan",
        "nsgan + r1(weight=1)",
        "A mapping network, styles for each layer, and noise.",
        Reference(
            "A Style-Based Generator Architecture for Generative Adversarial Networks",
            "Karras et al. 2019",
            "figure 1b and section 3.1",
            ARXIV + "1812.04948",
        ),
    ),
    _network(
        "r3gan",
        "r3gan",
        "Modern residual networks, a relativistic loss, R1 and R2.",
        Reference(
            "The GAN is dead; long live the GAN! A Modern GAN Baseline",
            "Huang et al. 2024",
            "eq. 2, 4 and figure 4",
            ARXIV + "2501.05441",
        ),
    ),
    _network(
        "gran",
        "nsgan",
        "A recurrent generator that draws on a canvas in several steps.",
        Reference(
            "Generating Images with Recurrent Adversarial Networks",
            "Im et al. 2016",
            "section 4, eq. 5 to 8",
            ARXIV + "1602.05110",
        ),
    ),
    _network(
        "psgan",
        "nsgan",
        "A fully convolutional generator of textures with periodic inputs.",
        Reference(
            "Learning Texture Manifolds with the Periodic Spatial GAN",
            "Bergmann et al. 2017",
            "section 3 and eq. 5",
            ARXIV + "1705.06566",
        ),
    ),
)
