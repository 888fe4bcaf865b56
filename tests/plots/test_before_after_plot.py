"""Test plots of a translation during training: their times, columns, and no effect on the run."""

from pathlib import Path

import pytest
import torch

from advlearn.data import Pairs
from advlearn.fitting import fit
from advlearn.plots.before_after_plot import BeforeAfterPlot

DATA = Pairs(torch.rand(8, 1, 8, 8), torch.rand(8, 3, 8, 8))


def test_plots_are_drawn_at_intervals_and_at_the_end_and_change_nothing(tmp_path: Path) -> None:
    draws: list[int] = []

    def columns() -> dict[str, torch.Tensor]:
        draws.append(int(torch.rand(()) * 1000))
        return {"input": DATA.x[:2], "truth": DATA.y[:2]}

    settings = {"steps": 5, "batch_size": 4, "device": "cpu"}
    plain = fit("paired_translation(base_channels=4)", "lsgan", DATA, callbacks=(), **settings)
    drawn = fit(
        "paired_translation(base_channels=4)",
        "lsgan",
        DATA,
        callbacks=[BeforeAfterPlot(tmp_path, 2, columns=columns)],
        **settings,
    )
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-00000002.png", "step-00000004.png", "step-00000005.png"]
    assert len(set(draws)) == 1
    for p, q in zip(plain.task.parameters(), drawn.task.parameters(), strict=True):
        assert torch.equal(p, q)


def test_an_interval_of_zero_steps_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^every: expected a whole number of at least 1, got 0; "):
        BeforeAfterPlot(tmp_path, 0, columns=dict)
