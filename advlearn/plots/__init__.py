"""Plots of a trained model as PNG files: tables of images and scatter plots of features."""

from advlearn.plots.before_after import before_after
from advlearn.plots.before_after_plot import BeforeAfterPlot
from advlearn.plots.embedding import Embeddings, embedding, plane
from advlearn.plots.guided_backpropagation import guided_backpropagation, guided_gradients
from advlearn.plots.image_table import image_table, pixels
from advlearn.plots.interpolation import interpolation, redrawn, spherical
from advlearn.plots.latent_plots import LatentPlots, latent_plots
from advlearn.plots.mixing import mixing
from advlearn.plots.nearest_training_images import nearest_training_images
from advlearn.plots.traversal import traversal, varied
from advlearn.plots.truncation import truncation

__all__ = [
    "BeforeAfterPlot",
    "Embeddings",
    "LatentPlots",
    "before_after",
    "embedding",
    "guided_backpropagation",
    "guided_gradients",
    "image_table",
    "interpolation",
    "latent_plots",
    "mixing",
    "nearest_training_images",
    "pixels",
    "plane",
    "redrawn",
    "spherical",
    "traversal",
    "truncation",
    "varied",
]
