"""The callbacks that write to the folder of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from advlearn.core.adversary import Adversary
from advlearn.core.callback import Callback
from advlearn.core.task import Task
from advlearn.plots.before_after_plot import BeforeAfterPlot
from advlearn.plots.embedding import Embeddings
from advlearn.plots.latent_plots import LatentPlots, latent_plots
from advlearn.plots.run_recording import recording
from advlearn.plots.run_samples import real_images, sample_plot
from advlearn.run_page import PageWriter
from advlearn.training.checkpoint import Checkpoint
from advlearn.training.curves import Curves
from advlearn.training.ema import EMA
from advlearn.training.evaluation import Evaluation
from advlearn.training.run_arguments import EVERY, TrainingArguments
from advlearn.training.tensorboard import TensorBoard


def writers(
    folder: Path,
    training: TrainingArguments,
    config: dict[str, Any],
    average: EMA,
    task: Task,
    adversaries: dict[str, Adversary],
    source: Any,
    evaluations: Sequence[Callback],
) -> list[Callback]:
    """Return the callbacks that write to the folder of a run.

    The checkpoint comes first, before anything that can fail; the others have no state.

    Args:
        folder: The folder.
        training: The arguments of `fit`.
        config: Plain values from which `load` builds the same run.
        average: The average of the weights.
        task: The task.
        adversaries: Its adversaries, by name.
        source: The data.
        evaluations: The callbacks that evaluate the run, or none.
    """
    every = EVERY if training.picture_every is None else training.picture_every
    save_every = EVERY if training.save_every is None else training.save_every
    # A generator that is trained on pairs generates targets.
    shape = getattr(source, "target_shape", source.shape)
    is_image = len(shape) == 3 and shape[0] in (1, 3)
    real = real_images(source)
    pictures: list[Callback] = []
    if hasattr(task, "sample") and (is_image or len(shape) == 1):
        is_named = config["method"] != config["task"]
        name = f"{config['method' if is_named else 'objective']} on {source.name}"
        pictures.append(
            sample_plot(folder, every, task, lambda: cast(Any, average.module), source, name)
        )
    if hasattr(task, "before_after") and is_image and getattr(source, "resident", True):
        pictures.append(
            BeforeAfterPlot(
                folder, every, columns=lambda: cast(Any, average.module).before_after(source)
            )
        )
    if hasattr(task, "embedding"):
        pictures.append(
            Embeddings(folder, every, points=lambda: cast(Any, average.module).embedding(source))
        )
    if is_image:
        pictures.append(
            LatentPlots(folder, every, latent_plots=lambda: latent_plots(average.module, real))
        )
    tensorboard = TensorBoard(folder / "tensorboard", pictures=folder)
    evaluation = next((c for c in evaluations if isinstance(c, Evaluation)), None)
    curves = Curves(folder, every, scalars=tensorboard, evaluation=evaluation)
    recorded = recording(
        folder, every, task, lambda: average.module, adversaries, source, tensorboard
    )
    pages = [PageWriter(folder)] if training.page else []
    checkpoints = Checkpoint(folder, save_every, config=config)
    return [checkpoints, *pictures, tensorboard, curves, recorded, *pages]
