"""Classify with few labels, by learning from unlabelled samples too."""

import inspect
from typing import Any, Self, cast, final

import numpy as np
import torch

from advlearn.core.arguments import Count, NonNegative, Positive
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import SemiSupervisedDataset
from advlearn.data.table_columns import to_array
from advlearn.nets import MLPGenerator
from advlearn.sklearn._base import Classifier, positive_weights
from advlearn.tasks.semi_supervised import SemiSupervised

UNLABELLED = -1
# How often a labelled sample of mean weight is repeated, and the most rows in all.
REPEATS, MOST_REPEATED = 50, 5000


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
        class_weight: Weight of each class in the loss of the labelled samples: a mapping,
            ``"balanced"`` or None.
        hidden: Sizes of the hidden layers of classifier and generator.
        module: The classifier: a module, or a function (shape, outputs) -> module, with one logit
            for each class, instead of a perceptron.
        standardize: Standardise the features, by all samples.
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
        class_weight: Any = None,
        hidden: tuple[Count, ...] | None = None,
        module: Any = None,
        standardize: bool = True,
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
        self.class_weight = class_weight
        self.hidden = hidden
        self.module = module
        self.standardize = standardize
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.critic_lr = critic_lr
        self.critic_steps = critic_steps
        self.optimizer = optimizer
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train.

        Args:
            X: Samples, (n, d), dense or sparse.
            y: Classes, (n,) of any type; -1 without a class, as in ``sklearn.semi_supervised``,
                also as a float or as the text "-1". Without any -1 the labelled samples are also
                used as unlabelled ones. Where the only two values are -1 and 1, both are classes.
            sample_weight: Weight of each labelled sample, (n,): how often it is drawn. Unlabelled
                samples of weight 0 are left out; otherwise their weights are ignored.

        Returns:
            The estimator.

        Raises:
            ValueError: No sample has a class.
        """
        given = np.zeros(1) if y is None else to_array(y)  # None is refused by the checks below
        labelled = has_class(given) if given.ndim == 1 else np.ones(len(given), dtype=bool)
        if given.size and not labelled.any():
            raise ValueError("y: expected some samples with a class, got -1 (unlabelled) for all")
        # The checks of scikit-learn take one type of label, so any class stands for "no class".
        points, target = self._checked(X, _filled(given, labelled, y))
        if len(labelled) != len(target):
            labelled = np.ones(len(target), dtype=bool)
        weights, kept = positive_weights(sample_weight, points)
        points, target, labelled = points[kept], target[kept], labelled[kept]
        if not labelled.any():
            raise ValueError("sample_weight: expected a positive weight of some labelled sample")
        self.classes_, codes = np.unique(target[labelled], return_inverse=True)
        x = self._scaled(points, fit=True)
        of_classes = self._class_weights(codes, None)
        rows = np.flatnonzero(labelled)
        drawn = np.arange(len(codes))
        if weights is not None or of_classes is not None:
            each = np.ones(len(codes)) if weights is None else weights[kept][labelled]
            drawn = repeated(each if of_classes is None else each * np.array(of_classes)[codes])
        k = max(2, len(self.classes_))
        y_of_few = torch.from_numpy(codes[drawn].astype(np.int64))
        few = ArrayDataset(x[torch.from_numpy(rows[drawn])], y_of_few, "labelled", k)
        self._train(SemiSupervisedDataset(few, ArrayDataset(x, None, "unlabelled")))
        return self

    def _build(self, data: Any, options: dict[str, Any]) -> SemiSupervised:
        # Next to a module of the user the generator takes the default sizes.
        sizes = {} if self.hidden is None else {"hidden": cast(Any, self.hidden)}
        default = inspect.signature(SemiSupervised.from_data).parameters["latent"].default
        latent = options.get("latent", default)
        generator = MLPGenerator(latent, data.shape, **sizes)
        classifier = self._model(data.shape, data.classes)
        return SemiSupervised(generator, classifier, latent=latent, shape=data.shape)


def has_class(y: np.ndarray) -> np.ndarray:
    """Return whether each label is a class rather than -1, "no class": booleans (n,).

    Where the only two values are -1 and 1, both are classes.

    Example:
        >>> has_class(np.array(["a", -1, "b"], dtype=object)).tolist()
        [True, False, True]
    """
    marks = np.array([_is_marker(label) for label in y.tolist()], dtype=bool)
    others = {label for label, mark in zip(y.tolist(), marks, strict=True) if not mark}
    return np.ones(len(y), dtype=bool) if others == {1} else ~marks


def repeated(weights: np.ndarray) -> np.ndarray:
    """Return indices in which each sample occurs as often as its weight says.

    Example:
        >>> np.bincount(repeated(np.array([1.0, 0.0, 3.0]))).tolist()
        [37, 0, 113]
    """
    n = len(weights)
    total = max(n, min(REPEATS * n, MOST_REPEATED))
    places = (np.arange(total) + 0.5) / total
    shares = np.cumsum(weights) / weights.sum()
    return np.searchsorted(shares, places, side="right").clip(max=n - 1)


def _is_marker(label: Any) -> bool:
    return str(label) == "-1" or (isinstance(label, float) and label == UNLABELLED)


def _filled(given: np.ndarray, labelled: np.ndarray, y: Any) -> Any:
    """Return the labels with any class in place of -1."""
    if y is None or given.ndim != 1 or labelled.all():
        return y
    known = given[labelled]
    filled = np.where(labelled, given, known[0])
    kinds = {type(label) for label in known.tolist()}
    # Text that stood next to the number -1 is text.
    return filled.astype(str) if kinds == {str} else filled
