"""Test that units, containers and the order of columns change nothing, and that kinds are kept."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from advlearn.data import encode_attribute, open_table
from advlearn.data.scaling import Scaling
from advlearn.fitting import fit
from advlearn.sklearn import (
    AdversarialFairClassifier,
    AdversarialFairRegressor,
    DomainAdversarialClassifier,
)

RNG = np.random.default_rng(0)
N = 120
X = RNG.normal(size=(N, 3))
X[:, 2] = X[:, 2] > 0
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
AGE = X[:, 0] + 0.3 * RNG.normal(size=N)
SEX = np.where(X[:, 1] > 0, "m", "f")
QUICK: dict[str, Any] = {
    "steps": 40,
    "batch_size": 60,
    "random_state": 0,
    "adversarial_weight": 3.0,
}
UNITS = {"years": (15.0, 40.0), "offset": (1.0, 40.0), "income": (1e4, 5e4), "small": (1e-3, 0.0)}


@pytest.mark.parametrize(("scale", "shift"), UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("kind", [AdversarialFairClassifier, AdversarialFairRegressor])
def test_units_of_attributes_and_features_change_nothing(
    kind: Any, scale: float, shift: float
) -> None:
    expected = kind(**QUICK).fit(X, Y, sensitive_features={"age": AGE})
    of_attribute = kind(**QUICK).fit(X, Y, sensitive_features={"age": scale * AGE + shift})
    moved = scale * X + shift
    of_features = kind(**QUICK).fit(moved, Y, sensitive_features={"age": AGE})
    answers = [
        getattr(model, "decision_function", model.predict)(x)
        for model, x in ((expected, X), (of_attribute, X), (of_features, moved))
    ]
    assert np.abs(answers[1] - answers[0]).max() < 1e-6
    assert np.abs(answers[2] - answers[0]).max() < 1e-4 * np.abs(answers[0]).max()


def test_units_change_nothing_in_fit_itself() -> None:
    x = X.astype(np.float32)
    outputs = [
        fit("fairness", "predictive", (x, Y, {"age": age}), steps=20, device="cpu", callbacks=())
        .predict(x)
        .numpy()
        for age in (AGE, 1e6 * AGE - 3e7)
    ]
    assert np.abs(outputs[1] - outputs[0]).max() < 1e-6


def test_units_of_features_change_nothing_in_adaptation() -> None:
    domain = np.resize([1, -1], N)
    units = np.array([1e4, 1e-3, 1.0])
    settings = {"steps": 20, "random_state": 0}
    one, other = (
        DomainAdversarialClassifier(**settings).fit(x, Y, sample_domain=domain).predict_proba(x)
        for x in (X, X * units)
    )
    assert np.abs(one - other).max() < 1e-4


def test_the_scale_of_the_first_call_is_kept() -> None:
    model = AdversarialFairClassifier(random_state=0)
    model.partial_fit(X, Y, [0, 1], sensitive_features={"age": AGE})
    shift = model.scaling_.shift.copy()
    model.partial_fit(X[:20] + 7, Y[:20], sensitive_features={"age": AGE[:20]})
    assert np.array_equal(model.scaling_.shift, shift)
    assert model.scales_["age"] == pytest.approx((AGE.mean(), AGE.std()))
    saved = pickle.loads(pickle.dumps(model))
    assert np.array_equal(saved.predict_proba(X), model.predict_proba(X))


def test_indicators_and_constants_stay_as_they_are() -> None:
    rows = np.array([[0.0, 5.0, 1e9], [1.0, 5.0, 1e9 + 1], [1.0, 5.0, 1e9 + 2]])
    scaled = Scaling.of(rows).apply(rows)
    assert scaled[:, 0].tolist() == [0, 1, 1] and scaled[:, 1].tolist() == [0, 0, 0]
    assert scaled[:, 2] == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])


class Frame:
    """A data frame of another library: names of columns, and one column by its name."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]


def structured(columns: dict[str, Any]) -> np.ndarray:
    rows = np.empty(N, dtype=[("sex", "U1"), ("age", float)])
    rows["sex"], rows["age"] = columns["sex"], columns["age"]
    return rows


CONTAINERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "frame": pd.DataFrame,
    "nullable": lambda c: pd.DataFrame(c).convert_dtypes(),
    "category": lambda c: pd.DataFrame(c).astype({"sex": "category"}),
    "other library": Frame,
    "structured": structured,
    "lists": lambda c: {name: values.tolist() for name, values in c.items()},
    "tensors": lambda c: {"sex": c["sex"], "age": torch.from_numpy(c["age"])},
    "other order": lambda c: pd.DataFrame(c, index=range(N, 0, -1)),
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_gives_the_same_model(container: Any) -> None:
    columns = {"sex": SEX, "age": AGE}
    settings = {**QUICK, "steps": 5}
    expected = AdversarialFairClassifier(**settings).fit(X, Y, sensitive_features=columns)
    model = AdversarialFairClassifier(**settings).fit(X, Y, sensitive_features=container(columns))
    assert model.groups_ == expected.groups_ == {"sex": ("f", "m"), "age": ()}
    assert model.kinds_ == {"sex": "groups", "age": "numbers"}
    assert np.array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_sparse_samples_give_the_model_of_dense_ones() -> None:
    settings = {**QUICK, "steps": 5}
    dense, thin = (
        AdversarialFairClassifier(**settings).fit(x, Y, sensitive_features=SEX).predict_proba(x)
        for x in (X, sparse.csr_matrix(X))
    )
    assert np.array_equal(dense, thin)


def test_a_kind_that_is_given_is_kept_and_one_that_is_inferred_is_reported() -> None:
    state = np.arange(N) % 50
    model = AdversarialFairClassifier(steps=1, random_state=0, kinds={"state": "groups"})
    with pytest.warns(UserWarning, match=r"^state=\d+: 2 of 120 samples, too few to tell"):
        model.fit(X, Y, sensitive_features={"state": state})
    assert len(model.groups_["state"]) == 50 and model.groups_["state"][:3] == ("0", "1", "2")
    line = r"^state: read 50 whole numbers as numbers; pass kinds=\{'state': 'numbers'\}"
    with pytest.warns(UserWarning, match=line):
        assert encode_attribute("state", state, N)[1] == ()
    few = np.resize([0.1, 0.2, 0.3], N)
    with pytest.warns(UserWarning, match=r"^score: read 3 different numbers as groups"):
        assert encode_attribute("score", few, N)[1] == ("0.1", "0.2", "0.3")
    assert encode_attribute("score", few, N, "numbers")[0].tolist() == few.tolist()
    table = open_table((X, Y, {"state": state}, {"state": "numbers"}))
    assert table.attributes == {"state": 0}


@pytest.mark.parametrize(
    "values",
    [np.resize([1, 2], N), np.resize([1.0, 2.0], N), pd.array([1, 2] * 60, dtype="Int64")],
    ids=["int", "float", "nullable"],
)
def test_a_group_has_one_name_in_every_type(values: Any) -> None:
    assert encode_attribute("g", values, N)[1] == ("1", "2")


@pytest.mark.parametrize(
    ("sensitive", "kinds", "line"),
    [
        (pd.DataFrame({"s": pd.array(["a", None] * 60, dtype="string")}), None, r"^s: expected a "
         r"value for each sample, got <NA> for 60 of them, the first in sample 1; fill"),
        (pd.DataFrame({"s": pd.array([1, None] * 60, dtype="Int64")}), None, r"^s: expected a v"),
        ({"s": np.ma.array(np.arange(N), mask=np.arange(N) == 3)}, None, r"^s: expected values wi"),
        (pd.DataFrame([["a", "b"]] * N, columns=["s", "s"]), None, r"^sensitive_features: expected "
         r"a different name for each column, got 's' 2 times"),
        ({"s": SEX}, {"t": "groups"}, r"^kinds: expected attributes among s, got 't'"),
        ({"s": SEX}, {"s": "group"}, r"^kinds\['s'\]: expected one of groups, numbers, got 'g"),
        ({"s": SEX}, {"s": "numbers"}, r"^s: expected numbers, got '.'; convert"),
        ({"s": SEX}, "groups", r"^kinds: expected 'groups' or 'numbers' by name"),
    ],
)  # fmt: skip
def test_bad_columns_are_one_line_that_names_them(sensitive: Any, kinds: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        AdversarialFairClassifier(steps=1, kinds=kinds).fit(X, Y, sensitive_features=sensitive)


def test_a_table_in_units_that_a_network_cannot_use_is_a_warning() -> None:
    line = r"^x: column 1 has mean -?\d+ and standard deviation 9.66e\+03; a network needs"
    with pytest.warns(UserWarning, match=line):
        open_table((X * [1.0, 1e4, 1.0], Y, {"sex": SEX}))
    rare = np.where(np.arange(N) == 0, 1.0, 0.0)
    open_table((np.stack([X[:, 0], rare, np.ones(N)], 1), Y, {"sex": SEX}))
