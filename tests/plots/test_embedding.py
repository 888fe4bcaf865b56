"""Test scatter plots of features: the directions, their signs, and non-finite values."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from advlearn.plots import Embeddings, embedding, plane


def test_the_plane_spans_the_two_joint_principal_components() -> None:
    turn = torch.linalg.qr(torch.randn(6, 6))[0]
    spread = torch.randn(40, 6) * torch.tensor([9.0, 4.0, 0.1, 0.1, 0.1, 0.1])
    x = spread @ turn + 5
    flat = plane({"one": x[:15], "other": x[15:]})
    assert [points.shape for points in flat.values()] == [(15, 2), (25, 2)]
    joined = torch.cat(list(flat.values()))
    values, vectors = torch.linalg.eigh(x.T.cov())
    torch.testing.assert_close(joined.T.cov(), values[-2:].flip(0).diag(), rtol=1e-4, atol=1e-4)
    for k in (0, 1):
        expected = (x - x.mean(0)) @ vectors[:, -1 - k]
        coefficients = vectors[:, -1 - k]
        expected = expected * coefficients[coefficients.abs().argmax()].sign()
        torch.testing.assert_close(joined[:, k], expected, rtol=1e-3, atol=1e-3)


def test_one_feature_is_a_line_and_nan_is_a_point() -> None:
    flat = plane(
        {"one": torch.tensor([[1.0], [3.0]]), "other": torch.tensor([[float("nan")], [4.0]])}
    )
    assert flat["one"].tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert flat["other"].tolist() == [[-2.0, 0.0], [2.0, 0.0]]


def test_all_panels_have_the_same_width(tmp_path: Path) -> None:
    points = {"source": torch.randn(9, 4), "target": torch.randn(8, 4)}
    for n in (1, 2):
        path = embedding({f"panel {k}": points for k in range(n)}, tmp_path / "embedding.png")
        with Image.open(path) as image:
            assert image.size == (450 * n, 420)


def test_points_of_a_wrong_shape_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"^points: expected sets of features \(N, d\) of one width, got \{'a': \(2,\)",
    ):
        plane({"a": torch.zeros(3, 2), "b": torch.zeros(3, 1)})
    with pytest.raises(ValueError, match=r"^panels: expected at least one, got none$"):
        embedding({}, tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"^every: expected a whole number of at least 1, got 0; "):
        Embeddings(tmp_path, 0, points=dict)
