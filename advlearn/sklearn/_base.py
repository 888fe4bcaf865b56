"""What the estimators share: training, predictions from logits, checks."""

import copy
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.optim import adam
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer
from advlearn.critics.build import build as build_critics
from advlearn.data.batches import batches
from advlearn.fitting import fit
from advlearn.training import rng


class Estimator(BaseEstimator):
    """What the estimators share: training settings, a network, predictions from it."""

    objective: Any
    steps: int
    batch_size: int
    lr: float
    random_state: Any
    device: str
    task_: Any

    def _train(self, task: Task, data: Any) -> None:
        """Train from new weights; the player's average is kept for predictions, and all of it for `partial_fit`."""
        size = min(self.batch_size, len(data))
        run = fit(
            task, self.objective, data, steps=self.steps, batch_size=size, lr=self.lr, seed=self._seed(),
            device=self.device, callbacks=(),
        )  # fmt: skip
        self.task_ = run.ema_model.cpu()
        # What `partial_fit` had built was of another model.
        self.__dict__.pop("adversaries_", None)
        self.health_ = {name: health.verdict for name, health in run.health().items()}

    def _train_on(self, data: Any) -> None:
        """One epoch on top of what `partial_fit` has trained so far."""
        size = min(self.batch_size, len(data))
        seed = self._seed()
        with rng.isolated(seed):
            if not hasattr(self, "adversaries_"):
                self.task_.requires_grad_(True)  # after `fit`, what is kept is a frozen average
                chain = resolve(self.objective)
                refused = self.task_.check_compatibility(chain.required_objective())
                if refused is not None:
                    raise ValueError(
                        f"objective: {type(self).__name__} cannot use {chain.objective!r}: {refused}"
                    )
                chain = self.task_.adapt_objective(chain)
                critics = build_critics(self.task_, chain)
                self.adversaries_ = {
                    name: Adversary(critic, chain, lr=self.lr) for name, critic in critics.items()
                }
                self.optimizer_ = adam(
                    self.task_.trainable_parameters(), lr=self.lr, betas=(0.9, 0.999)
                )
            stream = batches(data, size, seed=seed)
            steps = max(1, len(data) // size)
            Trainer(
                self.task_,
                self.adversaries_,
                stream,
                steps=steps,
                optimizer=lambda _: self.optimizer_,
            ).run()
            self.health_ = {
                name: adversary.health().verdict for name, adversary in self.adversaries_.items()
            }

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _outputs(self, x: Any) -> np.ndarray:
        check_is_fitted(self)
        points = cast(np.ndarray, validate_data(self, x, reset=False, dtype=np.float64))
        # In double precision, so that a sample's prediction does not depend on those beside it.
        return (
            copy.deepcopy(self.task_).double().predict(torch.from_numpy(np.array(points))).numpy()
        )


class Classifier(ClassifierMixin, Estimator):
    """Predictions of a classifier from logits."""

    classes_: np.ndarray

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits: (n,) of the second class where there are two, else (n, classes)."""
        outputs = self._outputs(X)
        if outputs.ndim == 2 and outputs.shape[1] == 2:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, (n, classes), in the order of `classes_`."""
        scores = torch.from_numpy(self.decision_function(X))
        if len(self.classes_) == 1:
            return np.ones((len(scores), 1))
        if scores.ndim == 1:
            return torch.stack([(-scores).sigmoid(), scores.sigmoid()], 1).numpy()
        return scores.softmax(1).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Class of each sample, (n,)."""
        scores = self.decision_function(X)
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(scores))
        index = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)
        return self.classes_[index]

    def _checked(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Tensor, np.ndarray]:
        points, target = cast(Any, validate_data(self, X, y, reset=reset, dtype=np.float64))
        check_classification_targets(target)
        return tensor(points), target


def tensor(points: np.ndarray) -> Tensor:
    """Samples as float32, the networks' precision."""
    # A copy: data frames hand out arrays that must not be written to.
    return torch.from_numpy(np.array(points, dtype=np.float32))
