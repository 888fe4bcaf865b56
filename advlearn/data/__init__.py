"""Data: one data set or compound data, resumable batches, named data sets and toy distributions.

`load` opens one data set. `domains`, `pairs`, `unpaired`, `few_labels` and `table` build compound
data from the same arguments, and each has an `open_...` function that also takes the short string
of `names.GRAMMARS`. `catalogue` lists the data sets that have a name.
"""

from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.attributes import (
    attribute_columns,
    encode_attribute,
    encode_attribute_like,
    open_table,
    table,
)
from advlearn.data.batches import Batch, Batches, StreamedBatches, batches
from advlearn.data.compound import Domains, SemiSupervisedDataset, ZippedBatches
from advlearn.data.datasets import DatasetInfo, catalogue, names
from advlearn.data.derived_images import edges, grey, noisy, small, with_hole
from advlearn.data.description import describe_source
from advlearn.data.domains import domains, open_domains
from advlearn.data.files import find, folders
from advlearn.data.load import load
from advlearn.data.mnist_m import mnist_m, photographs
from advlearn.data.moving_digits import moving_digits
from advlearn.data.names import GRAMMARS, parse
from advlearn.data.pairs import (
    Pairs,
    Unpaired,
    open_pairs,
    open_unpaired,
    pair_kinds,
    pairs,
    unpaired,
)
from advlearn.data.priors import Gaussian, Mixture, Prior, Ring, prior
from advlearn.data.scaling import Scaling
from advlearn.data.semi_supervised import few_labels, open_semi_supervised
from advlearn.data.streamed_dataset import RESIDENT_BYTES, StreamedDataset
from advlearn.data.tables import adult, german_credit
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.data.toy import Toy, gaussian, grid, moons, ring

__all__ = [
    "GRAMMARS",
    "RESIDENT_BYTES",
    "ArrayDataset",
    "Batch",
    "Batches",
    "DatasetInfo",
    "Domains",
    "Gaussian",
    "Mixture",
    "Pairs",
    "Prior",
    "Ring",
    "Scaling",
    "SemiSupervisedDataset",
    "StreamedBatches",
    "StreamedDataset",
    "TabularDataset",
    "Toy",
    "Unpaired",
    "ZippedBatches",
    "adult",
    "attribute_columns",
    "batches",
    "catalogue",
    "describe_source",
    "domains",
    "edges",
    "encode_attribute",
    "encode_attribute_like",
    "few_labels",
    "find",
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
    "noisy",
    "open_domains",
    "open_pairs",
    "open_semi_supervised",
    "open_table",
    "open_unpaired",
    "pair_kinds",
    "pairs",
    "parse",
    "photographs",
    "prior",
    "ring",
    "small",
    "table",
    "unpaired",
    "with_hole",
]
