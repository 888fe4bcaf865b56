"""Test that arrays of unusual forms are read with their values, or refused in one line."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import advlearn.data
from advlearn.core.checks import describe_value
from advlearn.data import load, table
from advlearn.data.class_labels import read_labels
from advlearn.sklearn import AdversarialFairClassifier, GroupThresholds
from tests.reliability.files import one_line

POINTS = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
TENSOR = torch.from_numpy(POINTS)
CLASSES = np.arange(60) % 2
GROUPS = np.arange(60) // 2 % 2


def _nested() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls nested tensors a prototype
        return torch.nested.nested_tensor([TENSOR[:4], TENSOR[4:]])


def _quantized() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch will replace them
        return torch.quantize_per_tensor(TENSOR, 0.1, 0, torch.quint8)


def _csr() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this form a beta
        return TENSOR.to_sparse_csr()


REFUSED = {
    "sparse": lambda: TENSOR.to_sparse(),
    "sparse rows": _csr,
    "quantized": _quantized,
    "nested": _nested,
    "meta": lambda: TENSOR.to("meta"),
    "masked": lambda: np.ma.masked_array(POINTS, POINTS > 0),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("place", ["data", "the data of a pair", "x of a table", "few labels"])
def test_values_that_cannot_be_read_are_one_line(kind: str, place: str) -> None:
    x = REFUSED[kind]()
    with pytest.raises(ValueError) as caught:
        if place == "data":
            load(x)
        elif place == "the data of a pair":
            load((x, CLASSES))
        elif place == "x of a table":
            table(x, CLASSES, GROUPS)
        else:
            advlearn.data.semi_supervised.open_semi_supervised((x, CLASSES))
    assert one_line(caught.value).startswith(("data: expected ", "x: expected "))


@pytest.mark.parametrize(
    "labels",
    [
        np.ma.masked_array(CLASSES, CLASSES > 0),
        torch.from_numpy(CLASSES).to_sparse(),
        torch.from_numpy(CLASSES).to("meta"),
        ["a", float("nan")] * 30,
        ["a", 1] * 30,
    ],
    ids=["masked", "sparse", "meta", "a missing text", "texts and numbers"],
)
def test_labels_without_a_value_are_one_line(labels: Any) -> None:
    for call in (
        lambda: read_labels(labels),
        lambda: load((POINTS, labels)),
        lambda: table(POINTS, labels, GROUPS),
    ):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert one_line(caught.value).startswith(("labels: expected ", "y: expected "))


@pytest.mark.parametrize("kind", ["masked", "sparse", "meta"])
def test_estimators_refuse_values_that_cannot_be_read(kind: str) -> None:
    x = REFUSED[kind]()
    model = AdversarialFairClassifier(steps=1)
    with pytest.raises(ValueError, match=r"^X: expected "):
        model.fit(x, CLASSES, sensitive_features=GROUPS)
    model.fit(POINTS, CLASSES, sensitive_features=GROUPS)
    with pytest.raises(ValueError, match=r"^X: expected "):
        model.predict(x)


@pytest.mark.parametrize(
    "y",
    [np.ma.masked_array(CLASSES, CLASSES > 0), ["a", float("nan")] * 30, ["a", None] * 30],
    ids=["masked", "NaN", "None"],
)
def test_estimators_refuse_classes_without_a_value(y: Any) -> None:
    for model in (AdversarialFairClassifier(steps=1), GroupThresholds(LogisticRegression())):
        with pytest.raises(ValueError, match=r"^y: expected "):
            model.fit(POINTS, y, sensitive_features=GROUPS)


@pytest.mark.parametrize("dtype", [np.longdouble, ">f8", ">f4", np.float64])
def test_wide_and_foreign_floats_keep_their_values(dtype: Any) -> None:
    assert np.array_equal(load(POINTS.astype(dtype)).x.numpy(), POINTS)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_64_bit_unsigned_images_are_read_like_bytes(as_tensor: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8))
    images[0, 0, 0] = np.arange(8) + 248
    wide: Any = images.astype(np.uint64)
    wide = torch.from_numpy(wide) if as_tensor else wide
    assert torch.equal(load(wide).x, load(images.astype(np.uint8)).x)


def test_a_tensor_with_a_gradient_is_data_of_a_table() -> None:
    with_gradient = TENSOR.clone().requires_grad_()
    assert torch.equal(table(with_gradient, CLASSES, GROUPS).x, TENSOR)


@pytest.mark.parametrize("thing", [np, torch.Tensor, np.ndarray, _nested()])
def test_any_object_is_described(thing: Any) -> None:
    assert describe_value(thing) == type(thing).__name__
    if not isinstance(thing, torch.Tensor):
        with pytest.raises(TypeError, match=r"^data: expected a name, .*, got "):
            load(thing)


@pytest.mark.parametrize("number", [torch.tensor(3), np.array(3), np.int64(3)])
def test_a_number_of_an_array_is_not_a_sequence(number: Any) -> None:
    with pytest.raises(ValueError, match=r"^callbacks: expected a sequence, got .*3?.*; pass a"):
        advlearn.fit("generate", data=POINTS, callbacks=number)
