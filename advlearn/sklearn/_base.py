"""Base classes of the estimators: settings, training, predictions from logits, checks."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor, nn

from advlearn import catalogue
from advlearn.catalogue import Request
from advlearn.core.adversary import Adversary
from advlearn.core.array_checks import check_dense
from advlearn.core.chain import FALLBACK, Chain
from advlearn.core.checks import check_count, plain_number, shown
from advlearn.core.method import Method
from advlearn.core.settings import AdversarySettings
from advlearn.core.task import Task
from advlearn.core.trainer import Callback, Trainer
from advlearn.critics import build as build_critics
from advlearn.data.batches import batches
from advlearn.data.scaling import Scaling
from advlearn.data.table_columns import check_complete
from advlearn.fitting import fit
from advlearn.nets import MLPPredictor
from advlearn.sklearn._settings import check_estimator_settings
from advlearn.train_task import learner_optimizer, playable
from advlearn.training import rng


class Estimator(BaseEstimator):
    """Define the settings of every estimator, and train a method of the catalogue.

    A setting of None takes the default of the method, as in `advlearn.fit`. Both give the same
    model for the same method, data and seed.
    """

    TASK: ClassVar[str]
    """Name of the task."""
    OPTIONS: ClassVar[tuple[str, ...]]
    """Parameters of the estimator that are options of the task."""

    method: str | None
    objective: Any
    hidden: Sequence[int] | None
    module: Any
    standardize: bool
    steps: int | None
    batch_size: int | None
    lr: float | None
    critic_lr: float | None
    critic_steps: int | None
    optimizer: Any
    adversarial_weight: float | None
    random_state: Any
    device: str
    task_: Any
    adversaries_: dict[str, Adversary]
    scaling_: Scaling | None

    def _build(self, data: Any, options: dict[str, Any]) -> Task:
        """Build the task with networks that have the layers of `hidden`, or with `module`."""
        raise NotImplementedError  # each estimator has its own

    def _answers(self, outputs: np.ndarray) -> np.ndarray:
        """Return the predictions that belong to outputs of the model."""
        raise NotImplementedError  # classifiers and regressors have their own

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _model(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """Return the user's module, or a perceptron with the layers of `hidden`."""
        if isinstance(self.module, nn.Module):
            return copy.deepcopy(self.module)
        if self.module is not None:
            return self.module(shape, outputs)
        return MLPPredictor(shape, outputs, cast(Any, tuple(map(int, cast(Any, self.hidden)))))

    def _read(self, X: Any, y: Any, *, reset: bool, **checks: Any) -> tuple[np.ndarray, np.ndarray]:
        """Check samples and targets: dense float64 (n, d), or (n, ...) for a user's module."""
        check_estimator_settings(self)
        _check_readable("X", X)
        _check_readable("y", y)
        check_complete("y", y)
        points, target = cast(
            Any,
            validate_data(
                self, X, y, reset=reset, dtype=np.float64, accept_sparse="csr",
                allow_nd=self.module is not None, **checks,
            ),
        )  # fmt: skip
        return _dense(points), target

    def _scaled(
        self, points: np.ndarray, weights: np.ndarray | None = None, *, fit: bool = False
    ) -> Tensor:
        """Standardise samples by those of the first fit: float32 (n, d)."""
        if fit:
            vectors = self.standardize and points.ndim == 2
            self.scaling_ = Scaling.of(points, weights) if vectors else None
        return tensor(points if self.scaling_ is None else self.scaling_.apply(points))

    def _request(self) -> Request:
        """Parse the method and its options."""
        name = self.TASK if self.method is None else self.method
        try:
            request = catalogue.request(name, self.objective)
        except ValueError as error:
            raise ValueError(str(error).replace("task: ", "method: ", 1)) from None
        if request.method.task != self.TASK:
            raise ValueError(
                f"method: expected a method of {self.TASK}, got {self.method!r} of "
                f"{request.method.task}"
            )
        return request

    def _options(self, request: Request) -> dict[str, Any]:
        """Collect the options of the task: the method's, then those of the estimator."""
        settings = {name: getattr(self, name) for name in self.OPTIONS}
        return {**request.options, **{k: v for k, v in settings.items() if v is not None}}

    def _size(self, data: Any, chain: Chain) -> int:
        default = cast(int, chain.defaults.over(FALLBACK).batch_size)
        return min(default if self.batch_size is None else int(self.batch_size), len(data))

    def _train(self, data: Any, callbacks: Sequence[Callback] = ()) -> None:
        """Train from new weights, and keep their average for predictions."""
        seed, request = self._seed(), self._request()
        chain, options = request.chain(self.objective), self._options(request)
        weighted = "adversarial_weight" in self.OPTIONS
        settings = {"critic_lr": self.critic_lr, "critic_steps": self.critic_steps}
        settings |= {"optimizer": self.optimizer, "device": self.device, "callbacks": callbacks}
        settings |= {} if weighted else {"adversarial_weight": self.adversarial_weight}
        settings |= {"steps": self.steps, "batch_size": self._size(data, chain), "lr": self.lr}
        task: Any = request.method.name
        if self.hidden is not None or self.module is not None:
            task, options = self._seeded(self._build, data, options, seed), {}
        run = fit(task, chain, data, seed=seed, **settings, **options)
        self.task_ = run.ema_model.cpu()
        # The adversaries of `partial_fit` belong to the previous model.
        self.__dict__.pop("adversaries_", None)
        self.health_ = {name: health.verdict for name, health in run.health().items()}

    def _new_task(self, data: Any) -> Task:
        """Build the task with new weights, for `partial_fit`."""
        seed, request = self._seed(), self._request()
        options = self._options(request)
        if self.hidden is not None or self.module is not None:
            return self._seeded(self._build, data, options, seed)
        with rng.isolated(seed):
            return catalogue.build_task(request.method, options, data)

    def _train_on(self, data: Any) -> None:
        """Train one more epoch, after those of earlier calls of `partial_fit`."""
        seed, chain = self._seed(), self._request().chain(self.objective)
        size = self._size(data, chain)
        with rng.isolated(seed):
            if not hasattr(self, "adversaries_"):
                self._start(self._request().method, chain)
            Trainer(
                self.task_,
                self.adversaries_,
                batches(data, size, seed=seed),
                steps=max(1, len(data) // size),
                optimizer=lambda _: self.optimizer_,
            ).run()
        self.health_ = {name: a.health().verdict for name, a in self.adversaries_.items()}

    def _start(self, method: Method, chain: Chain) -> None:
        """Build the adversaries and the optimizer of `partial_fit`."""
        self.task_.requires_grad_(True)  # `fit` keeps a frozen average
        try:
            chain = playable(self.task_, chain)
        except ValueError as error:
            name = f"objective: {type(self).__name__} cannot"
            raise ValueError(f"{name}{str(error).partition(' cannot')[2]}") from None
        weight = None if "adversarial_weight" in self.OPTIONS else self.adversarial_weight
        settings = AdversarySettings(
            None, self.critic_lr, self.critic_steps, self.optimizer, weight
        )
        critics = build_critics(self.task_, chain)
        self.adversaries_ = settings.adversaries(critics, chain, lr=self.lr)
        make = learner_optimizer(settings, chain.defaults.over(FALLBACK), self.lr)
        self.optimizer_ = make(self.task_.trainable_parameters())

    @staticmethod
    def _seeded(
        build: Callable[[Any, dict[str, Any]], Task], data: Any, options: dict[str, Any], seed: int
    ) -> Task:
        with rng.isolated(seed):
            return build(data, options)

    def _seed(self) -> int:
        """Return the seed: `random_state` itself where it is an integer, as in `advlearn.fit`."""
        if plain_number(self.random_state) is not None:
            return check_count("random_state", self.random_state, low=0, high=2**32 - 1)
        if isinstance(self.random_state, np.random.Generator):
            return int(self.random_state.integers(2**31 - 1))
        try:
            generator = check_random_state(self.random_state)
        except ValueError:
            raise ValueError(
                "random_state: expected None, a seed, a Generator or a RandomState, got "
                f"{shown(self.random_state)}; pass a whole number"
            ) from None
        return int(generator.randint(2**31 - 1))

    def _outputs(self, x: Any) -> np.ndarray:
        check_is_fitted(self)
        _check_readable("X", x)
        allow_nd = self.module is not None
        points = validate_data(
            self, x, reset=False, dtype=np.float64, accept_sparse="csr", allow_nd=allow_nd
        )
        return self._raw_outputs(_dense(points))

    def _raw_outputs(self, rows: np.ndarray) -> np.ndarray:
        """Return the outputs of the model for checked samples."""
        # Double precision: a prediction must not depend on the other samples of the batch.
        task = copy.deepcopy(self.task_).double()
        scaled = np.array(rows) if self.scaling_ is None else self.scaling_.apply(rows)
        return task.predict(torch.from_numpy(scaled)).cpu().numpy()


class Classifier(ClassifierMixin, Estimator):
    """Predict classes from logits."""

    classes_: np.ndarray
    class_weight: Any

    def decision_function(self, X: Any) -> np.ndarray:
        """Return logits: (n,) of the second of two classes, else (n, classes)."""
        return _scores(self._outputs(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n, classes), in the order of `classes_`."""
        scores = torch.from_numpy(self.decision_function(X))
        if len(self.classes_) == 1:
            return np.ones((len(scores), 1))
        if scores.ndim == 1:
            return torch.stack([(-scores).sigmoid(), scores.sigmoid()], 1).numpy()
        return scores.softmax(1).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each sample, (n,)."""
        return self._answers(self._outputs(X))

    def _answers(self, outputs: np.ndarray) -> np.ndarray:
        scores = _scores(outputs)
        if len(self.classes_) == 1:
            return np.repeat(self.classes_, len(scores))
        index = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)
        return self.classes_[index]

    def _checked(self, X: Any, y: Any, *, reset: bool = True) -> tuple[np.ndarray, np.ndarray]:
        points, target = self._read(X, y, reset=reset)
        check_classification_targets(target)
        return points, target

    def _class_weights(self, codes: np.ndarray, weights: np.ndarray | None) -> list[float] | None:
        """Return the weight of each class of `classes_`, as scikit-learn computes it."""
        if self.class_weight is None:
            return None
        classes = self.classes_
        values = compute_class_weight(
            self.class_weight, classes=classes, y=classes[codes], sample_weight=weights
        )
        # A single class has a second logit.
        return [*values.tolist(), *[1.0] * (2 - len(values))]


def _scores(outputs: np.ndarray) -> np.ndarray:
    """Return one score of two classes, (n,), or the outputs."""
    if outputs.ndim == 2 and outputs.shape[1] == 2:
        return outputs[:, 1] - outputs[:, 0]
    return outputs


def positive_weights(
    sample_weight: Any, points: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray]:
    """Check sample weights.

    Args:
        sample_weight: Weights (n,), a number or None.
        points: The samples (n, ...).

    Returns:
        Weights of mean 1, float64 (n,), or None; and whether each sample has a positive weight.

    Raises:
        ValueError: Another length, a negative or infinite weight, or only weights of 0.
    """
    if sample_weight is None:
        return None, np.ones(len(points), dtype=bool)
    weights = _check_sample_weight(
        sample_weight, points, dtype=np.float64, ensure_non_negative=True
    )
    kept = weights > 0
    if not kept.any():  # newer versions of scikit-learn refuse it themselves
        raise ValueError(
            "sample_weight: expected at least one non-zero weight, got zeros only; "
            "leave out sample_weight, or weigh some samples"
        )
    return weights / weights[kept].mean(), kept


def _dense(points: Any) -> np.ndarray:
    return points.toarray() if issparse(points) else points


def tensor(points: np.ndarray) -> Tensor:
    """Return samples as float32, the precision of the networks."""
    # A copy, since arrays of data frames are read-only.
    return torch.from_numpy(np.array(points, dtype=np.float32))


def _check_readable(name: str, value: Any) -> None:
    # scikit-learn refuses complex numbers in its own words, which its checks compare.
    if "complex" not in str(getattr(value, "dtype", "")):
        check_dense(name, value)
