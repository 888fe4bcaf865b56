"""Data: sources in memory or lazy, resumable batches, named data sets, tables and toy distributions."""

from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.attributes import open_table
from advlearn.data.batches import Batch, Batches, StreamedBatches, batches
from advlearn.data.compound import Domains, SemiSupervisedDataset, ZippedBatches
from advlearn.data.datasets import names
from advlearn.data.domains import open_domains
from advlearn.data.files import folders
from advlearn.data.load import load
from advlearn.data.mnist_m import mnist_m, photographs
from advlearn.data.moving_digits import moving_digits
from advlearn.data.pairs import (
    Pairs,
    Unpaired,
    edges,
    grey,
    open_pairs,
    open_unpaired,
    pairs_of,
    small,
)
from advlearn.data.semi_supervised import open_partly
from advlearn.data.streamed_dataset import RESIDENT_BYTES, StreamedDataset
from advlearn.data.tables import adult, german_credit
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.data.toy import Toy, gaussian, grid, moons, ring

__all__ = [
    "RESIDENT_BYTES",
    "ArrayDataset",
    "Batch",
    "Batches",
    "Domains",
    "Pairs",
    "SemiSupervisedDataset",
    "StreamedBatches",
    "StreamedDataset",
    "TabularDataset",
    "Toy",
    "Unpaired",
    "ZippedBatches",
    "adult",
    "batches",
    "edges",
    "folders",
    "gaussian",
    "german_credit",
    "grey",
    "grid",
    "load",
    "mnist_m",
    "moons",
    "moving_digits",
    "names",
    "open_domains",
    "open_pairs",
    "open_partly",
    "open_table",
    "open_unpaired",
    "pairs_of",
    "photographs",
    "ring",
    "small",
]
