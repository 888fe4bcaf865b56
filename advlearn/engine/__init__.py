"""What runs a game: devices and processes, random state, checkpoints, and callbacks that watch."""

from advlearn.engine.average import Average
from advlearn.engine.checkpoint import Checkpoint
from advlearn.engine.keep_best import KeepBest
from advlearn.engine.progress import Progress

__all__ = ["Average", "Checkpoint", "KeepBest", "Progress"]
