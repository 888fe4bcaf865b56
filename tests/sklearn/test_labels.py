"""Test labels: the marker of no class in every type, and classes of other shares on a target."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from advlearn.metrics import label_shift_weights
from advlearn.sklearn import DomainAdversarialClassifier, SemiSupervisedGANClassifier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
CLASS = (X[:, 0] > 0).astype(int)
KNOWN = np.arange(120) < 60
QUICK: dict[str, Any] = {"steps": 100, "lr": 1e-2, "random_state": 0}
INTEGERS = np.where(KNOWN, CLASS, -1)
WORDS = np.where(CLASS == 1, "yes", "no")
FORMS: dict[str, tuple[Any, list[Any]]] = {
    "int": (INTEGERS, [0, 1]),
    "int8": (INTEGERS.astype(np.int8), [0, 1]),
    "float": (INTEGERS.astype(float), [0, 1]),
    "nullable": (pd.Series(INTEGERS, dtype="Int64"), [0, 1]),
    "list": (INTEGERS.tolist(), [0, 1]),
    "text": (np.where(KNOWN, WORDS, "-1"), ["no", "yes"]),
    "objects": (np.where(KNOWN, WORDS.astype(object), -1), ["no", "yes"]),
    "object numbers": (INTEGERS.astype(object), [0, 1]),
    "pandas text": (pd.Series(np.where(KNOWN, WORDS, "-1"), dtype="string"), ["no", "yes"]),
    "category": (pd.Series(np.where(KNOWN, WORDS, "-1")).astype("category"), ["no", "yes"]),
}


@pytest.mark.parametrize(("y", "classes"), FORMS.values(), ids=FORMS)
def test_the_marker_of_no_class_is_none_in_every_type(y: Any, classes: list[Any]) -> None:
    model = SemiSupervisedGANClassifier(**QUICK).fit(X, y)
    assert list(model.classes_) == classes
    assert (model.predict(X) == np.array(classes)[CLASS]).mean() > 0.85


def test_minus_one_and_one_are_two_classes_in_every_type() -> None:
    for y in (2 * CLASS - 1, 2.0 * CLASS - 1):
        model = SemiSupervisedGANClassifier(steps=2, random_state=0).fit(X, y)
        assert list(model.classes_) == [-1, 1]
    with pytest.raises(ValueError, match=r"^y: expected some samples with a class, got -1"):
        SemiSupervisedGANClassifier(steps=1).fit(X, np.full(120, -1.0))


def test_the_shares_of_a_target_are_estimated() -> None:
    # Predictions that are right for 80 % of class 0 and 90 % of class 1, and shares 1/2 and 1/10.
    y = torch.tensor([0] * 100 + [1] * 100)
    predicted = torch.tensor([0] * 80 + [1] * 20 + [0] * 10 + [1] * 90)
    of_target = torch.tensor([0] * (72 + 1) + [1] * (18 + 9))
    weights = label_shift_weights(y, predicted, of_target)
    torch.testing.assert_close(weights, torch.tensor([1.8, 0.2], dtype=torch.float64))
    with pytest.raises(ValueError, match=r"^source_predictions: expected predictions that tell"):
        label_shift_weights(y, y.roll(50), of_target)


def shifted_labels(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.concatenate([rng.random(600) < 0.5, rng.random(600) < 0.95]).astype(int)
    x = rng.normal(size=(1200, 2)) + 1.2 * (2 * y[:, None] - 1) * np.array([1.0, 0.2])
    return x, y, np.repeat([1, -1], 600)


def test_label_shift_is_a_warning_and_weights_correct_it() -> None:
    x, y, domain = shifted_labels(0)
    settings: dict[str, Any] = {"steps": 300, "lr": 3e-3, "random_state": 0}
    target = domain < 0
    with pytest.warns(UserWarning, match=r"^y: the classes 0, 1 have shares 0\.\d+, 0\.\d+ on the"):
        plain = DomainAdversarialClassifier(**settings).fit(x, y, sample_domain=domain)
    weighed = DomainAdversarialClassifier(label_shift="bbse", **settings)
    weighed.fit(x, y, sample_domain=domain)
    shares = weighed.label_shift_weights_ * [1 - y[~target].mean(), y[~target].mean()]
    assert shares == pytest.approx([0.05, 0.95], abs=0.04)
    right = [(model.predict(x) == y)[target].mean() for model in (plain, weighed)]
    assert right[1] > right[0] + 0.03 and right[1] > 0.94
    assert weighed.target_shares_ == pytest.approx([0.05, 0.95], abs=0.06)
    with pytest.raises(ValueError, match=r"^label_shift: expected one of bbse, got 'em'$"):
        DomainAdversarialClassifier(label_shift="em").fit(x, y, sample_domain=domain)


def test_equal_shares_are_no_warning_and_several_targets_are() -> None:
    x, y, _ = shifted_labels(1)
    domain = np.where(np.arange(600) % 2 == 0, 1, -1)
    DomainAdversarialClassifier(steps=100, random_state=0).fit(x[:600], y[:600], domain)
    domain[1] = -2
    with pytest.warns(UserWarning, match=r"^sample_domain: 2 target domains, -2, -1, are treated"):
        DomainAdversarialClassifier(steps=5, random_state=0).fit(x[:600], y[:600], domain)
