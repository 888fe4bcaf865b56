import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from advlearn import metrics
from advlearn.metrics import (
    GroupReport,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    group_report,
    mean_difference,
    quantile_difference,
)

OF_PREDICTIONS = (demographic_parity_difference, demographic_parity_ratio)
OF_BOTH = (
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
)

# Labels, predictions, sensitive columns and weights, one digit per sample, and the values of
# fairlearn 0.15.0 for [f(y_true, y_pred, sensitive_features=columns.T, sample_weight=weights) for f
# in (demographic_parity_difference,
#  demographic_parity_ratio, equal_opportunity_difference, equal_opportunity_ratio,
# equalized_odds_difference,
#  equalized_odds_ratio)]
# with the default method "between_groups". Drawn by numpy.random.default_rng(0 to 5); the last but
# one lacks (1, 2).
CASES = [
    (
        "two groups",
        "111000000111111111110110011011",
        "100101000000000111011001110111",
        ["111010111100001101101100111010"],
        None,
        (0.194444444444, 0.666666666667, 0.0416666666667, 0.9, 0.666666666667, 0.333333333333),
    ),
    (
        "four groups",
        "011100110010010011001111100100001000101001000001110101101001",
        "010001010111001110000111011001111111001101111011000001111100",
        ["213032121331102233333001133122301213331302102330331033100131"],
        None,
        (
            0.365217391304,
            0.54347826087,
            0.666666666667,
            0.333333333333,
            0.666666666667,
            0.333333333333,
        ),
    ),
    (
        "two groups, weighted",
        "100001000111101010010100101110",
        "011111000000111111101100111000",
        ["100111011100111101000101010001"],
        "324311213133322424223443144221",
        (0.2, 0.714285714286, 0.345864661654, 0.515789473684, 0.345864661654, 0.515789473684),
    ),
    (
        "two attributes",
        "100001110000100011000011001101111001111010011000011100010001",
        "100011111011000101100111010110110100111010000110110011000110",
        [
            "100101011100011011111111110110100000101100000001111100111110",
            "021101022201012001102121221120110002212102010121110001022122",
        ],
        None,
        (0.547619047619, 0.233333333333, 1, 0, 1, 0),
    ),
    (
        "two attributes, one combination empty",
        "111110010011101010100101111011110101010100100111000",
        "111111001100010001101110001010101011000101010000100",
        [
            "001100000110001010010001000100101110011010101110000",
            "011100222111110112010100120111020010011212121002102",
        ],
        None,
        (
            0.514285714286,
            0.357142857143,
            0.833333333333,
            0.166666666667,
            0.833333333333,
            0.166666666667,
        ),
    ),
    (
        "two attributes, weighted",
        "110101101000100000010110000101110010111011100100010100111100",
        "111001001010010000011001100001110110100110110011100101100101",
        [
            "111010011001111001000001100101011111010001011001101110000010",
            "011111100110110010000111100110101110111000001010100101000001",
        ],
        "241214324343331343213141213121411314422232231424224312142134",
        (0.307302231237, 0.554411764706, 0.4, 0.5, 0.55, 0.3125),
    ),
]


def digits(text: str) -> np.ndarray:
    return np.array(list(text), dtype=np.int64)


@pytest.mark.parametrize(
    ("y", "p", "columns", "weights", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_equal_to_recorded_values_of_fairlearn(y, p, columns, weights, expected):
    y_true, y_pred, groups = (
        digits(y),
        digits(p),
        np.stack([digits(column) for column in columns], axis=1),
    )
    weight = None if weights is None else digits(weights)
    values = [
        f(y_true, y_pred, sensitive_features=groups, sample_weight=weight) for f in OF_PREDICTIONS
    ]
    values += [f(y_true, y_pred, sensitive_features=groups, sample_weight=weight) for f in OF_BOTH]
    assert values == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    ("sizes", "weighted"), [((2,), False), ((5,), True), ((2, 3), False), ((2, 2, 2), True)]
)
def test_equal_to_fairlearn(sizes, weighted):
    fairlearn_metrics = pytest.importorskip(
        "fairlearn.metrics", reason="fairlearn is a peer, not a dependency; its figures are above"
    )
    draw = np.random.default_rng(sum(sizes))
    y_true, y_pred = draw.integers(0, 2, (2, 500))
    groups = np.stack([draw.integers(0, size, 500) for size in sizes], axis=1)
    weights = draw.uniform(0.5, 2.0, 500) if weighted else None
    keywords = {"sensitive_features": groups, "sample_weight": weights}
    for f in OF_PREDICTIONS + OF_BOTH:
        actual = f(y_true, y_pred, **keywords)
        assert actual == pytest.approx(
            getattr(fairlearn_metrics, f.__name__)(y_true, y_pred, **keywords), abs=1e-12
        )


# By hand. Group a: labels 1 1 0 0, predictions 1 0 1 0. Group b: labels 1 1 1 0 0, predictions 1 1
# 1 0 0.
Y_TRUE = [1, 1, 0, 0, 1, 1, 1, 0, 0]
Y_PRED = [1, 0, 1, 0, 1, 1, 1, 0, 0]
GROUPS = ["a"] * 4 + ["b"] * 5


def test_rates_by_hand():
    assert group_report(Y_TRUE, Y_PRED, sensitive_features=GROUPS) == {
        "a": GroupReport(4, 0.5, 0.5, 0.5, 0.5, 2, 0.5, 0.5),
        "b": GroupReport(5, 0.6, 1.0, 0.0, 1.0, 3, 0.0, 1.0),
    }
    assert demographic_parity_difference(
        Y_PRED, Y_PRED, sensitive_features=GROUPS
    ) == pytest.approx(0.1)
    assert demographic_parity_ratio(Y_PRED, Y_PRED, sensitive_features=GROUPS) == pytest.approx(
        0.5 / 0.6
    )
    assert equal_opportunity_difference(Y_TRUE, Y_PRED, sensitive_features=GROUPS) == 0.5
    assert equal_opportunity_ratio(Y_TRUE, Y_PRED, sensitive_features=GROUPS) == 0.5
    assert equalized_odds_difference(Y_TRUE, Y_PRED, sensitive_features=GROUPS) == 0.5
    assert equalized_odds_ratio(Y_TRUE, Y_PRED, sensitive_features=GROUPS) == 0.0


def test_equalized_odds_use_the_worse_of_the_two_rates():
    # True positive rates 1 and 1, false positive rates 0 and 1/2; then the labels are swapped.
    y_true, y_pred, groups = [1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1]
    assert equal_opportunity_difference(y_true, y_pred, sensitive_features=groups) == 0.0
    assert equalized_odds_difference(y_true, y_pred, sensitive_features=groups) == 0.5
    turned = [1 - y for y in y_true], [1 - p for p in y_pred]
    assert (
        equal_opportunity_difference(*turned, sensitive_features=groups)
        == equalized_odds_difference(*turned, sensitive_features=groups)
        == 0.5
    )


def test_a_weight_equals_repeated_samples():
    weights = [1, 2, 3, 1, 2, 1, 4, 1, 1]
    repeated = [
        [v for v, w in zip(column, weights, strict=True) for _ in range(w)]
        for column in (Y_TRUE, Y_PRED, GROUPS)
    ]
    weighed, counted = (
        group_report(Y_TRUE, Y_PRED, sensitive_features=GROUPS, sample_weight=weights),
        group_report(*repeated[:2], sensitive_features=repeated[2]),
    )
    for group in "ab":
        assert (
            weighed[group][1:5] == pytest.approx(counted[group][1:5])
            and weighed[group].samples < counted[group].samples
        )
    assert equalized_odds_difference(
        Y_TRUE, Y_PRED, sensitive_features=GROUPS, sample_weight=weights
    ) == pytest.approx(equalized_odds_difference(*repeated[:2], sensitive_features=repeated[2]))


FORMS = {
    "list": list,
    "array": np.array,
    "tensor": torch.tensor,
    "column": lambda values: np.array(values)[:, None],
    "bool": lambda values: np.array(values) == 1,
    "float": lambda values: torch.tensor(values, dtype=torch.float32, requires_grad=True),
    "minus-one": lambda values: [2 * value - 1 for value in values],
    "objects": lambda values: np.array(values, dtype=object),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_labels_of_every_form_are_accepted(form):
    assert group_report(form(Y_TRUE), form(Y_PRED), sensitive_features=GROUPS) == group_report(
        Y_TRUE, Y_PRED, sensitive_features=GROUPS
    )


def test_pandas_columns_and_frames_are_accepted():
    pandas = pytest.importorskip(
        "pandas", reason="pandas is optional; its columns are read as arrays"
    )
    frame = pandas.DataFrame(
        {"y": Y_TRUE, "p": Y_PRED, "sex": GROUPS, "age": [20, 40] * 4 + [20]}, index=range(7, 16)
    )
    expected = group_report(Y_TRUE, Y_PRED, sensitive_features=GROUPS)
    assert (
        group_report(
            frame["y"],
            frame["p"].astype("Int64"),
            sensitive_features=frame["sex"].astype("category"),
        )
        == expected
    )
    both = group_report(frame["y"], frame["p"], sensitive_features=frame[["sex", "age"]])
    assert list(both) == [("a", 20), ("a", 40), ("b", 20), ("b", 40)] and both["b", 20].samples == 3
    with pytest.raises(ValueError, match=r"sensitive_features\['age'\]: .*nan in sample 0"):
        group_report(
            frame["y"],
            frame["p"],
            sensitive_features=frame[["sex", "age"]].assign(age=[np.nan] * 9),
        )


def test_combinations_of_several_attributes_are_groups():
    y_pred, sex, age = [1, 0, 1, 1, 0], ["f", "f", "m", "m", "m"], [1, 2, 1, 1, 1]
    rates = {("f", 1): 1.0, ("f", 2): 0.0, ("m", 1): 2 / 3}  # ("m", 2) does not occur
    for groups in (list(zip(sex, age, strict=True)), {"sex": sex, "age": np.array(age)}):
        report = group_report(y_pred, y_pred, sensitive_features=groups)
        assert {group: line.selection_rate for group, line in report.items()} == pytest.approx(
            rates
        )
        assert demographic_parity_difference(y_pred, y_pred, sensitive_features=groups) == 1.0
    assert (
        demographic_parity_difference(
            y_pred,
            y_pred,
            sensitive_features=torch.tensor([[0, 1], [0, 2], [1, 1], [1, 1], [1, 1]]),
        )
        == 1.0
    )


def test_labels_of_different_types_are_different_groups():
    assert list(group_report([1] * 4, [1] * 4, sensitive_features=[1, "1", 2.5, "1"])) == [
        1,
        "1",
        2.5,
    ]
    assert list(group_report([1, 0], [1, 0], sensitive_features=np.array([True, False]))) == [
        False,
        True,
    ]
    assert list(group_report([1, 0], [1, 0], sensitive_features=list(torch.tensor([7, 3])))) == [
        3,
        7,
    ]


def test_a_rate_without_samples_counts_as_zero():
    y_true, y_pred, groups = [1, 0, 0, 0], [1, 1, 1, 0], ["a", "a", "b", "b"]
    assert math.isnan(
        group_report(y_true, y_pred, sensitive_features=groups)["b"].true_positive_rate
    )
    with pytest.warns(
        RuntimeWarning,
        match="sensitive_features: 'b' has no positive label; its true positive rate counts as 0",
    ):
        assert equal_opportunity_difference(y_true, y_pred, sensitive_features=groups) == 1.0
    with pytest.warns(
        RuntimeWarning,
        match="sensitive_features: 'a' has no negative label; its false positive rate counts as 0",
    ):
        assert equalized_odds_ratio([1, 1, 1, 0], [1, 1, 1, 1], sensitive_features=groups) == 0.0
    nobody = [0, 0, 0, 0]
    assert demographic_parity_difference(
        nobody, nobody, sensitive_features=groups
    ) == 0.0 and math.isnan(demographic_parity_ratio(nobody, nobody, sensitive_features=groups))
    both = [1, 0, 1, 0]
    assert (
        equalized_odds_ratio(both, both, sensitive_features=groups) == 1.0
    )  # no false positive: only the true positive rates count
    assert math.isnan(equalized_odds_ratio(both, nobody, sensitive_features=groups))
    assert math.isnan(
        equalized_odds_ratio(both, [0, 1, 0, 1], sensitive_features=groups)
    )  # every positive prediction is wrong


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=2, max_size=30))
def test_difference_and_ratio_are_of_the_extreme_groups(rows):
    y_pred, groups = zip(*rows, strict=True)
    if len(set(groups)) < 2:
        return
    rates = [np.mean([p for p, g in rows if g == group]) for group in set(groups)]
    assert demographic_parity_difference(
        y_pred, y_pred, sensitive_features=groups
    ) == pytest.approx(max(rates) - min(rates))
    if max(rates) > 0:
        assert demographic_parity_ratio(y_pred, y_pred, sensitive_features=groups) == pytest.approx(
            min(rates) / max(rates)
        )


def test_mean_difference_of_a_regressor_by_hand():
    prediction, groups = torch.tensor([1.0, 3.0, 10.0, 4.0, 6.0]), ["a", "a", "b", "c", "c"]
    assert mean_difference(prediction, prediction, sensitive_features=groups) == 8.0
    assert (
        mean_difference(
            prediction, prediction, sensitive_features=groups, sample_weight=[3, 1, 1, 1, 1]
        )
        == 8.5
    )
    assert mean_difference(
        Y_PRED, Y_PRED, sensitive_features=GROUPS
    ) == demographic_parity_difference(Y_PRED, Y_PRED, sensitive_features=GROUPS)


def test_quantile_difference_of_a_line_by_hand():
    # Bins of 25 neighbours: the means of a line of slope 2 over 0..99 are 75 steps apart in the
    # outer ones.
    age = np.arange(100.0)
    assert quantile_difference(age, 2 * age, sensitive_features=age[::1], bins=4) == pytest.approx(
        150.0
    )
    assert quantile_difference(age, np.ones(100), sensitive_features=age) == 0.0
    # A symmetric dependence has no correlation but differs between bins.
    assert quantile_difference(
        age, (age - 49.5) ** 2, sensitive_features=age, bins=10
    ) == pytest.approx(2025.0 - 25.0)


def test_a_quantile_belongs_to_the_bin_below_it():
    assert quantile_difference(
        [0] * 5, [0, 0, 1, 1, 1], sensitive_features=[0, 1, 2, 3, 4], bins=2
    ) == pytest.approx(1 - 1 / 3)


def test_equal_values_share_a_quantile_bin():
    attribute = [0.0] * 8 + [1.0, 2.0]
    prediction = [0, 1] * 4 + [1, 1]
    assert quantile_difference(prediction, prediction, sensitive_features=attribute, bins=10) == 0.5
    with pytest.raises(
        ValueError, match=r"sensitive_features: expected values in at least two of 10 quantile bins"
    ):
        quantile_difference(prediction, prediction, sensitive_features=[3.0] * 10)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: demographic_parity_difference([1, 0], [1, 0], sensitive_features=["a", "a"]),
            ValueError,
            "sensitive_features: expected at least two groups.*'a'",
        ),
        (
            lambda: demographic_parity_difference([0.2, 1], [0.2, 1], sensitive_features=[0, 1]),
            ValueError,
            "y_pred: .*got 0.2; threshold",
        ),
        (
            lambda: demographic_parity_difference([2, 1], [2, 1], sensitive_features=[0, 1]),
            ValueError,
            "y_pred: expected labels 0 and 1",
        ),
        (
            lambda: demographic_parity_difference([], [], sensitive_features=[]),
            ValueError,
            r"y_pred: expected shape \(N,\).*got \(0,\)",
        ),
        (
            lambda: demographic_parity_difference(
                ["yes", "no"], ["yes", "no"], sensitive_features=[0, 1]
            ),
            TypeError,
            "y_pred: expected numbers, got 'yes'",
        ),
        (
            lambda: demographic_parity_difference([1, None], [1, None], sensitive_features=[0, 1]),
            TypeError,
            "y_pred: expected numbers, got None",
        ),
        (
            lambda: demographic_parity_difference([1, 0], [1, 0], sensitive_features=["a"]),
            ValueError,
            r"sensitive_features: expected shape \(2,\).*got \(1,\)",
        ),
        (
            lambda: demographic_parity_difference([1, 0], [1, 0], sensitive_features=["a", None]),
            ValueError,
            "sensitive_features: .*got None in sample 1",
        ),
        (
            lambda: demographic_parity_difference(
                [1, 0], [1, 0], sensitive_features=[math.nan, 1.0]
            ),
            ValueError,
            "sensitive_features: .*got nan in sample 0",
        ),
        (
            lambda: demographic_parity_difference([1, 0], [1, 0], sensitive_features=[{}, 1]),
            TypeError,
            "sensitive_features: expected hashable labels",
        ),
        (
            lambda: demographic_parity_difference(
                [1, 0], [1, 0], sensitive_features={"sex": [0, 1], "age": [0]}
            ),
            ValueError,
            r"sensitive_features\['age'\]: expected shape \(2,\)",
        ),
        (
            lambda: demographic_parity_difference([1, 0], [1, 0], sensitive_features={}),
            ValueError,
            "sensitive_features: expected at least one column",
        ),
        (
            lambda: equalized_odds_difference([1, 0], [1], sensitive_features=[0, 1]),
            ValueError,
            r"y_pred: expected shape \(2,\)",
        ),
        (
            lambda: equalized_odds_difference(
                torch.tensor([1.0, math.nan]), [1, 0], sensitive_features=[0, 1]
            ),
            ValueError,
            "y_true: expected finite values, got nan in sample 1",
        ),
        (
            lambda: demographic_parity_difference(
                [1, 0], [1, 0], sensitive_features=[0, 1], sample_weight=[1, -1]
            ),
            ValueError,
            "sample_weight: expected weights of at least 0, got -1 in sample 1",
        ),
        (
            lambda: demographic_parity_difference(
                [1, 0], [1, 0], sensitive_features=["a", "b"], sample_weight=[1, 0]
            ),
            ValueError,
            "sample_weight: expected a positive one in each group, got only 0 in group 'b'",
        ),
        (
            lambda: quantile_difference([1, 0], [1, 0], sensitive_features=[1.0, 2.0], bins=1),
            ValueError,
            "bins: .*at least 2",
        ),
    ],
)
def test_bad_input_is_one_line_that_names_it(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_every_public_function_is_exported():
    assert {f.__name__ for f in OF_PREDICTIONS + OF_BOTH} <= set(metrics.__all__)


def test_labels_of_any_type_are_compared_with_a_positive_label():
    words = ["yes" if value else "no" for value in Y_TRUE], ["yes" if v else "no" for v in Y_PRED]
    for measure in OF_PREDICTIONS + OF_BOTH:
        expected = measure(Y_TRUE, Y_PRED, sensitive_features=GROUPS)
        assert measure(*words, sensitive_features=GROUPS, pos_label="yes") == expected
    report = group_report(*words, sensitive_features=GROUPS, pos_label="yes")
    assert report == group_report(Y_TRUE, Y_PRED, sensitive_features=GROUPS)


def test_scikit_learn_calls_every_measure_with_the_predictions():
    from sklearn.dummy import DummyClassifier
    from sklearn.metrics import make_scorer

    class Given(DummyClassifier):
        def predict(self, X):
            return X[:, 0]

    x = np.array(Y_PRED)[:, None]
    model = Given().fit(x, Y_TRUE)
    groups = np.array(GROUPS)
    for measure in OF_PREDICTIONS + OF_BOTH + (mean_difference,):
        scorer = make_scorer(measure, sensitive_features=groups)
        assert scorer(model, x, Y_TRUE) == measure(Y_TRUE, Y_PRED, sensitive_features=GROUPS)
    weights = np.arange(1.0, 10.0)
    weighed = make_scorer(equalized_odds_difference, sensitive_features=groups)
    assert weighed(model, x, Y_TRUE, sample_weight=weights) == equalized_odds_difference(
        Y_TRUE, Y_PRED, sensitive_features=GROUPS, sample_weight=weights
    )


def test_any_measure_is_computed_in_each_group():
    from sklearn.metrics import accuracy_score, recall_score

    named = {"accuracy": accuracy_score, "recall": recall_score}
    table = metrics.group_metrics(named, Y_TRUE, Y_PRED, sensitive_features=GROUPS)
    assert table.by_group == {
        "a": {"accuracy": 0.5, "recall": 0.5},
        "b": {"accuracy": 1.0, "recall": 1.0},
    }
    assert table.overall == {"accuracy": pytest.approx(7 / 9), "recall": 0.8}
    assert table.difference() == {"accuracy": 0.5, "recall": 0.5} == table.ratio()
    assert table.samples == {"a": 4, "b": 5}
    assert list(table.to_pandas().loc["b"]) == [5, 1.0, 1.0]
    assert str(table).splitlines()[1].split() == ["a", "4", "0.5", "0.5"]
    weighed = metrics.group_metrics(
        accuracy_score,
        Y_TRUE,
        Y_PRED,
        sensitive_features=GROUPS,
        sample_weight=[3, 1, 0, 0] + [1] * 5,
    )
    assert weighed.by_group["a"] == {"accuracy_score": 0.75}
