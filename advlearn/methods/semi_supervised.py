"""Semi-supervised learning: a classifier from few labels and many samples."""

from advlearn.core.chain import Defaults
from advlearn.core.method import Method

NETWORKS = "a classifier, which is also the critic, and a generator, sized from the data"
DEFAULTS = Defaults(steps=2000, batch_size=64)

METHODS: tuple[Method, ...] = (
    Method(
        "improved-gan",
        task="semi_supervised",
        objective="improved-gan",
        summary="A classifier that is also the critic of a generator; feature matching.",
        defaults=DEFAULTS,
        data="digits:100",
        networks=NETWORKS,
    ),
    Method(
        "bad-gan",
        task="semi_supervised",
        objective="bad-gan",
        summary="A generator of samples of low density, which move the class boundaries.",
        defaults=DEFAULTS,
        data="digits:100",
        networks=NETWORKS,
    ),
)
