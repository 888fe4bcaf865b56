import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from advlearn.core.finite import NonFiniteError
from advlearn.core.trainer import Callback, Trainer
from advlearn.training import rng
from advlearn.training.checkpoint import Checkpoint, resume
from advlearn.training.early_stopping import EarlyStopping
from advlearn.training.progress import Progress
from advlearn.training.samples import SampleGrid, save_image_grid
from advlearn.training.tensorboard import TensorBoard
from tests.training.tiny import build, same


def run(trainer: Trainer, seed: int = 0) -> Trainer:
    with rng.isolated(seed):
        trainer.run()
    return trainer


# --- Progress


def test_progress_writes_the_spec_and_a_line_at_each_tenth() -> None:
    stream = io.StringIO()
    trainer = run(build(20, [Progress(0.0, stream)]))
    lines = stream.getvalue().splitlines()
    start = trainer.describe().splitlines()
    assert lines[: len(start)] == start and "JensenShannon(generator='nonsaturating')" in lines[0]
    steps = [line.split()[1] for line in lines[len(start) :]]
    assert steps == [f"{step}/20" for step in range(2, 21, 2)]
    health = trainer.adversaries["data"].health()
    assert lines[-1].endswith(
        f"critic loss {health.critic_loss:.3g}  "
        f"estimate {health.divergence_estimate:.3g}  {health.verdict}"
    )


def test_progress_of_a_resumed_run_starts_at_its_step() -> None:
    stream = io.StringIO()
    trainer = build(20, [Progress(0.0, stream)])
    trainer.step = 15
    run(trainer)
    lines = stream.getvalue().splitlines()[len(trainer.describe().splitlines()) :]
    assert lines[0] == "resumed at step 15"
    assert [line.split()[1] for line in lines[1:]] == ["16/20", "18/20", "20/20"]


def test_progress_prints_why_a_run_stopped() -> None:
    stream = io.StringIO()
    run(build(20, [EarlyStopping(lambda trainer: 1.0, 1, patience=3), Progress(60.0, stream)]))
    assert (
        stream.getvalue()
        .splitlines()[-1]
        .startswith("stopped at step 4 of 20: no improvement in 3 evaluations, best 1 ")
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_is_redrawn_and_restores_the_cursor() -> None:
    stream = Terminal()
    trainer = run(build(5, [Progress(0.0, stream)]))
    text = stream.getvalue()
    assert (
        "step 1/5" in text
        and "step 5/5" in text
        and trainer.adversaries["data"].health().verdict[:20] in text
    )
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    stream = Terminal()
    with pytest.raises(NonFiniteError):
        run(build(5, [Progress(0.0, stream)], poisoned=3))
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_progress_ends_a_run_that_is_not_finite(stream: Any) -> None:
    trainer = build(1000, [Progress(0.0, stream())], poisoned=3)
    with pytest.raises(NonFiniteError, match=r"^step 3: "):
        run(trainer)
    assert trainer.step == 3


# --- TensorBoard


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


class Losses(Callback):
    """Record the losses after each step."""

    def __init__(self) -> None:
        self.recorded: dict[int, dict[str, float]] = {}

    def on_step(self, trainer: Trainer) -> None:
        self.recorded[trainer.step] = trainer.last_losses()


def test_tensorboard_holds_the_losses_of_the_trainer(tmp_path: Path) -> None:
    terms = Losses()
    trainer = run(build(9, [terms, TensorBoard(tmp_path, every=3)]))
    read = curves(tmp_path)
    for tag in ("data/critic_loss", "data/GradientPenalty", "data/player_loss"):
        assert [step for step, _ in read[tag]] == [3, 6, 9]
        np.testing.assert_allclose(
            [v for _, v in read[tag]], [terms.recorded[s][tag] for s in (3, 6, 9)], rtol=1e-6
        )
    health = trainer.adversaries["data"].health()
    assert read["data/health/accuracy"][-1] == (9, pytest.approx(health.accuracy))
    shown = read["data/scores/accuracy"][-1]
    assert shown == (9, pytest.approx(float(trainer.adversaries["data"].last_scores["accuracy"])))
    assert "data/health/penalty/GradientPenalty" in read and "data/health/verdict" not in read
    assert all(value > 0 for _, value in read["steps_per_second"])


def test_tensorboard_of_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    class Killed(BaseException):
        """An end without a last save, as by a signal that ends the process."""

    class Crash(Callback):
        def on_step(self, trainer: Trainer) -> None:
            if trainer.step == 8:
                raise Killed("crash")

    first, second = Losses(), Losses()
    with pytest.raises(Killed, match="crash"):
        run(build(10, [first, TensorBoard(tmp_path / "log", 1), Checkpoint(tmp_path, 5), Crash()]))
    trainer = build(10, [second, TensorBoard(tmp_path / "log", 1), Checkpoint(tmp_path, 5)])
    with rng.isolated(0):
        resume(tmp_path, trainer)
        torch.rand(1)  # the second attempt differs from the first
        trainer.run()
    begun = [path.name.split(".")[3] for path in (tmp_path / "log").iterdir()]
    assert len(set(begun)) == 2  # within one second the order of the two files would be undefined
    points = curves(tmp_path / "log")["data/critic_loss"]
    assert [step for step, _ in points] == list(range(1, 11))
    recorded = {**first.recorded, **second.recorded}
    np.testing.assert_allclose(
        [v for _, v in points], [recorded[s]["data/critic_loss"] for s in range(1, 11)], rtol=1e-6
    )
    assert first.recorded[7] != second.recorded[7]


# --- image grids


def test_a_grid_shows_each_image_in_its_place(tmp_path: Path) -> None:
    levels = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 3.0])  # values above 1 are clipped
    save_image_grid(levels.view(6, 1, 1, 1).expand(6, 1, 64, 32), tmp_path / "new" / "grid.png")
    image = Image.open(tmp_path / "new" / "grid.png")
    assert image.size == (3 * 34 + 2, 2 * 66 + 2) and image.mode == "L"
    centres = [image.getpixel((2 + 34 * (i % 3) + 16, 2 + 66 * (i // 3) + 32)) for i in range(6)]
    assert centres == [0, 64, 128, 191, 255, 255]
    assert image.getpixel((0, 0)) == image.getpixel((34, 66)) == 255


def test_small_images_are_enlarged_by_a_whole_factor_and_colours_are_kept(tmp_path: Path) -> None:
    images = -torch.ones(2, 3, 8, 8)
    images[0, 0], images[1, 2, :4] = 1, 1
    save_image_grid(images, tmp_path / "grid.png")
    image = Image.open(tmp_path / "grid.png")
    assert image.size == (2 * 66 + 2, 66 + 2)
    assert image.getpixel((34, 34)) == (255, 0, 0)
    assert [image.getpixel((100, y)) for y in (2, 33, 34, 65)] == [(0, 0, 255)] * 2 + [
        (0, 0, 0)
    ] * 2


def test_real_images_are_on_the_right(tmp_path: Path) -> None:
    save_image_grid(
        -torch.ones(1, 1, 64, 64), tmp_path / "grid.png", real=torch.zeros(4, 1, 64, 64)
    )
    image = Image.open(tmp_path / "grid.png").copy()
    assert image.size == (68 + 48 + 134, 134)
    assert (image.getpixel((30, 30)), image.getpixel((30, 100)), image.getpixel((150, 100))) == (
        0,
        255,
        128,
    )


def colours(path: Path) -> tuple[int, int]:
    """Count the orange and the grey pixels."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    grey = (abs(red - green) < 3) & (abs(green - blue) < 3) & (red > 120) & (red < 200)
    return int(((red - blue > 60) & (red > green)).sum()), int(grey.sum())


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_vectors_are_drawn_over_the_real_ones(tmp_path: Path, dimension: int) -> None:
    vectors, real = torch.randn(200, dimension), torch.randn(200, dimension) + 6
    save_image_grid(vectors, tmp_path / "single.png")
    save_image_grid(vectors, tmp_path / "both.png", real=real)
    assert colours(tmp_path / "single.png")[0] > 500
    more_orange, more_grey = colours(tmp_path / "both.png")
    assert more_orange > 200 and more_grey > colours(tmp_path / "single.png")[1] + 200


@pytest.mark.parametrize("shape", [(3,), (0, 2), (4, 2, 8, 8), (2, 3, 4)])
def test_samples_that_cannot_be_drawn_are_one_line(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"^samples: expected images \(N, 1 or 3, H, W\) or vectors \(N, D\), got "
    ):
        save_image_grid(torch.zeros(shape), tmp_path / "grid.png")
    with pytest.raises(ValueError, match=r"^real: "):
        save_image_grid(torch.zeros(4, 2), tmp_path / "grid.png", real=torch.zeros(4, 1, 8, 8))


def test_nan_is_drawn_without_a_warning(tmp_path: Path) -> None:
    save_image_grid(torch.full((1, 1, 64, 64), float("nan")), tmp_path / "grid.png")
    assert Image.open(tmp_path / "grid.png").getpixel((30, 30)) == 127


def test_plots_are_drawn_on_time_and_do_not_change_the_run(tmp_path: Path) -> None:
    plain = run(build(10))
    watched = build(10)
    watched.callbacks = [
        SampleGrid(tmp_path / "a", 4, samples=lambda: watched.task.generator(torch.randn(32, 3))),  # type: ignore[operator]
        SampleGrid(tmp_path / "b", 4, samples=lambda: torch.randn(32, 2)),
        EarlyStopping(lambda trainer: -float(trainer.step) + float(torch.rand(())), 2),
    ]
    watched.task.generator[1].momentum = 0.0  # type: ignore[index]
    plain.task.generator[1].momentum = 0.0  # type: ignore[index]
    run(watched)
    names = [f"step-{step:08d}.png" for step in (4, 8, 10)]
    for folder in ("a", "b"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == names
    # Each plot uses the same random numbers.
    assert len({(tmp_path / "b" / name).read_bytes() for name in names}) == 1
    assert len({(tmp_path / "a" / name).read_bytes() for name in names}) == 3
    parameters = [list(t.task.generator[0].parameters()) for t in (plain, watched)]  # type: ignore[index]
    assert same(parameters[0], parameters[1])


# --- EarlyStopping


def stopped_at(values: list[float], patience: int, higher_is_better: bool = False) -> int:
    stop = EarlyStopping(
        lambda trainer: values[trainer.step // 2 - 1], 2, patience, higher_is_better
    )
    return run(build(2 * len(values), [stop])).step


@pytest.mark.parametrize(
    ("values", "patience", "higher", "step"),
    [
        ([5, 4, 3, 2, 1], 1, False, 10),
        ([5, 4, 4, 3, 9], 1, False, 6),  # an equal value does not count as an improvement
        ([5, 4, 6, 3, 9, 9], 2, False, 12),
        ([1, 2, 3, 2, 2, 9], 2, True, 10),
        ([float("nan"), float("nan"), 1], 2, False, 4),
        ([1, float("nan"), 0.5, float("inf"), 2], 2, False, 10),
    ],
)
def test_early_stopping_stops_when_patience_ends(
    values: list[float], patience: int, higher: bool, step: int
) -> None:
    assert stopped_at(values, patience, higher) == step


def test_early_stopping_keeps_counting_after_a_resume(tmp_path: Path) -> None:
    values = [3.0, 1.0, 2.0, 2.0, 2.0, 2.0]

    def stop() -> EarlyStopping:
        return EarlyStopping(lambda trainer: values[trainer.step - 1], 1, patience=3)

    first = build(6, [stop(), Checkpoint(tmp_path)])
    first.steps = 3
    run(first)
    second = build(6, [stop(), Checkpoint(tmp_path)])
    with rng.isolated(0):
        resume(tmp_path, second)
        second.run()
    assert second.step == 5
    assert second.stop_reason == "no improvement in 3 evaluations, best 1 at step 2"


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Progress(-1), "every_seconds: expected a finite number of at least 0, got -1"),
        (lambda: TensorBoard("x", 0), "every: expected a whole number of at least 1, got 0"),
        (
            lambda: SampleGrid("x", 0, samples=lambda: torch.zeros(1, 2)),
            "every: expected a whole number of at least 1, got 0",
        ),
        (
            lambda: EarlyStopping(lambda trainer: 0.0, 0),
            "every: expected a whole number of at least 1, got 0",
        ),
        (
            lambda: EarlyStopping(lambda trainer: 0.0, 1, 0),
            "patience: expected a whole number of at least 1, got 0",
        ),
    ],
)
def test_bad_settings_are_one_line(make: Any, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value).partition(";")[0] == line
