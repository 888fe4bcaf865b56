"""A classifier that learns from unlabelled samples too."""

from typing import Any, Self, final

import numpy as np
import torch

from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import SemiSupervisedDataset
from advlearn.nets import MLPGenerator, MLPPredictor
from advlearn.sklearn._base import Classifier
from advlearn.tasks.semi_supervised import SemiSupervised
from advlearn.training import rng

UNLABELLED = -1


@final
class SemiSupervisedGANClassifier(Classifier):
    """A classifier that is also the critic of a generator, and so learns from samples without a class.

    There is no `partial_fit`: predictions are those of weights averaged over a whole run, and a
    part of the data may hold no label at all.

    Args:
        objective: A pointwise objective of logits, such as ``"nsgan"``, or ``"improved-gan"`` with
            feature matching.
        latent: Size of the generator's latent vector.
        hidden: Sizes of the hidden layers of classifier and generator.
        steps: Training steps.
        batch_size: Labelled and unlabelled samples in a batch, each.
        lr: Adam's learning rate.
        random_state: Seed, generator or None.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes:
        classes_: Classes, sorted, without -1.
        task_: The trained `SemiSupervised` task.
        health_: What the adversary's last batch says, in words.
    """

    def __init__(
        self,
        objective: Any = "improved-gan",
        *,
        latent: int = 16,
        hidden: tuple[int, ...] = (64, 64),
        steps: int = 1000,
        batch_size: int = 64,
        lr: float = 3e-3,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.objective = objective
        self.latent = latent
        self.hidden = hidden
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any) -> Self:
        """Train.

        Args:
            X: Samples, (n, d).
            y: Classes, (n,); -1 where there is none, as in ``sklearn.semi_supervised``. Without any
                -1 the labelled samples serve for the unlabelled ones too.

        Returns:
            The estimator.

        Raises:
            ValueError: If no sample has a class.
        """
        x, target = self._checked(X, y)
        known = (
            target != UNLABELLED
            if target.dtype.kind in "iu" and _has_unlabelled(target)
            else target == target
        )
        if not known.any():
            raise ValueError("y: expected some samples with a class, got -1 (unlabelled) for all")
        self.classes_, codes = np.unique(target[known], return_inverse=True)
        k = max(2, len(self.classes_))
        few = ArrayDataset(
            x[torch.from_numpy(known)], torch.from_numpy(codes.astype(np.int64)), "labelled", k
        )
        data = SemiSupervisedDataset(few, ArrayDataset(x, None, "unlabelled"))
        with rng.isolated(self._seed()):
            generator = MLPGenerator(self.latent, data.shape, self.hidden)
            classifier = MLPPredictor(data.shape, k, self.hidden)
        self._train(
            SemiSupervised(generator, classifier, latent=self.latent, shape=data.shape), data
        )
        return self


def _has_unlabelled(y: np.ndarray) -> bool:
    """Whether -1 means "no class": it does unless it is one of just two classes, as in {-1, 1}."""
    return UNLABELLED in y and set(np.unique(y)) != {UNLABELLED, 1}
