"""The callback that records a run for the page that plays it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.task import Task
from advlearn.data import ArrayDataset
from advlearn.training.recording import Plane, Recording
from advlearn.training.surface import critic_surface
from advlearn.training.tensorboard import TensorBoard


def recording(
    folder: Path,
    every: int,
    task: Task,
    model: Callable[[], Any],
    adversaries: dict[str, Adversary],
    source: Any,
    scalars: TensorBoard,
) -> Recording:
    """Return the callback that records verdicts and, on points in the plane, the samples.

    Args:
        folder: Folder of the run.
        every: Training steps between two writes.
        task: The task.
        model: Function that returns the task with averaged weights.
        adversaries: Adversaries by name.
        source: The training data.
        scalars: The callback that computes the verdicts.
    """
    is_plane = isinstance(source, ArrayDataset) and tuple(source.shape) == (2,)
    if not is_plane or not hasattr(task, "sample") or hasattr(source, "target_shape"):
        return Recording(folder, every, scalars=scalars)

    def samples(n: int) -> Tensor:
        return model().sample(n)

    plane = Plane(source.rows(slice(1000)), samples, _surface(task, adversaries))
    return Recording(folder, every, scalars=scalars, plane=plane)


def _surface(task: Task, adversaries: dict[str, Adversary]) -> Any:
    """Return the surface of the only critic, if it scores single points and nothing else."""
    inputs = task.critic_inputs()
    if len(inputs) != 1 or len(adversaries) != 1:
        return None
    (name, read), (adversary,) = next(iter(inputs.items())), adversaries.values()
    alone = tuple(map(tuple, read.shapes)) == ((2,),) and not read.classes and read.pac == 1
    return partial(critic_surface, adversary) if alone and name in adversaries else None
