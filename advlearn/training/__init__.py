"""Training: callbacks, checkpoints, devices, processes and random states."""

from advlearn.core.files import atomic_write
from advlearn.training.checkpoint import Checkpoint
from advlearn.training.early_stopping import EarlyStopping
from advlearn.training.ema import EMA
from advlearn.training.keep_best_model import KeepBestModel
from advlearn.training.periodic_plot import PeriodicPlot
from advlearn.training.progress import Progress
from advlearn.training.progressive_growing import ProgressiveGrowing
from advlearn.training.samples import SampleGrid, save_image_grid
from advlearn.training.tensorboard import TensorBoard

__all__ = [
    "EMA",
    "Checkpoint",
    "EarlyStopping",
    "KeepBestModel",
    "PeriodicPlot",
    "Progress",
    "ProgressiveGrowing",
    "SampleGrid",
    "TensorBoard",
    "atomic_write",
    "save_image_grid",
]
