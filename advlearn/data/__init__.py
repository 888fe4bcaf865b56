"""Data: sources in memory or lazy, resumable batches, named data sets and toy distributions."""

from advlearn.data.batches import Batch, Batches, LazyBatches, batches
from advlearn.data.lazy import RESIDENT_BYTES, LazySource
from advlearn.data.load import load
from advlearn.data.named import folders, names
from advlearn.data.source import Source
from advlearn.data.toy import Toy, gaussian, grid, moons, ring

__all__ = [
    "RESIDENT_BYTES",
    "Batch",
    "Batches",
    "LazyBatches",
    "LazySource",
    "Source",
    "Toy",
    "batches",
    "folders",
    "gaussian",
    "grid",
    "load",
    "moons",
    "names",
    "ring",
]
