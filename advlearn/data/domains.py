"""Open source and target domains for domain adaptation."""

from typing import Any, cast

from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value
from advlearn.data.aligned_classes import same_classes
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import Domains
from advlearn.data.load import load
from advlearn.data.names import expected, parse
from advlearn.data.shapes import match_shapes
from advlearn.data.to_tensor import labels


@checked
def domains(source: Any, target: Any, known: Any = None) -> Domains:
    """Open one or more labelled source domains and a target domain.

    Args:
        source: Data that `load` takes, or a tuple or list of several such sources.
        target: Data that `load` takes, in memory. Its labels serve for evaluation only.
        known: Class of each target sample that may be trained on, int (M,), -1 where unknown.

    Returns:
        The domains. Images in memory are brought to one shape, see `match_shapes`.

    Raises:
        TypeError: A streamed target.
        ValueError: A source without labels, shapes that cannot be matched, known classes of another
            length or that no source has.

    Example:
        >>> domains("digits", "digits").name
        'digits->digits'
    """
    several = isinstance(source, tuple | list) and not _is_labelled_array(source)
    sources = list(cast(Any, source)) if several else [source]
    opened = [load(part) for part in (*sources, target)]
    *matched, last = match_shapes(same_classes(opened[:-1], opened[-1]))
    known = None if known is None else labels(known, "known")
    if not isinstance(last, ArrayDataset):
        raise TypeError("data: expected a target domain in memory, got a streamed one")
    return Domains(tuple(matched), last, known)


@checked
def open_domains(data: Any) -> Domains:
    """Open domains given in any form.

    Args:
        data: A string such as ``"mnist->usps"`` or ``"mnist,usps->mnist-m"``; a tuple of the
            arguments of `domains`; or `Domains`.

    Returns:
        The domains.

    Raises:
        TypeError: As `domains`.
        ValueError: As `domains`, or data of another form.

    Example:
        >>> open_domains("digits->digits").classes
        10
    """
    if isinstance(data, Domains):
        return data
    if isinstance(data, str):
        *sources, target = parse(data, "domains")
        return domains(sources, target)
    if not isinstance(data, tuple) or len(data) not in (2, 3):
        raise ValueError(
            f"data: expected {expected('domains')}, (source, target) or (source, target, known), "
            f"got {describe_value(data)}"
        )
    return domains(*data)


def _is_labelled_array(data: Any) -> bool:
    """Whether `data` is one data set (x, y) rather than two sources."""
    if len(data) != 2 or not hasattr(data[0], "shape"):
        return False
    listed = isinstance(data[1], list) and all(isinstance(y, int | str) for y in data[1])
    return listed or getattr(data[1], "ndim", 0) == 1
