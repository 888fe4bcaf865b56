"""Feature matching: fake samples get the critic's features of real ones."""

from contextlib import nullcontext, suppress
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.checks import check_choice, check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.features import (
    Call,
    calls_of,
    depending,
    full_precision,
    last_layer,
    watch_layers,
)
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import carries_gradient, count, rows
from advlearn.core.scores import Maps, outputs

REFERENCE = Reference(
    "Improved Techniques for Training GANs",
    "Salimans et al. 2016",
    "section 3.1",
    "https://arxiv.org/abs/1606.03498",
)


@final
class FeatureMatching(Regularizer):
    r"""Match features of the critic, in the mean of the batch or pair by pair.

    .. math:: P' = \frac{w}{L} \sum_l \|E_r[f_l(x)] - E_f[f_l(x)]\|_2^2, \qquad
              P'_{paired} = \frac{w}{L} \sum_l E\left[|f_l(x_r) - f_l(x_f)|\right]

    By default there is one feature vector: the input of the linear or convolution layer that gives
    the score, which is found in the forward pass. Layers that see only a label or a condition do
    not count. With ``layers="all"`` the features are the maps that the critic returns, as
    ``(scores, maps)`` or lists of both for several sub-critics; the mean is over the maps of each
    sub-critic, then over sub-critics. For a critic that returns only scores they are the inputs of
    its linear and convolution layers after the first.

    The paired form compares the i-th fake sample with the i-th real one, as HiFi-GAN and pix2pixHD
    do where a generator is to reproduce a real sample. The absolute difference is the mean over
    the elements of a map.

    This term does not train the critic. The real side gets gradient only in the unpaired form,
    where the learner produces it (adaptation).

    Args:
        weight: w.
        layers: ``"last"`` or ``"all"``.
        paired: Whether samples are compared in pairs.

    Raises:
        ValueError: If `weight` is negative or not finite or `layers` is unknown; in `wrap`, if the
            critic has no linear or convolution layer; in `player_penalty`, if the sides of the
            paired form differ in size.

    Example:
        >>> FeatureMatching(weight=2, layers="all", paired=True)
        FeatureMatching(weight=2, layers='all', paired=True)

    Reference:
        Salimans et al. 2016, section 3.1. Paired: Wang et al. 2018, High-Resolution Image Synthesis
        and Semantic Manipulation with Conditional GANs (pix2pixHD), eq. 4; Kong et al. 2020,
        HiFi-GAN, eq. 8.

    Deviations:
        It is added to the generator's loss; Salimans et al. replace that loss. To get the
        paper's loss, choose a large `weight`. HiFi-GAN adds up the maps and sub-critics, where this
        is their mean.
    """

    decomposable = False
    reasons: ClassVar[dict[str, str]] = {
        "decomposable": "the square of a mean is not the mean over the parts of a batch"
    }

    def __init__(
        self,
        weight: float = 1.0,
        layers: Literal["last", "all"] = "last",
        paired: bool = False,
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.layers = check_choice("layers", layers, ("last", "all"))
        self.paired = paired

    def wrap(self, critic: nn.Module) -> nn.Module:
        # A critic that returns its maps may be made of other layers.
        with suppress(ValueError) if self.layers == "all" else nullcontext():
            watch_layers(critic)
        return critic

    def player_penalty(self, batch: CriticBatch) -> Tensor:
        if self.paired and count(batch.real) != count(batch.fake):
            raise ValueError(
                f"fake: expected {count(batch.real)} samples, one for each real one, for "
                f"feature_matching(paired=True), got {count(batch.fake)}"
            )
        reals, fakes = self._maps(batch)
        distance = _distance_of_pairs if self.paired else _distance_of_means
        return self.weight * _mean(
            [
                _mean([distance(batch, r, f) for r, f in zip(real, fake, strict=True)])
                for real, fake in zip(reals, fakes, strict=True)
            ]
        )

    def _maps(self, batch: CriticBatch) -> tuple[Maps, Maps]:
        """Return the features of both sides, of each sub-critic, with gradient where it is due."""
        due = torch.is_grad_enabled() and carries_gradient(batch.real) and not self.paired
        if self.layers == "all" and any(batch.fake_features):
            return self._returned(batch, due), batch.fake_features
        captures = watch_layers(batch.critic)
        fakes, scores = calls_of(batch.critic, batch.fake, captures)
        with torch.set_grad_enabled(due):
            reals, _ = calls_of(batch.critic, batch.real, captures)
        chosen = [last_layer(fakes, scores)] if self.layers == "last" else _inner(fakes)
        real, fake = (tuple(calls[i].features for i in chosen) for calls in (reals, fakes))
        return (real,), (fake,)

    def _returned(self, batch: CriticBatch, due: bool) -> Maps:
        """Return the real side's maps, which a loss without real scores has not computed."""
        found = batch.real_features
        if not found:
            with torch.set_grad_enabled(due):
                found = outputs(batch.critic, batch.real).features
        return found if due else tuple(tuple(m.detach() for m in maps) for maps in found)


def _inner(calls: list[Call]) -> list[int]:
    """Return the calls after the first one of those that depend on the samples."""
    places = depending(calls)
    return places[1:] or places


def _distance_of_means(batch: CriticBatch, real: Tensor, fake: Tensor) -> Tensor:
    real_mean = _mean_row(real, batch.real_weights)
    return (real_mean - _mean_row(fake, batch.fake_weights)).square().sum()


def _mean_row(features: Tensor, weights: Tensor | None) -> Tensor:
    """Compute the weighted mean of the features over the samples of all processes: (d,)."""
    n = len(features)
    values = distributed.gather(full_precision(rows(features)))
    if weights is None:
        return values.mean(0)
    # For an objective that is not decomposable, the weights are gathered already.
    weights = distributed.gather(weights) if len(weights) == n else weights
    return (weights[:, None] * values).sum(0) / weights.sum()


def _distance_of_pairs(batch: CriticBatch, real: Tensor, fake: Tensor) -> Tensor:
    gaps = (full_precision(real).detach() - full_precision(fake)).abs()
    return batch.mean_fake(rows(gaps).mean(1))


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()
