"""Data: sources in memory or lazy, resumable batches, named data sets, tables and toy distributions."""

from advlearn.data.attributes import open_table
from advlearn.data.batches import Batch, Batches, LazyBatches, batches
from advlearn.data.domains import open_domains
from advlearn.data.files import folders
from advlearn.data.lazy import RESIDENT_BYTES, LazySource
from advlearn.data.load import load
from advlearn.data.mnist_m import mnist_m, photographs
from advlearn.data.moving_digits import moving_digits
from advlearn.data.named import names
from advlearn.data.pairs import Pairs, Unpaired, edges, grey, open_pairs, open_unpaired, pairs_of, small
from advlearn.data.partly import open_partly
from advlearn.data.several import Domains, PartlyLabelled, Together
from advlearn.data.source import Source
from advlearn.data.table import Table
from advlearn.data.tabular import adult, german_credit
from advlearn.data.toy import Toy, gaussian, grid, moons, ring

__all__ = [
    "RESIDENT_BYTES",
    "Batch",
    "Batches",
    "Domains",
    "LazyBatches",
    "LazySource",
    "Pairs",
    "PartlyLabelled",
    "Source",
    "Table",
    "Together",
    "Toy",
    "Unpaired",
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
