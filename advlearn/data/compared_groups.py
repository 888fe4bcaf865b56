"""Groups that a fairness task compares: one attribute at a time, or their combinations."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import product

import torch
from torch import Tensor

from advlearn.data.tabular_dataset import TabularDataset

JOIN = " & "
# The share of the samples below which a group has too little weight for a critic, and of those of
# one group and one class for a criterion given the class.
SMALL, SMALL_CELL = 0.1, 0.05
# Samples below which a group is too small to protect.
FEWEST = 10


def compared_groups(attributes: Mapping[str, int], *, combine: bool) -> dict[str, int]:
    """Return the number of groups of each comparison, by its name; 0 for numbers."""
    of_groups = {name: groups for name, groups in attributes.items() if groups}
    if not combine or len(of_groups) < 2:
        return dict(attributes)
    total = 1
    for groups in of_groups.values():
        total *= groups
    numbers = {name: 0 for name, groups in attributes.items() if not groups}
    return {JOIN.join(of_groups): total, **numbers}


def joined_columns(
    columns: Mapping[str, Tensor], attributes: Mapping[str, int], *, combine: bool
) -> dict[str, Tensor]:
    """Return the values of each comparison: codes (N,) of combinations, or numbers (N,)."""
    of_groups = [name for name, groups in attributes.items() if groups]
    if not combine or len(of_groups) < 2:
        return dict(columns)
    codes = columns[of_groups[0]]
    for name in of_groups[1:]:
        codes = codes * attributes[name] + columns[name]
    numbers = {name: values for name, values in columns.items() if not attributes[name]}
    return {JOIN.join(of_groups): codes, **numbers}


def joined_names(
    data: TabularDataset, names: Sequence[str], *, combine: bool
) -> dict[str, list[str]]:
    """Return the name of each group of each comparison of groups."""
    parts = {
        name: list(data.sensitive_names.get(name) or map(str, range(groups)))
        for name, groups in data.attributes.items()
        if groups and name in names
    }
    if not combine or len(parts) < 2:
        return parts
    return {JOIN.join(parts): [", ".join(cell) for cell in product(*parts.values())]}


def balanced(
    data: TabularDataset,
    names: Sequence[str] | None,
    asked: bool | None,
    *,
    combine: bool,
    given_class: bool,
) -> bool:
    """Return whether to balance the groups: as asked, or where one of them is small.

    Args:
        data: The training data.
        names: Attributes to protect; None for all.
        asked: The user's choice; None decides by the sizes of the groups.
        combine: Whether combinations of attributes are compared.
        given_class: Whether the criterion compares within classes.

    Warns:
        UserWarning: A group that is small and not balanced, or too small to protect.
    """
    protected = {n: g for n, g in data.attributes.items() if names is None or n in names}
    columns = joined_columns({n: data.sensitive[n] for n in protected}, protected, combine=combine)
    labels = joined_names(data, list(protected), combine=combine)
    groups = compared_groups(protected, combine=combine)
    small = False
    for name, labels_of in labels.items():
        counts = torch.bincount(columns[name], minlength=groups[name])
        present = torch.where(counts > 0, counts, len(data))
        rarest = int(present.argmin())
        count, share = int(present[rarest]), float(present[rarest]) / len(data)
        is_small = share < SMALL or (
            given_class and _smallest_cell(data, columns[name]) < SMALL_CELL
        )
        small = small or is_small
        who = f"{name}={labels_of[rarest]}"
        if count < FEWEST:
            warnings.warn(
                f"{who}: {count} of {len(data)} samples, too few to tell whether it is protected; "
                "join it with another group, or collect more",
                UserWarning,
                stacklevel=3,
            )
        if share < SMALL and asked is False:
            warnings.warn(
                f"{who}: {share:.1%} of the samples, hardly seen by the adversary; pass "
                "balance_groups=True",
                UserWarning,
                stacklevel=3,
            )
    return small if asked is None else asked


def _smallest_cell(data: TabularDataset, codes: Tensor) -> float:
    """Return the smallest share of the samples of one group and one class that occur."""
    if not data.classes:
        return 1.0
    counts = torch.bincount(codes * data.classes + data.y)
    return float(counts[counts > 0].min()) / len(data)
