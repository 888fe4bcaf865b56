"""Split samples in folds that each hold every class of every domain, or of every group."""

from collections.abc import Iterator
from typing import Any, Literal, final

import numpy as np
from sklearn.model_selection import StratifiedKFold

from advlearn.core.arguments import Count, checked
from advlearn.core.checks import check_count
from advlearn.data.table_columns import to_array
from advlearn.sklearn._rows import strata


@checked
@final
class StratifiedGroupFold:
    """Split in folds with equal shares of each class and of each sensitive group.

    Without it a small group is missing from some fold, whose disparity is then undefined.

    Args:
        n_splits: Number of folds, at least 2.
        shuffle: Whether to shuffle the samples before the split.
        random_state: Seed of the shuffling.

    Raises:
        ValueError: Fewer than two folds.

    Example:
        >>> y, sex = np.arange(12) % 2, np.array(["f"] * 4 + ["m"] * 8)
        >>> [sorted(sex[test].tolist()) for _, test in StratifiedGroupFold(2).split(y, y, sex)]
        [['f', 'f', 'm', 'm', 'm', 'm'], ['f', 'f', 'm', 'm', 'm', 'm']]
    """

    def __init__(
        self, n_splits: Count = 5, *, shuffle: bool = False, random_state: Any = None
    ) -> None:
        self.n_splits = check_count("n_splits", n_splits, low=2)
        self.shuffle = shuffle
        self.random_state = random_state

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the indices of the training and test samples of each fold.

        Args:
            X: Samples, (n, ...); only their number is used.
            y: Classes (n,), or numbers, which are not stratified.
            groups: Sensitive features in any form that `fit` takes; None stratifies by class only.

        Raises:
            ValueError: A group and class with fewer samples than folds.
        """
        target = to_array(y)
        codes = strata(target, groups, of_classes=target.dtype.kind != "f")
        if codes is None:
            codes = np.zeros(len(target), dtype=np.int64)
        rarest = int(np.bincount(codes)[np.unique(codes)].min())
        if rarest < self.n_splits:
            raise ValueError(
                f"groups: expected {self.n_splits} or more samples of each group and class, one "
                f"for each fold, got {rarest}; use fewer folds"
            )
        folds = StratifiedKFold(self.n_splits, shuffle=self.shuffle, random_state=self.random_state)
        return folds.split(np.zeros(len(codes)), codes)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return self.n_splits


@checked
@final
class DomainFold:
    """Split in folds whose training parts hold every domain, with equal shares of each class.

    Args:
        n_splits: Number of folds, at least 2.
        test: Test samples: of the ``"target"``, of the ``"source"`` domains, or ``"all"``.
        shuffle: Whether to shuffle the samples before the split.
        random_state: Seed of the shuffling.

    Raises:
        ValueError: Fewer than two folds, or another kind of test.

    Example:
        >>> y, domain = np.arange(12) % 2, np.repeat([1, -1], 6)
        >>> [domain[test].tolist() for _, test in DomainFold(3, test="target").split(y, y, domain)]
        [[-1, -1], [-1, -1], [-1, -1]]
    """

    def __init__(
        self,
        n_splits: Count = 5,
        *,
        test: Literal["all", "source", "target"] = "all",
        shuffle: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_splits = check_count("n_splits", n_splits, low=2)
        self.test = test
        self.shuffle = shuffle
        self.random_state = random_state

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the indices of the training and test samples of each fold.

        Args:
            X: Samples, (n, ...); only their number is used.
            y: Classes (n,); those of target samples are not used.
            groups: Domain of each sample, integers (n,), as `sample_domain` of `fit`.

        Raises:
            ValueError: No domains, or fewer samples of a domain and class than folds.
        """
        if groups is None:
            raise ValueError("groups: expected the domain of each sample, got None; pass groups=")
        domains = to_array(groups)
        labels = np.unique(to_array(y).astype(str), return_inverse=True)[1]
        of_both = np.stack([domains, np.where(domains > 0, labels, -1)], 1)
        codes = np.unique(of_both, axis=0, return_inverse=True)[1].reshape(-1)
        rarest = int(np.bincount(codes).min())
        if rarest < self.n_splits:
            raise ValueError(
                f"groups: expected {self.n_splits} or more samples of each domain and class, one "
                f"for each fold, got {rarest}; use fewer folds"
            )
        tested = {"all": domains != 0, "source": domains > 0, "target": domains < 0}[self.test]
        folds = StratifiedKFold(self.n_splits, shuffle=self.shuffle, random_state=self.random_state)
        for train, test in folds.split(np.zeros(len(codes)), codes):
            yield train, test[tested[test]]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return self.n_splits
