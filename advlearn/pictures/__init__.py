"""Pictures of what a player has learnt, each written to one PNG file: tables of images, features as points."""

from advlearn.pictures.before_after import before_after
from advlearn.pictures.embedding import Embeddings, embedding, plane
from advlearn.pictures.interpolation import interpolation, spherical
from advlearn.pictures.mixing import mixing
from advlearn.pictures.neighbours import neighbours
from advlearn.pictures.table import pixels, table
from advlearn.pictures.tables import Tables, tables
from advlearn.pictures.traversal import traversal, varied
from advlearn.pictures.truncation import truncation

__all__ = [
    "Embeddings",
    "Tables",
    "before_after",
    "embedding",
    "interpolation",
    "mixing",
    "neighbours",
    "pixels",
    "plane",
    "spherical",
    "table",
    "tables",
    "traversal",
    "truncation",
    "varied",
]
