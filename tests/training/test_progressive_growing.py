"""Test progressive growing: the schedule of the level, the growing networks, and resumed runs."""

import pytest
import torch

from advlearn.core.trainer import Callback
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.run import load
from advlearn.training.progressive_growing import ProgressiveGrowing

DATA = ArrayDataset(torch.rand(8, 1, 16, 16) * 2 - 1, None, "few")
TASK = "generate(latent=4, architecture='progan', base_channels=4)"


class Watch(Callback):
    """Record the levels of generator, critic and average after each step; may stop the run."""

    def __init__(self, stop: int = 0):
        self.recorded = []
        self.stop = stop

    def on_step(self, trainer):
        average = trainer.callbacks[0].module
        nets = (trainer.task.generator, trainer.adversaries["data"].critic, average.generator)
        self.recorded.append(tuple(net.growth.level for net in nets))
        if trainer.step == self.stop:
            trainer.stop_reason = "enough"


def run(steps=10, *callbacks, **settings):
    settings = {"batch_size": 4, "device": "cpu", **settings}
    return fit(TASK, "nsgan", DATA, steps=steps, callbacks=callbacks, **settings)


def test_the_level_alternates_between_holding_and_fading():
    levels = [ProgressiveGrowing(0.8).level(step / 10, 2) for step in range(11)]
    assert levels == pytest.approx([0, 0, 0, 0.5, 1, 1, 1, 1.5, 2, 2, 2])
    course = [ProgressiveGrowing().level(step / 1000, 4) for step in range(1001)]
    assert course == sorted(course) and course[0] == 0 and course[-1] == 4


def test_generator_critics_and_average_grow_together():
    watch = Watch()
    result = run(10, ProgressiveGrowing(0.8), watch)
    assert [levels[0] for levels in watch.recorded] == pytest.approx(
        [0, 0, 0.5, 1, 1, 1, 1.5, 2, 2, 2]
    )
    assert all(len(set(levels)) == 1 for levels in watch.recorded)
    assert result.sample(2).shape == (2, 1, 16, 16)


def test_fit_grows_networks_automatically():
    watch = Watch()
    run(10, watch)
    course = [ProgressiveGrowing().level(step / 10, 2) for step in range(1, 11)]
    assert [levels[0] for levels in watch.recorded] == pytest.approx(course) and course[0] == 0


def test_a_resumed_run_continues_at_its_level(tmp_path):
    """A resumed run is equal bit for bit, including layers that are not trained yet."""
    whole = run(8, ProgressiveGrowing(1.0), out=tmp_path / "whole")
    run(8, ProgressiveGrowing(1.0), Watch(stop=4), out=tmp_path / "halves")
    halves = run(8, ProgressiveGrowing(1.0), out=tmp_path / "halves")
    assert halves.trainer.step == 8
    for a, b in zip(whole.ema_model.parameters(), halves.ema_model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_saved_run_is_loaded_at_its_level(tmp_path):
    result = run(8, ProgressiveGrowing(1.0), Watch(stop=4))
    level = result.ema_model.generator.growth.level
    assert 0 < level < 2
    loaded = load(result.save(tmp_path / "run.pt"))
    assert loaded.ema_model.generator.growth.level == level
    assert torch.equal(loaded.sample(2, seed=0), result.sample(2, seed=0))


def test_a_spectrally_normalised_critic_grows_too():
    result = fit(
        TASK,
        "hinge + spectral_norm",
        DATA,
        steps=4,
        batch_size=4,
        device="cpu",
        callbacks=[ProgressiveGrowing(1.0)],
    )
    assert result.adversaries["data"].critic.growth.level == 2


@pytest.mark.parametrize(
    ("until", "words"), [(0, "a fraction"), (1.2, "a finite number"), (-1, "a finite number")]
)
def test_a_fraction_out_of_range_is_one_line(until, words):
    with pytest.raises(ValueError, match=f"until: expected {words}"):
        ProgressiveGrowing(until)


def test_a_run_with_nothing_that_grows_is_refused():
    with pytest.raises(
        ValueError, match=r"^callbacks: ProgressiveGrowing expected .* got none in the task$"
    ):
        fit(
            "generate(latent=4)",
            "nsgan",
            DATA,
            steps=2,
            device="cpu",
            callbacks=[ProgressiveGrowing()],
        )
