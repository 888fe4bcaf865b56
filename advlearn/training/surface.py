"""The critic's scores over a lattice of the plane, scaled for a picture."""

from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.objective import Setwise


def critic_surface(adversary: Adversary, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """Return the critic's score of each point, high for real, scaled to [-1, 1].

    The median score becomes 0. An objective that compares sets scores a point by its witness.

    Args:
        adversary: An adversary whose critic scores single samples.
        points: The points, (K, d).
        real: Real samples (N, d), used by objectives that compare sets.
        fake: Generated samples (M, d), used by the same.

    Returns:
        The scores (K,).

    Example:
        >>> import torch
        >>> adversary = Adversary(torch.nn.Linear(2, 1), "hinge")
        >>> points = torch.randn(5, 2)
        >>> critic_surface(adversary, points, points, points).abs().max()
        tensor(1.)
    """
    objective, scores = adversary.objective, adversary.score(points)
    if isinstance(objective, Setwise):
        scores = objective.witness(scores, adversary.score(real), adversary.score(fake))
    scores = scores.reshape(len(points), -1).mean(1)
    scores = scores - scores.median()
    return scores / scores.abs().max().clamp(min=1e-12)
