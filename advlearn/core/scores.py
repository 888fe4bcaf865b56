"""The output of a critic: one tensor of scores, or several, with feature maps if it returns them.

Accepted are a tensor; a list or tuple of tensors, one for each scale, period or band; the pair
``(scores, feature maps)``, the maps as one list of tensors for each output; and one list of
tensors for each output, whose last tensor holds the scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from torch import Tensor

from advlearn.core.samples import Samples, call, concatenate, count, joinable, rows

Critic = Callable[..., Any]
Maps = tuple[tuple[Tensor, ...], ...]


@final
@dataclass(frozen=True, slots=True)
class Outputs:
    """Hold the scores of a critic's outputs and its feature maps.

    Args:
        scores: One tensor (N,) or (N, ...) for each output, at least fp32.
        features: The feature maps of each output; empty where the critic returns none.
    """

    scores: tuple[Tensor, ...]
    features: Maps = ()

    def split(self, sizes: Sequence[int]) -> list["Outputs"]:
        """Return parts of these numbers of samples."""
        # The backward pass of one split is cheaper than that of slices, which pad with zeros.
        scores = [torch.split(s, list(sizes)) for s in self.scores]
        maps = [[torch.split(m, list(sizes)) for m in of_one] for of_one in self.features]
        return [
            Outputs(
                tuple(s[part] for s in scores),
                tuple(tuple(m[part] for m in of_one) for of_one in maps),
            )
            for part in range(len(sizes))
        ]

    def joined(self) -> Tensor:
        """Return the scores of all outputs as one tensor: (N, total) where there are several."""
        if len(self.scores) == 1:
            return self.scores[0]
        return torch.cat([rows(s) for s in self.scores], 1)


def outputs(critic: Critic, samples: Samples) -> Outputs:
    """Call the critic and read its output."""
    return read(call(critic, samples))


def read(value: Any) -> Outputs:
    """Read what a critic returned.

    Raises:
        TypeError: If it has none of the accepted forms.

    Example:
        >>> import torch
        >>> logits, maps = [torch.zeros(4, 1), torch.zeros(4, 1, 9)], [[torch.zeros(4, 8)], []]
        >>> read((logits, maps)).scores[1].shape
        torch.Size([4, 1, 9])
    """
    if isinstance(value, Tensor):
        return Outputs((_scores(value),))
    if isinstance(value, tuple | list) and value:
        items = list(cast(list[Any], value))
        if all(isinstance(item, Tensor) for item in items):
            return Outputs(tuple(_scores(item) for item in items))
        if all(_is_list_of_tensors(item) and item for item in items) and isinstance(value, list):
            return Outputs(
                tuple(_scores(item[-1]) for item in items), tuple(tuple(i[:-1]) for i in items)
            )
        if len(items) == 2 and isinstance(items[1], tuple | list):
            return _with_features(items[0], list(cast(list[Any], items[1])))
    raise TypeError(
        "critic: expected a tensor of scores, a list of them, or (scores, feature maps), "
        f"got {_kind(value)}; wrap the critic in a module that returns its scores"
    )


def _with_features(scores: Any, maps: list[Any]) -> Outputs:
    if not maps:
        return read(scores)
    logits: list[Any] = [scores] if isinstance(scores, Tensor) else list(scores or ())
    if all(isinstance(m, Tensor) for m in maps):
        maps = [maps]
    good = all(isinstance(s, Tensor) for s in logits) and all(_is_list_of_tensors(m) for m in maps)
    if not logits or not good or len(maps) != len(logits):
        raise TypeError(
            "critic: expected (scores, feature maps) with one list of maps for each of the "
            f"{len(logits)} outputs, got {_kind(scores)} and {len(maps)} lists"
        )
    return Outputs(tuple(_scores(s) for s in logits), tuple(tuple(m) for m in maps))


def _is_list_of_tensors(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(
        isinstance(item, Tensor) for item in cast(list[Any], value)
    )


def _kind(value: Any) -> str:
    name = type(value).__name__
    if isinstance(value, tuple | list):
        inner = ", ".join(type(item).__name__ for item in cast(list[Any], value)[:4])
        return f"{name} of ({inner})"
    return name


def _scores(values: Tensor) -> Tensor:
    """Return (N,) for one number per sample, in full precision as losses and penalties need."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.squeeze(1)
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def score(critic: Critic, samples: Samples) -> Tensor:
    """Score `samples`: (N,) from a critic with one number per sample, else the critic's shape.

    The scores of several outputs are joined to (N, total). They are at least fp32, also where
    autocast casts the critic.
    """
    return outputs(critic, samples).joined()


def outputs_of_both(
    critic: Critic, real: Samples, fake: Samples, *, apart: bool
) -> tuple[Outputs, Outputs]:
    """Score both sides, in one call of the critic unless they must be scored `apart`."""
    if apart or not joinable(real, fake):
        return outputs(critic, real), outputs(critic, fake)
    of_real, of_fake = outputs_in_one_call(critic, real, fake)
    return of_real, of_fake


def outputs_in_one_call(critic: Critic, *parts: Samples) -> list[Outputs]:
    """Score several sets of samples of one structure in one call of the critic."""
    return outputs(critic, concatenate(*parts)).split([count(part) for part in parts])


def score_both(
    critic: Critic, real: Samples, fake: Samples, *, apart: bool
) -> tuple[Tensor, Tensor]:
    """Score both sides as `outputs_of_both` does, with the outputs joined."""
    real_outputs, fake_outputs = outputs_of_both(critic, real, fake, apart=apart)
    return real_outputs.joined(), fake_outputs.joined()


@final
class OneOutput:
    """Call a critic and return the scores of one of its outputs."""

    def __init__(self, critic: Critic, index: int) -> None:
        self.critic = critic
        self.index = index

    def __call__(self, *args: Any, **named: Any) -> Tensor:
        """Score samples with this output."""
        return read(self.critic(*args, **named)).scores[self.index]
