"""Tables of images that show what a generator has learnt, each written to one PNG file."""

from advlearn.pictures.before_after import before_after
from advlearn.pictures.interpolation import interpolation, spherical
from advlearn.pictures.mixing import mixing
from advlearn.pictures.table import pixels, table
from advlearn.pictures.tables import Tables, tables
from advlearn.pictures.traversal import traversal, varied
from advlearn.pictures.truncation import truncation

__all__ = [
    "Tables",
    "before_after",
    "interpolation",
    "mixing",
    "pixels",
    "spherical",
    "table",
    "tables",
    "traversal",
    "truncation",
    "varied",
]
