"""Plot the accuracy and the disparity of a classifier at several adversarial weights.

The data are UCI Adult if its files are in `ADVLEARN_DATA` (see `advlearn.data.adult`), and else a
small synthetic population.

python examples/fair_classifier.py [--steps 1000] [--criterion demographic_parity]
    [--picture frontier.png]
"""

import argparse

import numpy as np

from advlearn.data import adult
from advlearn.data.files import find
from advlearn.sklearn import AdversarialFairClassifier, frontier

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--criterion", default="demographic_parity")
parser.add_argument("--picture", default="frontier.png")
options = parser.parse_args()


def synthetic(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return synthetic applicants of two groups, one of which was favoured in the past."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, 2000)
    skill = rng.normal(size=2000)
    hired = (skill + 0.8 * group + 0.3 * rng.normal(size=2000) > 0.4).astype(int)
    return (
        np.stack([skill, group + 0.3 * rng.normal(size=2000), rng.normal(size=2000)], 1),
        hired,
        group,
    )


if find("adult", "adult.data") is not None:
    train, test = (adult(part).numpy() for part in ("train", "test"))
    train, test = ((x, y, sensitive["sex"]) for x, y, sensitive in (train, test))
else:
    train, test = synthetic(0), synthetic(1)

estimator = AdversarialFairClassifier(
    criterion=options.criterion, steps=options.steps, lr=1e-3, random_state=0
)
for point in frontier(estimator, train, test, (0.0, 1.0, 4.0), picture=options.picture):
    verdicts = "; ".join(point.estimator.health_.values())
    print(
        f"weight {point.adversarial_weight:g}: accuracy {point.score:.3f}, "
        f"difference {point.disparity:.3f}; {verdicts}"
    )
print(f"picture: {options.picture}")
