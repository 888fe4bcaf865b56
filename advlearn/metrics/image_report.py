"""Report all measures of generated images, with the protocol."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from advlearn.core.arguments import checked
from advlearn.core.checks import check_count, describe_value
from advlearn.data import ArrayDataset
from advlearn.metrics._checks import pair
from advlearn.metrics._ranges import check_equal_ranges, scaled
from advlearn.metrics.coverage import density_coverage, precision_recall
from advlearn.metrics.extract import features
from advlearn.metrics.fidelity import frechet_distance, inception_score, kid
from advlearn.metrics.memorisation import memorisation

PRECISION_K, DENSITY_K = 3, 5
SUBSETS, SUBSET_SIZE, SPLITS = 100, 1000, 10
REAL, TRAIN = 1000, 10_000
CAVEATS = (
    "it does not use the real images, cannot detect low diversity within a class or copies of "
    "training images, rises with samples that fool the classifier, and is comparable only for the "
    "same classifier and splits"
)

Extractor = nn.Module | Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True, slots=True)
class ImageReport:
    """Hold measures of generated images against real ones, and the protocol.

    Attributes:
        frechet: Frechet distance in the extractor's features.
        kid: Kernel distance, mean over random subsets.
        kid_std: Its standard deviation over the subsets, each at most half of the images.
        precision: Fraction of generated images within the real manifold, k = 3.
        recall: Fraction of real images within the generated manifold, k = 3.
        density: As `density_coverage`, k = 5.
        coverage: As `density_coverage`, k = 5.
        per_class: Frechet distance of each class; NaN where a side has fewer than two images of it;
            empty without labels.
        inception: Inception score, mean over splits; None without a classifier.
        inception_std: Its standard deviation over the splits.
        copies: Fraction of generated images closer to a training image than 99% of the real ones;
            None without training images.
        nearer: Probability that a generated image is closer to the training images than a real
            one; None without training images.
        samples: Number of generated images.
        real: Number of real images.
        train: Number of training images; 0 for none.
        split: Part of the data that the real images are from.
        extractor: Name of the network whose features are compared.
        dimensions: Number of its features.
        resized: How the images are resized before the extractor.
        subset_size: Images in each subset of the kernel distance.
    """

    frechet: float
    kid: float
    kid_std: float
    precision: float
    recall: float
    density: float
    coverage: float
    per_class: tuple[float, ...]
    inception: float | None
    inception_std: float | None
    copies: float | None
    nearer: float | None
    samples: int
    real: int
    train: int
    split: str
    extractor: str
    dimensions: int
    resized: str
    subset_size: int

    def __str__(self) -> str:
        lines = [
            f"Frechet distance  {self.frechet:.4g}",
            f"KID               {self.kid:.4g} +- {self.kid_std:.2g} "
            f"({SUBSETS} subsets of {self.subset_size})",
            f"precision, recall {self.precision:.3f}, {self.recall:.3f} (k = {PRECISION_K})",
            f"density, coverage {self.density:.3f}, {self.coverage:.3f} (k = {DENSITY_K})",
        ]
        if self.per_class:
            lines.append(
                f"Frechet by class  {', '.join(f'{value:.4g}' for value in self.per_class)}"
            )
        if self.inception is not None:
            lines.append(
                f"inception score   {self.inception:.4g} +- {self.inception_std:.2g} "
                f"({SPLITS} splits)"
            )
            lines.append(f"                  note: {CAVEATS}")
        if self.train:
            lines.append(
                f"copies, nearer    {self.copies:.3f}, {self.nearer:.3f} "
                "(0.01, 0.5 where nothing is copied)"
            )
        nearest = f", nearest of {self.train} training images" if self.train else ""
        lines.append(
            f"protocol          {self.samples} samples against {self.real} real images, "
            f"split {self.split}{nearest}; {self.dimensions} features of "
            f"{self.extractor}; {self.resized}"
        )
        return "\n".join(lines)


@checked
def image_report(
    samples: Tensor,
    real: Tensor,
    extractor: Extractor,
    *,
    name: str | None = None,
    split: str = "not stated",
    side: int | None = None,
    labels: tuple[Tensor, Tensor] | None = None,
    classifier: Extractor | None = None,
    train: Tensor | None = None,
    batch_size: int = 256,
) -> ImageReport:
    """Compute every measure of fidelity and diversity that features allow.

    Args:
        samples: Generated images (N, C, H, W), N above 5: float, scaled as the extractor expects,
            or uint8, which are scaled to [-1, 1].
        real: Real images (M, C, H, W), M above 5, in the same range.
        extractor: Module or callable from images to features (B, d): a classifier without its last
            layer, `advlearn.metrics.Inception`, any network. An attribute ``resized`` says how it
            resizes images.
        name: Name of the extractor; by default that of its class.
        split: Part of the data that the real images are from, such as ``"test"``.
        side: Resize images to side x side (bilinear, antialiased) before the extractor; None keeps
            their size.
        labels: Classes of the samples and of the real images, int64 (N,) and (M,), for the
            distance of each class.
        classifier: From features (B, d) to class logits (B, K), for the inception score; None
            omits it.
        train: Training images (T, C, H, W), for `memorisation` in the extractor's features; the
            real images must then be held out. None omits it.
        batch_size: Images per call of the extractor.

    Returns:
        The report.

    Raises:
        TypeError: Images or labels of another type.
        ValueError: Wrong shapes, too few images, or sets of different ranges.

    Warns:
        UserWarning: One set of images has negative values, and another one has none.

    Example:
        >>> x = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        >>> report = image_report(x, x, nn.Flatten(), name="pixels", split="all")
        >>> report.recall, report.coverage
        (1.0, 1.0)
        >>> print(str(report).splitlines()[-1].rpartition("; ")[0])
        protocol          20 samples against 20 real images, split all; 16 features of pixels
    """
    images = {"samples": samples, "real": real} | ({} if train is None else {"train": train})
    checked_images = {n: _checked_images(n, x) for n, x in images.items()}
    check_equal_ranges(checked_images, "real")
    model = extractor if side is None else _Resized(extractor, check_count("side", side))
    found = {n: features(model, x, batch_size) for n, x in checked_images.items()}
    generated, actual = found["samples"], found["real"]
    size = min(SUBSET_SIZE, len(generated) // 2, len(actual) // 2)
    kernel = kid(actual, generated, SUBSETS, size)
    manifold, density = (
        precision_recall(actual, generated, PRECISION_K),
        density_coverage(actual, generated, DENSITY_K),
    )
    score = (
        None
        if classifier is None
        else inception_score(features(classifier, generated, batch_size), SPLITS)
    )
    copied = None
    if train is not None:
        copied = memorisation(generated, found["train"], actual)
    return ImageReport(
        frechet=float(frechet_distance(actual, generated)),
        kid=float(kernel.mean),
        kid_std=float(kernel.std),
        precision=float(manifold.precision),
        recall=float(manifold.recall),
        density=float(density.density),
        coverage=float(density.coverage),
        per_class=()
        if labels is None
        else tuple(per_class_frechet(actual, generated, labels[1], labels[0]).tolist()),
        inception=None if score is None else float(score.mean),
        inception_std=None if score is None else float(score.std),
        copies=None if copied is None else float(copied.copies),
        nearer=None if copied is None else float(copied.nearer),
        samples=len(generated),
        real=len(actual),
        train=0 if train is None else len(train),
        split=split,
        extractor=name or getattr(extractor, "__name__", type(extractor).__name__),
        dimensions=generated.shape[1],
        resized=_resizing(extractor, side),
        subset_size=size,
    )


@checked
def sampled_report(
    samples: Tensor,
    train: ArrayDataset,
    test: ArrayDataset | None = None,
    extractor: Extractor | None = None,
) -> ImageReport:
    """Report on a run's samples, with a protocol chosen by the available data.

    Args:
        samples: Generated images (N, C, H, W), N above 5.
        train: Training data.
        test: Test data. 1000 of its images are the real ones, and copies are searched for in 10000
            training images; both are chosen with a fixed seed. With None the real images are from
            the training data, and the report states it.
        extractor: Module or callable of `image_report`; None compares pixels.

    Returns:
        The report.

    Raises:
        ValueError: As `image_report`.

    Example:
        >>> data = ArrayDataset(torch.rand(20, 1, 4, 4), None, "noise")
        >>> report = sampled_report(torch.rand(9, 1, 4, 4), data)
        >>> report.real, report.split, report.extractor
        (20, 'training part of noise', 'pixels')
    """
    reference = train if test is None else test
    return image_report(
        samples.cpu(),
        _some(reference.x, REAL),
        nn.Flatten() if extractor is None else extractor,
        name="pixels" if extractor is None else None,
        split=f"training part of {reference.name}" if test is None else reference.name,
        train=None if test is None else _some(train.x, TRAIN),
    )


@checked
def per_class_frechet(
    real: Tensor, fake: Tensor, real_labels: Tensor, fake_labels: Tensor
) -> Tensor:
    """Compute the Frechet distance between the real and the generated samples of each class.

    Unlike the distance over all classes, it detects samples of the wrong class.

    Args:
        real: Float (N, d), features of real images.
        fake: Float (M, d), features of generated images, on the device of `real`.
        real_labels: Classes of the real images, integer (N,).
        fake_labels: Classes that the generated images are conditioned on, integer (M,).

    Returns:
        Float64 (K,), K one more than the largest class; NaN where a side has fewer than two samples
        of a class.

    Raises:
        TypeError: Not float features or integer labels.
        ValueError: Wrong shapes, or values that are not finite.

    Example:
        >>> x, y = torch.tensor([[0.0], [2.0], [5.0], [7.0]]), torch.tensor([0, 0, 1, 1])
        >>> per_class_frechet(x, x, y, y.flip(0)).tolist()
        [25.0, 25.0]

    Reference: Miyato and Koyama (intra-class FID), "cGANs with Projection Discriminator", 2018,
    section 4.
    """
    first, second = pair(("real", "fake"), real, fake)
    for name, y, x in (("real_labels", real_labels, real), ("fake_labels", fake_labels, fake)):
        if not isinstance(y, Tensor) or y.is_floating_point() or y.dtype == torch.bool:
            raise TypeError(
                f"{name}: expected an integer tensor of shape ({len(x)},), got {describe_value(y)}"
            )
        if y.shape != (len(x),):
            raise ValueError(
                f"{name}: expected an integer tensor of shape ({len(x)},), got {describe_value(y)}"
            )
    distances = first.new_full((1 + int(max(real_labels.max(), fake_labels.max())),), float("nan"))
    for k in range(len(distances)):
        of_real = first[real_labels.to(first.device) == k]
        of_fake = second[fake_labels.to(first.device) == k]
        if min(len(of_real), len(of_fake)) > 1:
            distances[k] = frechet_distance(of_real, of_fake)
    return distances


def _some(x: Tensor, n: int) -> Tensor:
    """Choose at most n rows with a fixed seed."""
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:n]].cpu()


def _resizing(extractor: Extractor, side: int | None) -> str:
    """Describe how images are resized before and in the extractor."""
    before = [] if side is None else [f"resized to {side} x {side}, bilinear, antialiased"]
    inside = getattr(extractor, "resized", None)
    return ", then ".join([*before, *([] if inside is None else [inside])]) or "not resized"


def _checked_images(name: str, images: Tensor) -> Tensor:
    """Check images (N, C, H, W), and scale those of dtype uint8."""
    if not isinstance(images, Tensor) or not (
        images.is_floating_point() or images.dtype == torch.uint8
    ):
        raise TypeError(
            f"{name}: expected float or uint8 images (N, C, H, W), got {describe_value(images)}"
        )
    if images.ndim != 4 or len(images) <= DENSITY_K:
        raise ValueError(
            f"{name}: expected more than {DENSITY_K} images (N, C, H, W), "
            f"got {describe_value(images)}"
        )
    return scaled(images)


@final
class _Resized(nn.Module):
    """Resize images before an extractor."""

    def __init__(self, extractor: Extractor, side: int) -> None:
        super().__init__()
        self.extractor = extractor
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """Compute features of the resized images."""
        return self.extractor(
            interpolate(x, (self.side, self.side), mode="bilinear", antialias=True)
        )
