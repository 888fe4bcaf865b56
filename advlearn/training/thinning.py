"""Keep a bounded number of points of a run, spread evenly over its steps."""

from typing import TypeVar

# A picture shows no more points, and a long run would rewrite all of them at each picture.
MOST = 1000

Value = TypeVar("Value")


def with_point(
    points: list[tuple[int, Value]], point: tuple[int, Value]
) -> list[tuple[int, Value]]:
    """Return the points with a later one, less than twice `MOST` of them.

    The new point is left out where it is less than a thousandth of its step after the last one.

    Args:
        points: Steps and values, in the order of the steps.
        point: A step after all of them, and its value.

    Example:
        >>> [step for step, _ in with_point([(1, "a"), (2000, "b")], (2001, "c"))]
        [1, 2000]
    """
    gap = point[0] / MOST
    if points and point[0] - points[-1][0] < gap:
        return points
    points = [*points, point]
    return points if len(points) < 2 * MOST else thinned(points, gap)


def thinned(points: list[tuple[int, Value]], gap: float) -> list[tuple[int, Value]]:
    """Return the first point, and each later one that is `gap` steps after the last one kept.

    Example:
        >>> [step for step, _ in thinned([(1, 0), (2, 0), (4, 0), (5, 0)], 3)]
        [1, 4]
    """
    kept = points[:1]
    for point in points[1:]:
        if point[0] - kept[-1][0] >= gap:
            kept.append(point)
    return kept
