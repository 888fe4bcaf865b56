"""Judge a trained fairness task on its training data: its disparity, and a test for each group."""

from collections.abc import Mapping

import torch
from torch import Tensor

from advlearn.core.independence import p_value_of_independence
from advlearn.data.compared_groups import joined_columns, joined_names
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.tasks.fairness import FAVOURED, Fairness

# Samples of one group that a test looks at, and of all others.
OF_GROUP, OF_OTHERS = 400, 800
DIFFERENT = 0.01


def verdicts(task: Fairness, table: TabularDataset, health: Mapping[str, str]) -> dict[str, str]:
    """Describe how much the outputs of a task depend on each attribute.

    Args:
        task: The trained task.
        table: The data it was trained on.
        health: The verdict on each adversary.

    Returns:
        For each adversary: the disparity of all samples, the result of a permutation test of
        independence (of each group against the others; within classes for a conditional
        criterion), and the verdict on the adversary.
    """
    with torch.no_grad():
        outputs = task.predict(table.x).float().cpu()
    h = outputs[:, None] if outputs.ndim == 1 else outputs
    cells = _cells(task, table)
    protected = {name: task.attributes[name] for name in task.sensitive}
    columns = joined_columns(
        {name: table.sensitive[name] for name in protected}, protected, combine=task.combine_groups
    )
    names = joined_names(table, list(protected), combine=task.combine_groups)
    words = dict[str, str]()
    for name, groups in task.compared.items():
        values = columns[name]
        labels = names.get(name, [])
        tests = _of_groups(h, values, labels, cells) if groups else _of_numbers(h, values, cells)
        words[name] = f"{_gap(task, outputs, values, groups, cells)}; {tests}; {health[name]}"
    return words


def _cells(task: Fairness, table: TabularDataset) -> Tensor:
    """Return the class within which each sample is compared, int64 (N,); -1 for no class."""
    if task.criterion == "demographic_parity":
        return torch.zeros(len(table), dtype=torch.int64)
    if task.criterion == "equal_opportunity":
        return torch.where(table.y == FAVOURED, 0, -1)
    return table.y


def _gap(task: Fairness, outputs: Tensor, values: Tensor, groups: int, cells: Tensor) -> str:
    """Return the largest difference of rates, or of mean outputs, between groups or tenths."""
    if not groups:
        edges = torch.quantile(values.double(), torch.arange(1, 10, dtype=torch.float64) / 10)
        values = torch.searchsorted(edges.unique(), values.double().contiguous())
    if not task.classes:
        decided, what = outputs[:, None].double(), "mean outputs"
    elif outputs.ndim == 1:
        decided, what = (outputs[:, None] > 0).double(), "rates"
    else:
        decided = torch.nn.functional.one_hot(outputs.argmax(1), task.classes).double()
        what = "rates"
    largest = 0.0
    for cell in cells[cells >= 0].unique().tolist():
        means = [
            decided[(cells == cell) & (values == k)].mean(0)
            for k in values[cells == cell].unique().tolist()
        ]
        stacked = torch.stack(means)
        largest = max(largest, float((stacked.max(0).values - stacked.min(0).values).max()))
    between = "groups" if groups else "tenths"
    return f"{what} of {between} differ by up to {largest:.3f} on {len(values)} training samples"


def _of_groups(h: Tensor, codes: Tensor, labels: list[str], cells: Tensor) -> str:
    """Test each group against all others, and correct for the number of tests."""
    p_values = dict[str, float]()
    for code in codes.unique().tolist():
        inside, others = (
            _some(codes == code, OF_GROUP, cells),
            _some(codes != code, OF_OTHERS, cells),
        )
        rows = torch.cat([inside, others])
        if len(inside) and len(others):
            side = torch.cat([torch.ones(len(inside)), torch.zeros(len(others))]).long()
            p_values[labels[code]] = p_value_of_independence(h[rows], side, cells[rows])
    return _in_words(p_values)


def _of_numbers(h: Tensor, values: Tensor, cells: Tensor) -> str:
    rows = _some(torch.ones(len(h), dtype=torch.bool), OF_GROUP, cells)
    p = p_value_of_independence(h[rows], values[rows].double()[:, None], cells[rows])
    if p < DIFFERENT:
        return f"the outputs depend on it (p = {p:.3f})"
    return f"no dependence found (p = {p:.2f})"


def _some(chosen: Tensor, most: int, cells: Tensor) -> Tensor:
    """Return up to `most` indices of the chosen samples that are compared, at random."""
    rows = (chosen & (cells >= 0)).nonzero()[:, 0]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    return rows[order[:most]]


def _in_words(p_values: Mapping[str, float]) -> str:
    if not p_values:
        return "nothing to compare"
    # Two groups are one test.
    tests = 1 if len(p_values) == 2 else len(p_values)
    found = [name for name, p in p_values.items() if p < DIFFERENT]
    lowest = min(1.0, tests * min(p_values.values()))
    if found:
        return f"outputs depend on {', '.join(found)} (p = {min(p_values.values()):.3f})"
    return f"no group found to differ (p = {lowest:.2f})"
