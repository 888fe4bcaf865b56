"""Test that a run trained with a class from outside the library is saved and loaded again."""

from pathlib import Path
from typing import final

import pytest
import torch
from torch import Tensor

import advlearn
from advlearn.core.objective import Pointwise
from advlearn.testing import check_objective


@final
class OutsideHinge(Pointwise):
    r"""Compute a hinge loss, as a class that is not registered.

    .. math:: C = E_{real}[\max(0, 1 - s)] + E_{fake}[\max(0, 1 + s)]

    Example:
        >>> OutsideHinge()
        OutsideHinge()
    """

    @property
    def loss_at_chance(self) -> float:
        return 2.0

    def real_loss(self, scores: Tensor) -> Tensor:
        return (1 - scores).clamp(min=0)

    def fake_loss(self, scores: Tensor) -> Tensor:
        return (1 + scores).clamp(min=0)

    def generator_loss(self, scores: Tensor) -> Tensor:
        return -scores


def test_a_run_of_an_unregistered_class_loads_with_objects(tmp_path: Path) -> None:
    run = advlearn.fit(
        "generate(latent=2)", OutsideHinge(), torch.randn(64, 2), steps=2, device="cpu",
        callbacks=(),
    )  # fmt: skip
    saved = run.save(tmp_path / "run.pt")
    with pytest.raises(ValueError, match=r"^objects: .* was trained with 'OutsideHinge'"):
        advlearn.load(saved)
    loaded = advlearn.load(saved, objects={"OutsideHinge": OutsideHinge})
    assert torch.equal(loaded.sample(4, seed=1), run.sample(4, seed=1))
    # The name is known only inside `load`.
    with pytest.raises(ValueError, match="OutsideHinge"):
        advlearn.resolve("OutsideHinge")


def test_the_class_passes_the_checks_of_an_objective() -> None:
    check_objective(OutsideHinge())
