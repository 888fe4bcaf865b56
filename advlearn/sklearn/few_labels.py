"""Classify with few labels, by learning from unlabelled samples too."""

import inspect
from typing import Any, Self, cast, final

import numpy as np
import torch

from advlearn.core.arguments import Count, NonNegative, Positive
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import SemiSupervisedDataset
from advlearn.nets import MLPGenerator, MLPPredictor
from advlearn.sklearn._base import Classifier
from advlearn.tasks.semi_supervised import SemiSupervised

UNLABELLED = -1


@final
class SemiSupervisedGANClassifier(Classifier):
    """Train a classifier that is also the critic of a generator, from few labels.

    There is no `partial_fit`: predictions are those of weights averaged over a whole run, and a
    part of the data may hold no labels. A parameter of None takes the method's default.

    Args:
        method: A semi-supervised method: ``"improved-gan"`` (the default) or ``"bad-gan"``.
        objective: A pointwise objective of logits, such as ``"nsgan"``, instead of the method's.
        latent: Size of the generator's latent vector.
        adversarial_weight: Weight of the critic in the generator's loss.
        hidden: Sizes of the hidden layers of classifier and generator.
        steps: Training steps.
        batch_size: Samples in a batch, at most as many as there are.
        lr: Learning rate of the model and the critics.
        critic_lr: Learning rate of the critics.
        critic_steps: Critic steps for each step of the model.
        optimizer: ``"adam"``, ``"rmsprop"``, ``"sgd"``, or a callable from a list of parameters to
            an optimizer.
        random_state: Seed, generator or None; an integer is the seed of `advlearn.fit`.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes:
        classes_: Classes, sorted, without -1.
        task_: The trained `SemiSupervised` task.
        health_: Verdict on the adversary's last batch, in words.
    """

    TASK = "semi_supervised"
    OPTIONS = ("latent",)

    def __init__(
        self,
        method: str | None = None,
        *,
        objective: Any = None,
        latent: Count | None = None,
        adversarial_weight: NonNegative | None = None,
        hidden: tuple[Count, ...] | None = None,
        steps: Count | None = None,
        batch_size: Count | None = None,
        lr: Positive | None = None,
        critic_lr: Positive | None = None,
        critic_steps: Count | None = None,
        optimizer: Any = None,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.method = method
        self.objective = objective
        self.latent = latent
        self.adversarial_weight = adversarial_weight
        self.hidden = hidden
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.critic_lr = critic_lr
        self.critic_steps = critic_steps
        self.optimizer = optimizer
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any) -> Self:
        """Train.

        Args:
            X: Samples, (n, d).
            y: Classes, (n,); -1 without a class, as in ``sklearn.semi_supervised``. Without any -1
                the labelled samples are also used as unlabelled ones.

        Returns:
            The estimator.

        Raises:
            ValueError: No sample has a class.
        """
        x, target = self._checked(X, y)
        labelled = (
            target != UNLABELLED
            if target.dtype.kind in "iu" and _has_unlabelled(target)
            else target == target
        )
        if not labelled.any():
            raise ValueError("y: expected some samples with a class, got -1 (unlabelled) for all")
        self.classes_, codes = np.unique(target[labelled], return_inverse=True)
        k = max(2, len(self.classes_))
        few = ArrayDataset(
            x[torch.from_numpy(labelled)], torch.from_numpy(codes.astype(np.int64)), "labelled", k
        )
        data = SemiSupervisedDataset(few, ArrayDataset(x, None, "unlabelled"))
        self._train(data)
        return self

    def _build(self, data: Any, options: dict[str, Any]) -> SemiSupervised:
        hidden = cast(Any, self.hidden)
        default = inspect.signature(SemiSupervised.from_data).parameters["latent"].default
        latent = options.get("latent", default)
        generator = MLPGenerator(latent, data.shape, hidden)
        classifier = MLPPredictor(data.shape, data.classes, hidden)
        return SemiSupervised(generator, classifier, latent=latent, shape=data.shape)


def _has_unlabelled(y: np.ndarray) -> bool:
    """Return whether -1 means "no class": not where the only two classes are -1 and 1."""
    return UNLABELLED in y and set(np.unique(y)) != {UNLABELLED, 1}
