"""Standardise the features of a table, and keep the scale for later rows."""

from dataclasses import dataclass
from typing import Self, final

import numpy as np

from advlearn.core.arguments import checked


@checked
@final
@dataclass(frozen=True, eq=False)
class Scaling:
    """Map each column to mean 0 and standard deviation 1, in double precision.

    A column of two values becomes 0 and 1, and a constant one becomes 0, so that indicators stay
    indicators. The result is the same in any unit.

    Args:
        shift: Number subtracted from each column, float64 (d,).
        scale: Number that each column is then divided by, float64 (d,).

    Example:
        >>> rows = np.array([[1.0, 0.0], [3.0, 1.0], [5.0, 1.0]])
        >>> Scaling.of(rows).apply(rows).round(3).tolist()
        [[-1.225, 0.0], [0.0, 1.0], [1.225, 1.0]]
    """

    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Return the scaling of some rows.

        Args:
            rows: Finite numbers (N, d).
            weights: Weight of each row (N,); None for equal weights. Rows of weight 0 do not count.
        """
        rows = np.asarray(rows, dtype=np.float64)
        if weights is not None and (weights > 0).any():
            rows, weights = rows[weights > 0], weights[weights > 0]
        low, high = rows.min(0), rows.max(0)
        two = ((rows == low) | (rows == high)).all(0)
        # The middle of the range keeps the sums exact where values are large and close together.
        middle = low / 2 + high / 2
        centred = rows - middle
        mean = np.average(centred, axis=0, weights=weights)
        spread = np.sqrt(np.average((centred - mean) ** 2, axis=0, weights=weights))
        scale = np.where(two, high - low, spread)
        scale = np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
        return cls(np.where(two, low, middle + mean), scale)

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Return the standardised rows, float64 (N, d)."""
        return (np.asarray(rows, dtype=np.float64) - self.shift) / self.scale
