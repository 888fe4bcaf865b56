"""The arguments of `fit` that every method takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from advlearn.core.checks import check_count
from advlearn.core.trainer import Callback
from advlearn.training.device import Precision

CHANGEABLE = ("batch_size", "critic_lr", "lr", "steps")
"""Settings that `resume_with` of `fit` may change."""
# Steps between two checkpoints, and between two pictures.
EVERY = 1000


@final
@dataclass(frozen=True, slots=True)
class TrainingArguments:
    """Arguments of `fit` that every method takes; `fit` documents them.

    Args:
        steps: Steps of the learner; None takes the method's.
        batch_size: Samples in a batch; None takes the method's.
        lr: Learning rate; None takes the method's.
        seed: Seed of the run.
        device: Name of the device.
        precision: Precision of the forward passes.
        compile: Compile the losses.
        capture: Replay steps as CUDA graphs.
        out: Folder of the run, or None.
        callbacks: Callbacks of the user; None shows progress.
        changed: Names of settings with new values for a run that is resumed.
        warm_start: A checkpoint whose networks and optimizers a new run begins with, or None.
        save_every: Steps between two checkpoints; None is `EVERY`.
        picture_every: Steps between two pictures; None is `EVERY`.
        evaluate: Steps between two evaluations on a held-out part of the data; None makes none.
        keep: ``"best"`` ends the run with the model that was best in these evaluations.
        accumulate: Parts of a batch whose gradients are added before a step.
        page: Whether to write the page that plays the run into its folder at the end.

    Raises:
        ValueError: A number of steps is not a positive whole number, or ``keep="best"`` without
            `evaluate`, or `page` without a folder.
    """

    steps: int | None
    batch_size: int | None
    lr: float | None
    seed: int
    device: str
    precision: Precision
    compile: bool
    capture: bool
    out: Path | None
    callbacks: Sequence[Callback] | None
    save_every: int | None = None
    picture_every: int | None = None
    changed: tuple[str, ...] = ()
    warm_start: str | Path | None = None
    evaluate: int | None = None
    keep: Literal["last", "best"] = "last"
    page: bool = False
    accumulate: int = 1

    def __post_init__(self) -> None:
        for name in ("save_every", "picture_every", "evaluate"):
            value = getattr(self, name)
            if value is not None:
                check_count(name, value)
        if self.keep == "best" and self.evaluate is None:
            raise ValueError(
                "keep: expected 'best' with a number of steps between evaluations, got none; pass "
                "evaluate=1000, or leave keep out"
            )
        if self.page and self.out is None:
            raise ValueError(
                "page: expected a folder of the run with page=True, got out=None; pass "
                "out='runs/mine', or leave page out"
            )
