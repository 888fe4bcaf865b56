"""Data for translation: inputs with their targets, or two sets of samples that nobody has matched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from advlearn.core.checks import check_choice
from advlearn.data.array_dataset import ArrayDataset, show
from advlearn.data.compound import Part
from advlearn.data.domains import alike
from advlearn.data.load import load
from advlearn.data.made import word_vectors
from advlearn.data.moving_digits import moving_digits
from advlearn.data.to_tensor import samples

BOTH_WAYS = "<->"
TAGS = "tags"
"""Kind of pairs whose targets are made word vectors of the classes."""
FILMS = 10_000
"""Films that ``"frames:..."`` makes at most, of as many images."""

_ONE_LEVEL = 8 / 255
"""Sobel's answer to a step of one grey level in 255; what is fainter is rounding."""
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Inputs, each with the target that belongs to it. A batch is (x, y).

    Args:
        x: Inputs, float32 (N, ...); images are (N, C, H, W) in [-1, 1].
        y: Targets, float32 (N, ...), of any shape.
        name: What the data is called in logs and file names.

    Raises:
        TypeError: `x` or `y` is not a float32 tensor.
        ValueError: No samples, a value that is not finite, or another number of targets than of
        inputs.

    Example:
        >>> pairs = Pairs(torch.zeros(3, 1, 8, 8), torch.zeros(3, 3, 8, 8))
        >>> len(pairs), pairs.shape, pairs.target_shape
        (3, (1, 8, 8), (3, 8, 8))
    """

    x: Tensor
    y: Tensor
    name: str = "pairs"

    def __post_init__(self) -> None:
        for part in (self.x, self.y):
            ArrayDataset(part)
        if len(self.x) != len(self.y):
            raise ValueError(
                f"data: expected one target for each of {len(self.x)} inputs, got {len(self.y)}"
            )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.x.shape[1:])

    @property
    def target_shape(self) -> tuple[int, ...]:
        """Shape of one target."""
        return tuple(self.y.shape[1:])

    @property
    def columns(self) -> tuple[Tensor, Tensor]:
        """What a batch holds a part of: (x, y)."""
        return self.x, self.y

    @property
    def bounded(self) -> bool:
        """Whether every target lies in [-1, 1], so that a generator that ends in tanh can reach it."""
        return bool((self.y.abs() <= 1).all())


@final
@dataclass(frozen=True, eq=False)
class Unpaired:
    """Two sets of samples of one shape. A batch is (a, b), each drawn in an order of its own; labels are left out.

    Args:
        a: One set.
        b: The other one.

    Raises:
        ValueError: If their shapes differ.

    Example:
        >>> len(Unpaired(ArrayDataset(torch.zeros(4, 2)), ArrayDataset(torch.ones(3, 2))))
        3
    """

    a: Part
    b: Part

    def __post_init__(self) -> None:
        if self.a.shape != self.b.shape:
            raise ValueError(
                f"data: samples of {self.a.name!r} have shape {self.a.shape}, the others {self.b.shape}"
            )

    def __len__(self) -> int:
        return min(len(self.a), len(self.b))

    @property
    def name(self) -> str:
        """Names of both sets."""
        return f"{self.a.name} {BOTH_WAYS} {self.b.name}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.a.shape

    @property
    def bounded(self) -> bool:
        """Whether every value lies in [-1, 1], as far as it is known."""
        return all(
            part.bounded if isinstance(part, ArrayDataset) else part.kind == "image"
            for part in (self.a, self.b)
        )

    @property
    def resident(self) -> bool:
        """Whether both sets are in memory, so that there are first samples to show."""
        return isinstance(self.a, ArrayDataset) and isinstance(self.b, ArrayDataset)

    def parts(self) -> tuple[Part, Part]:
        """What batches are drawn from, in order."""
        a, b = (
            ArrayDataset(p.x, None, p.name) if isinstance(p, ArrayDataset) else p
            for p in (self.a, self.b)
        )
        return a, b


def open_pairs(data: Any) -> Pairs:
    """Read pairs, or make them of images that are known by name.

    Args:
        data: ``"edges:NAME"`` (line drawings to images), ``"grey:NAME"`` (grey to colour),
            ``"small:NAME"`` (images of a quarter of the side to those of the whole),
            ``"frames:NAME"`` (four frames of a moving digit to the fifth), ``"tags:NAME"`` (samples
            to made word vectors of their classes); a tuple (x, y) of
            tensors or arrays; or `Pairs`. NAME is whatever name `load` takes.

    Returns:
        The pairs, held in memory.

    Raises:
        ValueError: No such kind, images that it cannot be made of, or x and y of different lengths.

    Example:
        >>> open_pairs("small:digits").shape, open_pairs("edges:digits").target_shape
        ((1, 2, 2), (1, 8, 8))
    """
    if isinstance(data, Pairs):
        return data
    if isinstance(data, str):
        kind, _, name = data.partition(":")
        if kind not in (*_MAKERS, TAGS) or not name:
            kinds = ", ".join((*_MAKERS, TAGS))
            raise ValueError(
                f"data: expected 'KIND:NAME', KIND one of {kinds}, as 'edges:fashion-mnist', got {data!r}"
            )
        source = load(name)
        if not isinstance(source, ArrayDataset):
            raise ValueError(
                f"data: {kind!r} needs images in memory, got {name!r}, which is drawn lazily"
            )
        return _tagged(source, data) if kind == TAGS else pairs_of(kind, source.x, data)
    if isinstance(data, tuple) and len(data) == 2:
        return Pairs(samples(data[0]), samples(data[1]))
    raise ValueError(
        f"data: expected 'KIND:NAME' or (x, y) of inputs and targets, got {show(data)}"
    )


def pairs_of(kind: str, images: Tensor, name: str = "pairs") -> Pairs:
    """Pairs of a kind that `open_pairs` names, made of images at hand.

    Args:
        kind: ``"edges"``, ``"grey"``, ``"small"`` or ``"frames"``.
        images: Float images (N, C, H, W) in [-1, 1]: for ``"grey"`` of 3 channels, for ``"frames"``
            of one.
        name: What the pairs are called.

    Raises:
        ValueError: No such kind, or images that it cannot be made of.

    Example:
        >>> pairs_of("grey", torch.zeros(2, 3, 8, 8)).shape
        (1, 8, 8)
    """
    if images.ndim != 4:
        raise ValueError(
            f"data: {kind!r} needs images (N, C, H, W), got samples of shape {tuple(images.shape[1:])}"
        )
    return Pairs(*_MAKERS[check_choice("kind", kind, tuple(_MAKERS))](images), name)


def open_unpaired(data: Any) -> Unpaired:
    """Read two sets of samples, and bring images of another size or without colour to one shape.

    Args:
        data: ``"usps <-> mnist"``; a tuple (a, b) of whatever `load` takes; or `Unpaired`.

    Raises:
        ValueError: Not two sets, or shapes that cannot be brought together.

    Example:
        >>> open_unpaired((torch.zeros(4, 1, 8, 8), torch.zeros(4, 3, 16, 16))).shape
        (3, 16, 16)
    """
    if isinstance(data, Unpaired):
        return data
    names = [name.strip() for name in data.split(BOTH_WAYS)] if isinstance(data, str) else data
    if (
        not isinstance(names, tuple | list)
        or len(names) != 2
        or not all(not isinstance(n, str) or n for n in names)
    ):
        got = repr(data) if isinstance(data, str) else show(data)
        raise ValueError(
            f"data: expected 'A {BOTH_WAYS} B', for instance 'usps {BOTH_WAYS} mnist', or (a, b), got {got}"
        )
    a, b = alike([load(part) for part in names])
    return Unpaired(a, b)


def edges(images: Tensor, threshold: float = 0.3) -> Tensor:
    """White lines of one pixel on black where an image changes most, as a draughtsman's outline of it.

    A pixel is on a line if its Sobel gradient is above `threshold` of the image's largest and no
    smaller than that of its two neighbours across the edge.

    Args:
        images: Float images (N, 1 or 3, H, W).
        threshold: Share of the largest gradient of an image.

    Returns:
        -1 and 1, float32 (N, 1, H, W).

    Example:
        >>> step = torch.cat([-torch.ones(1, 1, 4, 3), torch.ones(1, 1, 4, 3)], 3)
        >>> edges(step)[0, 0, 0]
        tensor([-1., -1.,  1., -1., -1., -1.])

    Reference: Canny, "A Computational Approach to Edge Detection", 1986.

    Deviations: no smoothing beyond Sobel's, one threshold in place of two.
    """
    return torch.cat([_edges(part, threshold) for part in images.split(10_000)])


def grey(images: Tensor) -> Tensor:
    """Luma of colour images, (N, 3, H, W) to (N, 1, H, W) (ITU-R BT.601); grey ones as they are.

    Example:
        >>> grey(torch.ones(2, 3, 4, 4)).shape
        torch.Size([2, 1, 4, 4])
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images: expected (N, 1 or 3, H, W), got {tuple(images.shape)}")
    if images.shape[1] == 1:
        return images
    return (images * images.new_tensor(_GREY)[:, None, None]).sum(1, keepdim=True)


def small(images: Tensor, factor: int = 4) -> Tensor:
    """Images with the sides divided by `factor`, each pixel the mean of those it stands for.

    Example:
        >>> small(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 3, 8, 8])
    """
    if images.ndim != 4 or images.shape[2] % factor or images.shape[3] % factor:
        raise ValueError(
            f"images: expected (N, C, H, W) with sides that {factor} divides, got {tuple(images.shape)}"
        )
    return avg_pool2d(images, factor)


def _tagged(source: ArrayDataset, name: str) -> Pairs:
    if source.y is None or not source.classes:
        raise ValueError(f"data: {TAGS!r} needs samples with classes, got {source.name!r} without")
    return Pairs(source.x, word_vectors(source.classes)[source.y], name)


def _edges(images: Tensor, threshold: float) -> Tensor:
    sobel = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    right, down = conv2d(
        pad(grey(images), (1, 1, 1, 1), "replicate"), torch.stack([sobel, sobel.T])[:, None]
    ).unbind(1)
    steep = torch.hypot(right, down)
    # Across the edge, to the nearest of four directions: horizontal, falling, vertical, rising.
    across = (torch.atan2(down, right) / (torch.pi / 4)).round().long().remainder(4)
    around = pad(steep[:, None], (1, 1, 1, 1))[:, 0]
    height, width = steep.shape[1:]
    ridge = torch.zeros_like(steep, dtype=torch.bool)
    for k, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead, behind = (around[:, 1 + s * dy :, 1 + s * dx :][:, :height, :width] for s in (1, -1))
        # Of two equal neighbours one is on the line.
        ridge |= (across == k) & (steep >= ahead) & (steep > behind)
    line = ridge & (steep > threshold * steep.amax((1, 2), keepdim=True).clamp(min=_ONE_LEVEL))
    return 2 * line[:, None].to(images.dtype) - 1


def _frames(images: Tensor) -> tuple[Tensor, Tensor]:
    films = moving_digits(images[:FILMS])
    return films[:, :-1].contiguous(), films[:, -1:].contiguous()


def _of(make: Callable[[Tensor], Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    return make(images), images


def _coloured(images: Tensor) -> tuple[Tensor, Tensor]:
    if images.shape[1] != 3:
        raise ValueError(
            f"data: 'grey' needs colour images (3, H, W), got samples of shape {tuple(images.shape[1:])}"
        )
    return grey(images), images


_MAKERS: Mapping[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = MappingProxyType(
    {
        "edges": partial(_of, edges),
        "grey": _coloured,
        "small": partial(_of, small),
        "frames": _frames,
    }
)
