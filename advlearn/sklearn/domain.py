"""Classify a domain without labels, from labelled source domains."""

import warnings
from typing import Any, Self, cast, final

import numpy as np
import torch

from advlearn.core.arguments import Count, NonNegative, Positive, Widths
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import Domains
from advlearn.nets import MLPPredictor
from advlearn.sklearn._base import Classifier
from advlearn.tasks.domain_adaptation import DomainAdaptation


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
        adversarial_weight: Weight of the adversary, reached on the schedule of the DANN paper.
        hidden: Sizes of the hidden layers; the domains are compared by the last one's output.
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
        task_: The trained `DomainAdaptation` task.
        health_: Verdict on each adversary's last batch, in words.
    """

    TASK = "domain_adaptation"
    OPTIONS = ("conditioning", "adversarial_weight")

    def __init__(
        self,
        method: str | None = None,
        *,
        objective: Any = None,
        conditioning: str | None = None,
        adversarial_weight: NonNegative | None = None,
        hidden: Widths | None = None,
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

    def fit(self, X: Any, y: Any, sample_domain: Any = None, known: Any = None) -> Self:
        """Train.

        Args:
            X: Samples of all domains, (n, d).
            y: Classes, (n,); those of target samples are ignored unless `known` marks them.
            sample_domain: Domain of each sample, integers (n,): a source is positive, the target
                negative. None uses all samples as source and as target, with a warning.
            known: Booleans (n,), True for target samples whose class is trained on. Values of
                source samples are ignored. None trains on no target class.

        Returns:
            The estimator.

        Raises:
            ValueError: There is no source or no target domain, `known` has another length or type
                or is given without domains, or a known class is in no source.
        """
        x, target = self._checked(X, y)
        domains = _domains(sample_domain, len(x))
        of_source = domains > 0
        of_target = domains < 0 if sample_domain is not None else of_source
        self.classes_, codes = np.unique(target[of_source], return_inverse=True)
        y_of_source = torch.from_numpy(codes.astype(np.int64))
        k = max(2, len(self.classes_))
        sources = [
            ArrayDataset(
                x[torch.from_numpy(domains == d)],
                y_of_source[torch.from_numpy(domains[of_source] == d)],
                f"domain {d}",
                k,
            )
            for d in np.unique(domains[of_source])
        ]
        labelled = None if known is None else self._known(known, target, domains)
        data = Domains(
            tuple(sources), ArrayDataset(x[torch.from_numpy(of_target)], None, "target"), labelled
        )
        self._train(data)
        return self

    def _build(self, data: Any, options: dict[str, Any]) -> DomainAdaptation:
        model = MLPPredictor(data.shape, data.classes, cast(Any, self.hidden))
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
    return domains.astype(np.int64)
