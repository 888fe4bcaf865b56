"""What runs a game: devices and processes, random state, checkpoints, and callbacks that watch."""

from advlearn.training.checkpoint import Checkpoint
from advlearn.training.ema import EMA
from advlearn.training.keep_best_model import KeepBestModel
from advlearn.training.progress import Progress

__all__ = ["EMA", "Checkpoint", "KeepBestModel", "Progress"]
