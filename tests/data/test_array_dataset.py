import pytest
import torch

from advlearn.data import ArrayDataset


def labels(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64)


def test_describes_images_and_vectors():
    images = ArrayDataset(torch.zeros(3, 1, 8, 8), labels(0, 4, 1), "blank", classes=5)
    assert (len(images), images.shape, images.kind, images.classes) == (3, (1, 8, 8), "image", 5)
    vectors = ArrayDataset(torch.zeros(3, 2))
    assert (vectors.shape, vectors.kind, vectors.classes, vectors.y) == ((2,), "vector", 0, None)


def test_bounded_depends_on_the_values():
    assert ArrayDataset(torch.tensor([[-1.0, 1.0]])).bounded
    assert not ArrayDataset(torch.tensor([[-1.0, 1.001]])).bounded


def test_moving_to_a_device_keeps_all_fields():
    source = ArrayDataset(torch.rand(2, 3), labels(1, 0), "two", classes=2)
    moved = source.to("cpu")
    assert (
        torch.equal(moved.x, source.x)
        and moved.y is not None
        and torch.equal(moved.y, labels(1, 0))
    )
    assert (moved.name, moved.classes) == ("two", 2)


@pytest.mark.parametrize(
    ("x", "y", "classes", "error", "message"),
    [
        (
            torch.zeros(10, dtype=torch.int64),
            None,
            0,
            TypeError,
            r"data: .*\(N, \.\.\.\), got int64 \(10,\)",
        ),
        (
            torch.zeros(4, 2, dtype=torch.float64),
            None,
            0,
            TypeError,
            r"data: .*float32.*got float64 \(4, 2\)",
        ),
        ([1.0], None, 0, TypeError, "stored: expected a Tensor, got"),
        (torch.zeros(4), None, 0, ValueError, r"data: .*got float32 \(4,\)"),
        (torch.zeros(0, 2), None, 0, ValueError, r"data: expected at least one sample.*\(0, 2\)"),
        (
            torch.tensor([[0.0], [float("nan")]]),
            None,
            0,
            ValueError,
            "data: .*finite.*nan in sample 1",
        ),
        (
            torch.tensor([[float("-inf")], [0.0]]),
            None,
            0,
            ValueError,
            "data: .*finite.*-inf in sample 0, column 0; ",
        ),
        (
            torch.full((1, 1, 2, 2), float("inf")),
            None,
            0,
            ValueError,
            "data: .*finite.*inf in sample 0; ",
        ),
        (torch.zeros(2, 2), labels(0, 3), 3, ValueError, r"labels: .*\[0, 3\), got 3"),
        (torch.zeros(2, 2), labels(0, -1), 3, ValueError, r"labels: .*\[0, 3\), got -1"),
        (torch.zeros(2, 2), labels(0), 3, ValueError, r"labels: expected shape \(2,\).*got \(1,\)"),
        (
            torch.zeros(2, 2),
            labels(0, 0).int(),
            3,
            TypeError,
            "labels: expected an int64.*got int32",
        ),
        (torch.zeros(2, 2), None, 3, ValueError, "classes: expected 0 without labels, got 3"),
    ],
)
def test_refuses_bad_input_in_one_line(x, y, classes, error, message):
    with pytest.raises(error, match=message) as caught:
        ArrayDataset(x, y, "bad", classes)
    assert "\n" not in str(caught.value)
