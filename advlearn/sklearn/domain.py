"""A classifier adapted to a domain without labels."""

import warnings
from typing import Any, Self, cast, final

import numpy as np
import torch

from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import Domains
from advlearn.nets import MLPPredictor
from advlearn.sklearn._base import Classifier
from advlearn.tasks.domain_adaptation import DomainAdaptation
from advlearn.training import rng


@final
class DomainAdversarialClassifier(Classifier):
    """A classifier trained on labelled source domains for a target domain without labels.

    There is no `partial_fit`: each part of the data would have to hold all domains, and the
    adversary's weight grows over a whole run.

    Args:
        objective: ``"nsgan"`` is DANN, ``"wgan-gp"`` WDGRL, ``"mmd"`` DAN, ``"coral"`` Deep CORAL,
            and so on.
        conditioning: ``"nothing"``, ``"predictions"`` (CDAN) or ``"labels"`` (joint distribution);
            see `DomainAdaptation`.
        adversarial_weight: Weight of the adversary, reached along the ramp of the DANN paper.
        hidden: Sizes of the hidden layers; the last one's output is what the domains are compared
            by.
        steps: Training steps.
        batch_size: Samples of each domain in a batch.
        lr: Adam's learning rate.
        random_state: Seed, generator or None.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes:
        classes_: Classes of the sources, sorted.
        task_: The trained `DomainAdaptation` task.
        health_: What each adversary's last batch says, in words.
    """

    def __init__(
        self,
        objective: Any = "nsgan",
        *,
        conditioning: str = "nothing",
        adversarial_weight: float = 1.0,
        hidden: tuple[int, ...] = (64, 64),
        steps: int = 1000,
        batch_size: int = 64,
        lr: float = 3e-3,
        random_state: Any = None,
        device: str = "auto",
    ) -> None:
        self.objective = objective
        self.conditioning = conditioning
        self.adversarial_weight = adversarial_weight
        self.hidden = hidden
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any, sample_domain: Any = None, known: Any = None) -> Self:
        """Train.

        Args:
            X: Samples of all domains, (n, d).
            y: Classes, (n,); those of target samples are not looked at, but for the `known`.
            sample_domain: Domain of each sample, integers (n,): a source is positive, the target
                negative. None takes all samples for source and target both, with a warning.
            known: Which target samples' classes may be trained on, booleans (n,); what it says of
                sources does not matter. None for no target sample: y may then hold all classes of
                the target, as a score needs them.

        Returns:
            The estimator.

        Raises:
            ValueError: If one of the two kinds of domain is absent, or `known` of another length or
                type or given without domains, or a known class is none of the sources'.
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
        named = None if known is None else self._known(known, target, domains)
        data = Domains(
            tuple(sources), ArrayDataset(x[torch.from_numpy(of_target)], None, "target"), named
        )
        with rng.isolated(self._seed()):
            model = MLPPredictor(data.shape, k, self.hidden)
        conditioning = cast(Any, self.conditioning)
        self._train(
            DomainAdaptation(
                model,
                shape=data.shape,
                sources=len(sources),
                conditioning=conditioning,
                adversarial_weight=self.adversarial_weight,
            ),
            data,
        )
        return self

    def _known(self, known: Any, y: np.ndarray, domains: np.ndarray) -> torch.Tensor:
        """Codes of the target's known classes, -1 for the others."""
        chosen = np.asarray(known)
        if chosen.shape != y.shape or chosen.dtype.kind != "b":
            raise ValueError(
                f"known: expected booleans {y.shape}, one a sample, got {chosen.dtype} {chosen.shape}"
            )
        if not (domains < 0).any():
            raise ValueError(
                "known: expected sample_domain beside it, to say which samples are of the target"
            )
        chosen, labels = chosen[domains < 0], y[domains < 0]
        unheard = sorted(set(labels[chosen].tolist()) - set(self.classes_.tolist()))
        if unheard:
            raise ValueError(
                f"known: expected classes of the sources on the target, got {unheard[0]!r}"
            )
        codes = np.full(len(labels), -1, dtype=np.int64)
        codes[chosen] = np.searchsorted(self.classes_, labels[chosen])
        return torch.from_numpy(codes)


def _domains(sample_domain: Any, n: int) -> np.ndarray:
    """Domain of each sample, int64 (n,), all one source where none was given."""
    if sample_domain is None:
        warnings.warn(
            "sample_domain: got none, so all samples are source and target both, and nothing is adapted",
            UserWarning,
            stacklevel=3,
        )
        return np.ones(n, dtype=np.int64)
    domains = np.asarray(sample_domain)
    if domains.shape != (n,) or domains.dtype.kind not in "iu":
        raise ValueError(
            f"sample_domain: expected integers ({n},), one a sample, got {domains.dtype} {domains.shape}"
        )
    for kind, there in (("positive (source)", domains > 0), ("negative (target)", domains < 0)):
        if not there.any():
            raise ValueError(
                f"sample_domain: expected some {kind} domains, got {sorted(set(domains.tolist()))}"
            )
    if (domains == 0).any():
        raise ValueError(
            "sample_domain: expected positive (source) or negative (target) domains, got 0"
        )
    return domains.astype(np.int64)
