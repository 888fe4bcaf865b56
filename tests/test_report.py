"""Test evaluation after training: its samples and the results it prints."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advlearn.data import ArrayDataset, SemiSupervisedDataset, TabularDataset, open_semi_supervised
from advlearn.fitting import fit
from advlearn.metrics import (
    demographic_parity_difference,
    equalized_odds_difference,
    quantile_difference,
)
from advlearn.report import evaluate, report
from advlearn.run import Run
from advlearn.tasks.fairness import Fairness
from advlearn.tasks.semi_supervised import SemiSupervised


class Column(nn.Module):
    """A model that predicts the first columns, with an unused parameter."""

    def __init__(self, columns: int = 1) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(()))
        self.columns = columns

    def forward(self, x: Tensor) -> Tensor:
        values = x[:, : self.columns] + self.zero
        return values[:, 0] if self.columns == 1 else values


def run_of(task: Any) -> Run:
    return Run(task, {}, task, {})


def fairness_run(table: TabularDataset, columns: int = 1) -> Run:
    shape = table.shape
    return run_of(
        Fairness(Column(columns), shape=shape, attributes=table.attributes, classes=table.classes)
    )


GROUP = torch.tensor([0, 0, 1, 1, 2, 2])
AGE = torch.tensor([20.0, 30.0, 40.0, 50.0, 60.0, 70.0])


def test_few_labels_are_evaluated_on_held_out_samples(capsys: Any) -> None:
    run = fit(
        "semi_supervised(latent=2)",
        "nsgan",
        "digits:50",
        steps=1,
        batch_size=8,
        device="cpu",
        callbacks=(),
    )
    report(run, "digits:50")
    printed = " ".join(capsys.readouterr().out.split())
    assert "digits, 1747 samples whose labels are held out: predictions" in printed
    few = open_semi_supervised("digits:50").labelled
    assert isinstance(few, ArrayDataset) and evaluate(
        run, SemiSupervisedDataset(few, few)
    ).keys() == {"accuracy on digits, the 50 labels trained on"}


def test_labels_of_the_unlabelled_part_serve_for_evaluation(capsys: Any) -> None:
    x = torch.arange(12.0)[:, None] - 6
    y = (x[:, 0] > 0).long()
    wrong = ArrayDataset(x[:4], 1 - y[:4], "few", 2)
    net = nn.Linear(1, 2)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[-1.0], [1.0]]))
        net.bias.zero_()
    run = run_of(SemiSupervised(nn.Linear(2, 1), net, latent=2, shape=(1,)))
    report(run, SemiSupervisedDataset(wrong, ArrayDataset(x, y, "all", 2)))
    printed = capsys.readouterr().out
    assert (
        "all, 8 samples whose labels are held out" in " ".join(printed.split())
        and "1.0000" in printed
    )
    # Without such labels the training data is measured, and the title says so.
    report(run, SemiSupervisedDataset(wrong, ArrayDataset(x, None, "all")))
    printed = capsys.readouterr().out
    assert "few, the 4 labels trained on" in " ".join(printed.split()) and "0.0000" in printed
    assert "on the training data" in " ".join(printed.split())


def test_a_regressor_has_differences_of_means_between_groups_and_deciles() -> None:
    x = torch.tensor([[1.0], [3.0], [5.0], [7.0], [4.0], [8.0]])
    table = TabularDataset(x, x[:, 0] + 2, {"group": GROUP, "age": AGE}, classes=0)
    figures = evaluate(fairness_run(table), table)
    assert figures["root mean squared error"] == pytest.approx(2.0)
    assert figures["group: mean difference"] == pytest.approx(4.0)  # 2, 6 and 6
    assert (
        figures["age: mean difference between deciles"]
        == quantile_difference(table.y, x[:, 0], sensitive_features=AGE)
        == pytest.approx(7.0)
    )


def test_a_classifier_has_differences_of_rates_for_three_groups_and_for_numbers() -> None:
    x = torch.tensor([[1.0], [1.0], [-1.0], [1.0], [-1.0], [-1.0]])
    y = torch.tensor([1, 0, 1, 0, 1, 0])
    table = TabularDataset(x, y, {"group": GROUP, "age": AGE}, {"group": ("a", "b", "c")})
    figures, decided = evaluate(fairness_run(table), table), (x[:, 0] > 0).long()
    assert figures["accuracy"] == pytest.approx(2 / 6)
    assert (
        figures["group: demographic parity difference"]
        == demographic_parity_difference(y, decided, sensitive_features=GROUP)
        == 1.0
    )
    assert (
        figures["group: equalized odds difference"]
        == equalized_odds_difference(y, decided, sensitive_features=GROUP)
        == 1.0
    )
    assert (
        figures["age: demographic parity difference between deciles"]
        == quantile_difference(y, decided, sensitive_features=AGE)
        == 1.0
    )


def test_the_class_with_the_largest_difference_counts() -> None:
    x = torch.eye(3)[torch.tensor([0, 1, 2, 1, 2, 2])]
    table = TabularDataset(x, torch.tensor([0, 1, 2, 0, 1, 2]), {"group": GROUP}, classes=3)
    # Class 0: a half, 0, 0; class 1: a half, a half, 0; class 2: 0, a half, 1.
    figures = evaluate(fairness_run(table, columns=3), table)
    assert figures == {
        "accuracy": pytest.approx(4 / 6),
        "group: demographic parity difference": 1.0,
    }


def test_a_test_part_with_only_one_group_has_no_difference() -> None:
    table = TabularDataset(
        torch.zeros(3, 1),
        torch.zeros(3),
        {"group": torch.zeros(3).long(), "age": torch.ones(3)},
        classes=0,
    )
    task = Fairness(Column(), shape=(1,), attributes={"group": 2, "age": 0}, classes=0)
    assert set(evaluate(run_of(task), table)) == {"root mean squared error"}
    assert math.isclose(evaluate(run_of(task), table)["root mean squared error"], 0.0)


def test_data_of_another_type_is_one_line() -> None:
    task = Fairness(Column(), shape=(1,), attributes={"group": 2}, classes=0)
    line = r"^data: expected one of ArrayDataset, Domains, .*, got Tensor$"
    with pytest.raises(TypeError, match=line):
        evaluate(run_of(task), torch.zeros(3, 1))  # type: ignore[arg-type]


def test_predictions_are_measured_on_the_test_part(capsys: Any) -> None:
    x, y = torch.tensor([[-1.0], [1.0], [-1.0], [1.0]]), torch.tensor([0, 1, 0, 1])
    group = {"group": torch.tensor([0, 0, 1, 1])}
    test = TabularDataset(x, y, group, name="held out")
    train = TabularDataset(x, 1 - y, group, name="train", test_part=lambda: test)
    report(fairness_run(train), train)
    printed = " ".join(capsys.readouterr().out.split())
    assert "held out: predictions" in printed and "1.0000" in printed
