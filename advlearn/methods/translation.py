"""Translation of images: from pairs, and between two sets without pairs."""

from advlearn.core.described import Reference
from advlearn.core.method import Method

ARXIV = "https://arxiv.org/abs/"

METHODS: tuple[Method, ...] = (
    Method(
        "pix2pix",
        task="paired_translation",
        objective="nsgan",
        summary="Translate paired images: L1 distance and a conditional PatchGAN.",
        paper=Reference(
            "Image-to-Image Translation with Conditional Adversarial Networks",
            "Isola et al. 2017",
            "eq. 1 to 4",
            ARXIV + "1611.07004",
        ),
        options={"distance_weight": 100.0, "norm": "l1", "conditional": True},
        data="edges:digits",
        networks="a U-Net and a PatchGAN critic of (input, output)",
        deviations="no dropout noise in the generator.",
    ),
    Method(
        "srgan",
        task="paired_translation",
        objective="nsgan",
        summary="Super-resolution: squared distance and a critic of the large image.",
        paper=Reference(
            "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network",
            "Ledig et al. 2017",
            "eq. 3",
            ARXIV + "1609.04802",
        ),
        options={"distance_weight": 100.0, "norm": "l2", "conditional": False},
        data="small:digits",
        networks="SRGAN's residual generator and a PatchGAN critic of the output",
        deviations="the distance is of pixels unless the task has a `perceptual` network.",
    ),
    Method(
        "video-prediction",
        task="paired_translation",
        objective="nsgan",
        summary="Predict the next frame of a video from the last ones, without blur.",
        paper=Reference(
            "Deep multi-scale video prediction beyond mean square error",
            "Mathieu et al. 2016",
            "section 3.2",
            ARXIV + "1511.05440",
        ),
        options={"distance_weight": 100.0, "norm": "l1", "conditional": True},
        data="frames:digits",
        networks="a U-Net and a PatchGAN critic of (frames, next frame)",
        deviations="one scale, and no gradient difference loss.",
    ),
    Method(
        "cyclegan",
        task="unpaired_translation",
        objective="lsgan",
        summary="Translate between two sets without pairs; translating back restores the sample.",
        paper=Reference(
            "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
            "Zhu et al. 2017",
            "eq. 1 to 4 and section 5.2",
            ARXIV + "1703.10593",
        ),
        options={
            "cycle_weight": 10.0,
            "identity_weight": 5.0,
            "norm": "l1",
            "image_pool_size": 50,
        },
        data="digits <-> rotated-digits",
        networks="two residual generators and two PatchGAN critics",
        deviations="the learning rate is constant.",
    ),
    Method(
        "discogan",
        task="unpaired_translation",
        objective="nsgan",
        summary="CycleGAN's cycle with squared distances, no identity loss and no image pool.",
        paper=Reference(
            "Learning to Discover Cross-Domain Relations with Generative Adversarial Networks",
            "Kim et al. 2017",
            "eq. 3 to 8",
            ARXIV + "1703.05192",
        ),
        options={
            "cycle_weight": 1.0,
            "identity_weight": 0.0,
            "norm": "l2",
            "image_pool_size": 0,
        },
        data="digits <-> rotated-digits",
        networks="two residual generators and two PatchGAN critics",
        deviations="the networks are those of CycleGAN.",
    ),
)
