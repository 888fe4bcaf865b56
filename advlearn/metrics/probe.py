"""A linear probe: how well a linear classifier reads the classes from learned features."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d

from advlearn.core.activations import ACTIVATIONS, OnActivations
from advlearn.core.arguments import Count, Positive, Seed, checked
from advlearn.metrics._checks import pair
from advlearn.metrics._labels import class_labels, classify, to_tensor
from advlearn.metrics.extract import features

_POOLS: dict[int, Callable[..., Any]] = {
    3: adaptive_max_pool1d,
    4: adaptive_max_pool2d,
    5: adaptive_max_pool3d,
}


@checked
def critic_features(
    critic: nn.Module,
    images: Tensor,
    *,
    grid: Count = 4,
    batch_size: Count = 256,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return the features that a critic has learned: the outputs of its activation functions.

    Maps are max-pooled to a grid, so that all layers together are one vector. Gradients are off and
    the critic is in evaluation mode.

    Args:
        critic: Any network that reads images, such as ``run.adversaries["data"].critic``.
        images: Samples (N, ...), scaled as the critic expects; images of `fit` are in [-1, 1].
        grid: Side of the grid to which maps are pooled; smaller maps stay as they are.
        batch_size: Samples per call.
        device: As in `features`.

    Returns:
        Features (N, d), float32.

    Raises:
        ValueError: If the critic calls no activation function.

    Example:
        >>> critic = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(1))
        >>> critic_features(critic, torch.zeros(7, 1, 10, 10)).shape
        torch.Size([7, 80])

    Reference: Radford et al., "Unsupervised Representation Learning with Deep Convolutional
    Generative Adversarial Networks", ICLR 2016, section 5.1 (grid of 4 x 4).
    """
    return features(_Activations(critic, grid), images, batch_size, device)


@checked
def linear_probe(
    train: Tensor | np.ndarray,
    labels: Tensor | np.ndarray,
    test: Tensor | np.ndarray | None = None,
    test_labels: Tensor | np.ndarray | None = None,
    *,
    strength: Positive = 1.0,
    seed: Seed = 0,
) -> float:
    r"""Compute the accuracy of a linear classifier on features, on samples that it did not see.

    A logistic regression on standardised features minimises, with the C of `strength`,

    .. math:: \tfrac{1}{2} \|W\|^2 - C \sum_i \log p_W(y_i \mid x_i)

    Args:
        train: Float (N, d), features of `critic_features` or `features`.
        labels: Classes, integer (N,).
        test: Float (M, d); None: a random fifth of each class of `train`, which is then left out of
            the training.
        test_labels: Classes, integer (M,); None exactly if `test` is.
        strength: C, the weight of the classes against the size of the weights.
        seed: Seed of the random fifth.

    Returns:
        The fraction of test samples whose class is predicted correctly.

    Raises:
        TypeError: Not float features, or labels that are not integers.
        ValueError: Wrong shapes, values that are not finite, fewer than two classes, or, without
            `test`, a class with fewer than two samples.

    Example:
        >>> x = torch.arange(40.0)[:, None]
        >>> linear_probe(
        ...     x, (x[:, 0] > 19).long(), torch.tensor([[3.0], [33.0]]), torch.tensor([0, 1])
        ... )
        1.0

    Reference: Alain and Bengio, "Understanding Intermediate Layers Using Linear Classifier Probes",
    2016, section 3; Radford et al. 2016, section 5.1, on the features of a GAN's critic.

    Deviations: a logistic regression instead of the support vector machine of Radford et al.
    """
    if (test is None) != (test_labels is None):
        given, missing = ("test_labels", "test") if test is None else ("test", "test_labels")
        raise ValueError(f"{missing}: expected it together with {given}, got None; pass both")
    x, y = to_tensor(train), to_tensor(labels)
    queries, truth = to_tensor(test), to_tensor(test_labels)
    first, second = pair(("train", "test"), x, x if test is None else queries)
    classes = class_labels("labels", y, len(first)).cpu().numpy()
    if len(np.unique(classes)) < 2:
        raise ValueError(f"labels: expected at least two classes, got only {classes[0]}")
    fitted, unseen = first.cpu().numpy(), second.cpu().numpy()
    if test is None:
        held = _fifth(classes, seed)
        predicted = classify(fitted[~held], classes[~held], fitted[held], strength=strength)
        return float((predicted == classes[held]).mean())
    expected = class_labels("test_labels", truth, len(second)).cpu().numpy()
    return float((classify(fitted, classes, unseen, strength=strength) == expected).mean())


def _fifth(classes: np.ndarray, seed: int) -> np.ndarray:
    """Return a random fifth of each class, at least one sample, as a mask (N,)."""
    generator, held = np.random.default_rng(seed), np.zeros(len(classes), dtype=bool)
    for name in np.unique(classes):
        of_class = generator.permutation(np.flatnonzero(classes == name))
        if len(of_class) < 2:
            raise ValueError(
                f"labels: expected at least two samples of each class, got one of {name}; pass "
                "test and test_labels"
            )
        held[of_class[: max(1, len(of_class) // 5)]] = True
    return held


@final
class _Activations(nn.Module):
    """Return the pooled outputs of a critic's activation functions as vectors."""

    def __init__(self, critic: nn.Module, grid: int) -> None:
        super().__init__()
        self.critic = critic
        self.grid = grid

    def forward(self, batch: Tensor) -> Tensor:
        """Return features (B, d) of a batch (B, ...)."""
        found: list[Tensor] = []

        def keep(output: Tensor) -> Tensor:
            if output.ndim > 1 and output.shape[0] == batch.shape[0]:
                found.append(_pooled(output, self.grid))
            return output

        with OnActivations(ACTIVATIONS, after=keep):
            self.critic(batch)
        if not found:
            raise ValueError(
                "critic: expected a network with activation functions, got "
                f"{type(self.critic).__name__} without one; use features(critic, images)"
            )
        return torch.cat(found, 1)


def _pooled(maps: Tensor, grid: int) -> Tensor:
    """Return maps (B, C, ...) as float32 vectors, max-pooled to at most `grid` a side."""
    sides = tuple(min(grid, side) for side in maps.shape[2:])
    pool = _POOLS.get(maps.ndim)
    return (maps if pool is None else pool(maps, sides)).float().flatten(1)
