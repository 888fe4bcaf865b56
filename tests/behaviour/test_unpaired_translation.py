"""Test UnpairedTranslation: the cycle loss, the identity loss and the image pool."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import advlearn
from advlearn.core.grammar import resolve
from advlearn.data import ArrayDataset, StreamedDataset, Unpaired
from advlearn.fitting import fit
from advlearn.nets.families.translators import ResidualTranslator
from advlearn.regularizers.image_pool import ImagePool
from advlearn.tasks.unpaired_translation import UnpairedTranslation

A, B = torch.randn(10, 2), torch.randn(8, 2) + 3
DATA = Unpaired(ArrayDataset(A, None, "a"), ArrayDataset(B, None, "b"))


class Shift(nn.Module):
    """A translator that adds a learned number or vector."""

    def __init__(self, by: float | tuple[float, ...]) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.by


def loss(task: UnpairedTranslation) -> float:
    value = task((A, B)).loss
    assert value is not None
    return float(value.detach())


def test_identity_translators_have_zero_loss() -> None:
    assert loss(UnpairedTranslation(nn.Linear(2, 2), nn.Linear(2, 2), shape=(2,))) > 0
    assert loss(UnpairedTranslation(Shift(0.0), Shift(0.0), shape=(2,))) == 0


def test_exact_cycles_cost_only_the_identity_loss() -> None:
    there_and_back = UnpairedTranslation(
        Shift(3.0), Shift(-3.0), shape=(2,), cycle_weight=10, identity_weight=5
    )
    assert loss(there_and_back) == pytest.approx(5 * (3 + 3), rel=1e-5)
    one_way = UnpairedTranslation(
        Shift(3.0), Shift(0.0), shape=(2,), cycle_weight=10, identity_weight=0
    )
    assert loss(one_way) == pytest.approx(10 * (3 + 3), rel=1e-5)
    squared = UnpairedTranslation(
        Shift(3.0), Shift(0.0), shape=(2,), cycle_weight=1, identity_weight=0, norm="l2"
    )
    assert loss(squared) == pytest.approx(9 + 9, rel=1e-5)


def test_each_set_is_compared_with_the_translations_into_it() -> None:
    pairs = UnpairedTranslation(Shift(3.0), Shift(-3.0), shape=(2,))((A, B)).pairs
    assert torch.equal(pairs["a"].real, A) and torch.equal(pairs["a"].fake, B - 3)
    assert torch.equal(pairs["b"].real, B) and torch.equal(pairs["b"].fake, A + 3)


def test_the_defaults_are_those_of_cyclegan() -> None:
    task = UnpairedTranslation.from_data(DATA, base_channels=4)
    assert (task.cycle_weight, task.identity_weight) == (10.0, 5.0)
    assert (task.norm, task.image_pool_size) == ("l1", 50)
    with pytest.raises(ValueError, match=r"no option 'cicle_weight'; did you mean 'cycle_weight'"):
        UnpairedTranslation.from_data(DATA, cicle_weight=1.0)


def test_the_image_pool_is_in_the_chain_once_and_only_if_requested() -> None:
    task = UnpairedTranslation.from_data(DATA, base_channels=4)
    assert repr(task.adapt_objective(resolve("lsgan"))).endswith("+ ImagePool(size=50)")
    assert repr(task.adapt_objective(resolve("lsgan + image_pool(size=7)"))).endswith(
        "+ ImagePool(size=7)"
    )
    assert "ImagePool" not in repr(
        UnpairedTranslation.from_data(DATA, image_pool_size=0).adapt_objective(resolve("lsgan"))
    )


def test_each_critic_has_its_own_image_pool() -> None:
    run = fit(
        "unpaired_translation(base_channels=4)",
        "lsgan",
        DATA,
        steps=8,
        batch_size=8,
        device="cpu",
        callbacks=(),
    )
    histories = [
        h
        for a in run.adversaries.values()
        for h in a.chain.regularizers
        if isinstance(h, ImagePool)
    ]
    (a,), (b,) = (h.held for h in histories)
    assert a.shape == b.shape == (50, 2) and not torch.equal(a, b)


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"batch_size": 8, "device": "cpu", "callbacks": ()}
    whole = fit(
        "unpaired_translation(base_channels=4)",
        "lsgan",
        DATA,
        steps=12,
        out=tmp_path / "whole",
        **settings,
    )
    fit(
        "unpaired_translation(base_channels=4)",
        "lsgan",
        DATA,
        steps=9,
        out=tmp_path / "parts",
        **settings,
    )
    parts = fit(
        "unpaired_translation(base_channels=4)",
        "lsgan",
        DATA,
        steps=12,
        out=tmp_path / "parts",
        **settings,
    )
    for p, q in zip(whole.task.parameters(), parts.task.parameters(), strict=True):
        assert torch.equal(p, q)


def test_a_loaded_run_translates_the_same_in_both_directions(tmp_path: Path) -> None:
    run = fit(
        "unpaired_translation(base_channels=4, cycle_weight=1.0, identity_weight=0.0, "
        "norm='l2', image_pool_size=0)",
        "nsgan",
        DATA,
        steps=2,
        batch_size=4,
        device="cpu",
        callbacks=(),
    )
    loaded: Any = advlearn.load(run.save(tmp_path / "run.pt"))
    model: Any = run.ema_model
    assert torch.equal(loaded.predict(A), run.predict(A))
    assert torch.equal(loaded.ema_model.predict(B, to="a"), model.predict(B, "a"))
    assert not torch.equal(model.predict(B, "a"), model.predict(B, "b"))
    with pytest.raises(ValueError, match=r"^to: expected one of a, b, got 'c'$"):
        model.predict(A, to="c")


def test_images_get_residual_translators_and_a_picture() -> None:
    data = Unpaired(
        ArrayDataset(torch.rand(6, 1, 8, 8), None, "a"),
        ArrayDataset(torch.rand(9, 1, 8, 8), None, "b"),
    )
    task = UnpairedTranslation.from_data(data, base_channels=4, blocks=1)
    assert isinstance(task.to_b, ResidualTranslator)
    columns = task.before_after(data)
    assert list(columns) == ["a", "a to b", "and back", "b", "b to a", "and back to b"]
    assert all(images.shape == (6, 1, 8, 8) for images in columns.values())


def test_sets_drawn_sample_by_sample_train_without_a_picture(tmp_path: Path) -> None:
    drawn = StreamedDataset(TensorDataset(torch.rand(6, 1, 8, 8)), "drawn", (1, 8, 8))
    data = Unpaired(drawn, ArrayDataset(torch.rand(9, 1, 8, 8), None, "b"))
    run = fit(
        "unpaired_translation(base_channels=4, blocks=1)",
        "lsgan",
        data,
        steps=2,
        batch_size=2,
        device="cpu",
        out=tmp_path / "run",
    )
    assert (tmp_path / "run" / "checkpoint.pt").exists()
    assert not list((tmp_path / "run").glob("*.png"))
    assert run.trainer.step == 2


def test_training_finds_a_shift_without_pairs() -> None:
    a, b = torch.randn(400, 2), torch.randn(400, 2) + torch.tensor([2.0, -1.0])
    task = UnpairedTranslation(
        Shift((0.0, 0.0)), Shift((0.0, 0.0)), shape=(2,), cycle_weight=1, identity_weight=0
    )
    run = fit(task, "energy-distance", (a, b), steps=300, lr=2e-2, device="cpu", callbacks=())
    model: Any = run.ema_model
    torch.testing.assert_close(model.to_b.by, b.mean(0) - a.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(model.to_a.by, a.mean(0) - b.mean(0), atol=0.15, rtol=0)


def test_a_mismatched_translator_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^to_a: expected samples of shape \(2,\), got \(3,\)$"):
        UnpairedTranslation(nn.Linear(2, 2), nn.Linear(2, 3), shape=(2,))
    with pytest.raises(
        ValueError, match=r"^cycle_weight: expected a finite number of at least 0, got -1;"
    ):
        UnpairedTranslation(nn.Linear(2, 2), nn.Linear(2, 2), shape=(2,), cycle_weight=-1)
