"""Classify a domain without labels, from labelled source domains."""

import warnings
from typing import Any, Literal, Self, final

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from advlearn.core.arguments import Count, NonNegative, Positive, Widths
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import Domains
from advlearn.metrics import label_shift_weights
from advlearn.sklearn._base import Classifier, positive_weights
from advlearn.tasks.domain_adaptation import DomainAdaptation

# Half the sum of the differences of shares, above which a warning says so.
MOVED = 0.2
MOST_LISTED = 6


@final
class DomainAdversarialClassifier(Classifier):
    """Train a classifier on labelled source domains for a target domain without labels.

    There is no `partial_fit`: each part of the data would have to hold all domains, and the
    adversary's weight grows over a whole run. A parameter of None takes the method's default.

    Args:
        method: A method of adaptation: ``"dann"`` (the default), ``"cdan+e"``, ``"deep-coral"`` ...
        objective: A spec or an object, instead of the method's objective.
        conditioning: ``"nothing"``, ``"predictions"`` (CDAN) or ``"labels"`` (joint distribution);
            see `DomainAdaptation`.
        entropy: Weight each sample by the certainty of its prediction (CDAN+E).
        gradient_reversal: Move critic and model in one backward pass, by gradient reversal.
        adversarial_weight: Weight of the adversary, reached on the schedule of the DANN paper.
        dann_schedule: Whether that weight grows from zero, on the schedule of the DANN paper.
        label_shift: ``"bbse"`` weights the source classes so that their shares are those estimated
            on the target; None leaves them, and warns where they seem to differ.
        class_weight: Weight of each class of the sources, for the classifier and the adversary: a
            mapping, ``"balanced"`` or None.
        hidden: Sizes of the hidden layers; the domains are compared by the last one's output.
        module: A module, or a function (shape, outputs) -> module, with one logit for each class,
            instead of a perceptron. Samples may then have any shape (n, ...).
        layer: Name of the module's layer by whose output the domains are compared; None for its
            own output.
        standardize: Standardise the features of all domains together.
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
        classes_: Classes of the sources, sorted.
        target_shares_: Share of each class among the predictions of the target samples, (classes,).
        label_shift_weights_: Estimated ratio of the target's share of each class to the sources',
            (classes,).
        task_: The trained `DomainAdaptation` task.
        health_: Verdict on each adversary's last batch, in words.
    """

    TASK = "domain_adaptation"
    OPTIONS = (
        "conditioning",
        "adversarial_weight",
        "entropy",
        "gradient_reversal",
        "dann_schedule",
        "layer",
    )

    def __init__(
        self,
        method: str | None = None,
        *,
        objective: Any = None,
        conditioning: str | None = None,
        entropy: bool | None = None,
        gradient_reversal: bool | None = None,
        adversarial_weight: NonNegative | None = None,
        dann_schedule: bool | None = None,
        label_shift: Literal["bbse"] | None = None,
        class_weight: Any = None,
        hidden: Widths | None = None,
        module: Any = None,
        layer: str | None = None,
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
        self.conditioning = conditioning
        self.entropy = entropy
        self.gradient_reversal = gradient_reversal
        self.adversarial_weight = adversarial_weight
        self.dann_schedule = dann_schedule
        self.label_shift = label_shift
        self.class_weight = class_weight
        self.hidden = hidden
        self.module = module
        self.layer = layer
        self.standardize = standardize
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.critic_lr = critic_lr
        self.critic_steps = critic_steps
        self.optimizer = optimizer
        self.random_state = random_state
        self.device = device

    def fit(
        self,
        X: Any,
        y: Any,
        sample_domain: Any = None,
        known: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Train.

        Args:
            X: Samples of all domains, (n, d), dense or sparse.
            y: Classes, (n,); those of target samples are ignored unless `known` marks them.
            sample_domain: Domain of each sample, integers (n,): a source is positive, the target
                negative. None uses all samples as source and as target, with a warning.
            known: Booleans (n,), True for target samples whose class is trained on. Values of
                source samples are ignored. None trains on no target class.
            sample_weight: Weight of each source sample, (n,); those of target samples are ignored.

        Returns:
            The estimator.

        Raises:
            ValueError: There is no source or no target domain, `known` has another length or type
                or is given without domains, or a known class is in no source.

        Warns:
            UserWarning: The classes seem to have other shares on the target than on the sources.
        """
        points, target = self._checked(X, y)
        domains = _domains(sample_domain, len(points))
        of_source = domains > 0
        of_target = domains < 0 if sample_domain is not None else of_source
        weights, kept = positive_weights(sample_weight, points)
        of_source = of_source & kept
        self.classes_, codes = np.unique(target[of_source], return_inverse=True)
        x = self._scaled(points, fit=True)
        weights = self._weights(x.numpy(), codes, of_source, of_target, weights)
        y_of_source = torch.from_numpy(codes.astype(np.int64))
        k = max(2, len(self.classes_))
        parts = [(d, of_source & (domains == d)) for d in np.unique(domains[of_source])]
        sources = [
            ArrayDataset(x[torch.from_numpy(rows)], y_of_source[rows[of_source]], f"domain {d}", k)
            for d, rows in parts
        ]
        each = None
        if weights is not None:
            each = tuple(torch.from_numpy(weights[rows[of_source]]) for _, rows in parts)
        labelled = None if known is None else self._known(known, target, domains)
        of_all = ArrayDataset(x[torch.from_numpy(of_target)], None, "target")
        self._train(Domains(tuple(sources), of_all, labelled, each))
        self._compare_shares(points[of_source], points[of_target], codes)
        return self

    def _weights(
        self,
        x: np.ndarray,
        codes: np.ndarray,
        of_source: np.ndarray,
        of_target: np.ndarray,
        weights: np.ndarray | None,
    ) -> np.ndarray | None:
        """Return the weight of each source sample, float32, or None for equal weights."""
        estimated = np.ones(len(self.classes_))
        if x.ndim == 2 and len(self.classes_) > 1 and not np.array_equal(of_source, of_target):
            estimated = shifted(
                x[of_source], codes, x[of_target], asked=self.label_shift is not None
            )
        self.label_shift_weights_ = estimated
        total = np.ones(len(codes)) if weights is None else weights[of_source]
        of_classes = self._class_weights(codes, None if weights is None else total)
        if of_classes is not None:
            total = total * np.asarray(of_classes)[codes]
        if self.label_shift is not None:
            total = total * estimated[codes]
        if weights is None and of_classes is None and self.label_shift is None:
            return None
        return (total / total.mean()).astype(np.float32)

    def _compare_shares(self, source: np.ndarray, target: np.ndarray, codes: np.ndarray) -> None:
        """Warn where the classes seem to have other shares on the target than on the sources."""
        k = len(self.classes_)
        before, self.target_shares_ = (
            np.bincount(np.searchsorted(self.classes_, predicted), minlength=k) / len(predicted)
            for predicted in (self._answers(self._raw_outputs(x)) for x in (source, target))
        )
        if self.label_shift is not None:
            return
        shares = np.bincount(codes, minlength=k) / len(codes)
        estimated = self.label_shift_weights_ * shares
        moves = np.abs(self.target_shares_ - before), np.abs(estimated - shares)
        if max(move.sum() / 2 for move in moves) > MOVED + np.sqrt(k / len(target)) / 2:
            warnings.warn(
                f"y: the classes {_listed(self.classes_)} have shares {_listed(shares.round(2))} "
                f"on the sources, and on the target {_listed(self.target_shares_.round(2))} as "
                f"predicted, {_listed(estimated.round(2))} as estimated under label shift; an "
                "adversary then mixes classes: compare with label_shift='bbse' and with "
                "adversarial_weight=0",
                UserWarning,
                stacklevel=3,
            )

    def _build(self, data: Any, options: dict[str, Any]) -> DomainAdaptation:
        model = self._model(data.shape, data.classes)
        return DomainAdaptation(model, shape=data.shape, sources=len(data.sources), **options)

    def _known(self, known: Any, y: np.ndarray, domains: np.ndarray) -> torch.Tensor:
        """Return the codes of the target's known classes, -1 for the others."""
        chosen = np.asarray(known)
        if chosen.shape != y.shape or chosen.dtype.kind != "b":
            raise ValueError(
                f"known: expected booleans {y.shape}, one per sample, got {chosen.dtype} "
                f"{chosen.shape}"
            )
        if not (domains < 0).any():
            raise ValueError(
                "known: expected sample_domain, which marks the target samples, got None; pass both"
            )
        chosen, labels = chosen[domains < 0], y[domains < 0]
        unknown = sorted(set(labels[chosen].tolist()) - set(self.classes_.tolist()))
        if unknown:
            raise ValueError(
                f"known: expected classes of the sources on the target, got {unknown[0]!r}"
            )
        codes = np.full(len(labels), -1, dtype=np.int64)
        codes[chosen] = np.searchsorted(self.classes_, labels[chosen])
        return torch.from_numpy(codes)


def shifted(
    source: np.ndarray, codes: np.ndarray, target: np.ndarray, *, asked: bool
) -> np.ndarray:
    """Estimate the ratio of the target's share of each class to the sources', (classes,).

    The predictions are those of a linear classifier; on the sources of one that was fitted to other
    samples. Where it cannot tell, the ratios are 1, or a ValueError if the user asked for them.
    """
    rarest = np.bincount(codes).min()
    if rarest < 2:
        return np.ones(codes.max() + 1)
    linear = LogisticRegression(max_iter=200)
    folds = StratifiedKFold(min(5, int(rarest)))
    of_source = np.asarray(cross_val_predict(linear, source, codes, cv=folds))
    of_target = linear.fit(source, codes).predict(target)
    try:
        return label_shift_weights(codes, of_source, of_target).numpy()
    except ValueError as error:
        if asked:
            raise ValueError(f"label_shift: a linear classifier cannot tell; {error}") from None
        return np.ones(codes.max() + 1)


def _listed(values: Any) -> str:
    return ", ".join(str(value) for value in np.asarray(values)[:MOST_LISTED].tolist())


def _domains(sample_domain: Any, n: int) -> np.ndarray:
    """Return the domain of each sample, int64 (n,); one source if none is given."""
    if sample_domain is None:
        warnings.warn(
            "sample_domain: got none, so every sample is source and target, and nothing is adapted",
            UserWarning,
            stacklevel=3,
        )
        return np.ones(n, dtype=np.int64)
    domains = np.asarray(sample_domain)
    if domains.shape != (n,) or domains.dtype.kind not in "iu":
        raise ValueError(
            f"sample_domain: expected integers ({n},), one per sample, got {domains.dtype} "
            f"{domains.shape}"
        )
    for kind, present in (("positive (source)", domains > 0), ("negative (target)", domains < 0)):
        if not present.any():
            raise ValueError(
                f"sample_domain: expected some {kind} domains, got {sorted(set(domains.tolist()))}"
            )
    if (domains == 0).any():
        raise ValueError(
            "sample_domain: expected positive (source) or negative (target) domains, got 0"
        )
    targets = np.unique(domains[domains < 0])
    if len(targets) > 1:
        warnings.warn(
            f"sample_domain: {len(targets)} target domains, {_listed(targets)}, are treated as one",
            UserWarning,
            stacklevel=3,
        )
    return domains.astype(np.int64)
