"""The result of `fit`: the trained task, to sample, predict, save and check."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast, final

import torch
from torch import Tensor

from advlearn.core import registry
from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.health import Health
from advlearn.core.protocols import Predicts, Samples, Truncates
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer
from advlearn.critics.build import Critics, rebuild
from advlearn.training import checkpoint, rng
from advlearn.training import device as devices


@final
class Run:
    """A task with its adversaries after training.

    Args:
        task: The task as trained.
        adversaries: Its adversaries, by the name of the critic.
        ema_model: The task whose weights are used for samples: the average where there is one, else
            `task`.
        config: What `load` builds the same run from.
        trainer: The trainer, or None in a run that was loaded.
        out: Folder of the run's files, or None.
    """

    def __init__(
        self,
        task: Task,
        adversaries: dict[str, Adversary],
        ema_model: Task,
        config: dict[str, Any],
        trainer: Trainer | None = None,
        out: Path | None = None,
    ) -> None:
        self.task = task
        self.adversaries = adversaries
        self.ema_model = ema_model
        self.config = config
        self.trainer = trainer
        self.out = out

    def sample(
        self,
        n: int,
        labels: Tensor | None = None,
        *,
        seed: int | None = None,
        truncation: float | None = None,
    ) -> Tensor:
        """Draw samples of the model.

        Args:
            n: How many.
            labels: Classes (n,) for a conditional task; drawn evenly if None.
            seed: Seeds only this draw; None draws from the global generator.
            truncation: Truncation level: lower values trade diversity for fidelity; None
                disables truncation.

        Returns:
            Samples (n, *shape) on the task's device; images in [-1, 1].

        Raises:
            TypeError: If the task does not sample, or does not truncate.
        """
        if not isinstance(self.ema_model, Samples):
            raise TypeError(f"sample: expected a task that samples, got {type(self.task).__name__}")
        draw: Callable[..., Tensor] = self.ema_model.sample
        if truncation is not None:
            if not isinstance(self.ema_model, Truncates):
                raise TypeError(
                    f"truncation: expected None for {registry.snake(type(self.task).__name__)}, "
                    f"got {truncation}"
                )
            draw = partial(draw, truncation=truncation)
        if seed is None:
            return draw(n, labels)
        with rng.isolated(seed):
            return draw(n, labels)

    def predict(self, x: Any) -> Tensor:
        """Compute outputs of the model for samples.

        Args:
            x: Samples (N, ...), a tensor or an array, as the task's model takes them.

        Returns:
            Class logits (N, K), one logit (N,) or a number (N,), on the task's device.

        Raises:
            TypeError: If the task does not predict.
        """
        if not isinstance(self.ema_model, Predicts):
            raise TypeError(
                f"predict: expected a task that predicts, got {type(self.task).__name__}"
            )
        return self.ema_model.predict(torch.as_tensor(x, dtype=torch.float32))

    def health(self) -> dict[str, Health]:
        """Return the health of each adversary on the last batch; empty for a loaded run."""
        return (
            {name: a.health() for name, a in self.adversaries.items()}
            if self.trainer is not None
            else {}
        )

    def save(self, path: str | Path) -> Path:
        """Write everything to one file, to a temporary one first.

        Args:
            path: The file.

        Returns:
            The file.

        Raises:
            OSError: If it cannot be written; an older file stays as it was.
        """
        trained = {"task": self.task.state_dict(), "ema_model": self.ema_model.state_dict()}
        heads = {name: a.state_dict() for name, a in self.adversaries.items()}
        return checkpoint.save(
            path, {"config": self.config, "trained": {**trained, "adversaries": heads}}
        )


def load(
    path: str | Path,
    *,
    task: Task | None = None,
    critic: Critics | None = None,
    device: str = "cpu",
) -> Run:
    """Load a run that `Run.save`, or a checkpoint of `fit`, wrote.

    Args:
        path: The file, or the folder of a run that holds ``checkpoint.pt``.
        task: A task built as the saved one was; needed where it holds modules of the user's own.
        critic: The critics the run was trained with, as for `fit`; needed where they are modules
            of the user's own.
        device: ``"cpu"``, ``"cuda"`` or ``"auto"``.

    Returns:
        The run, ready to sample.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or foreign, or the task must be handed over.
    """
    target = devices.pick(device)
    path = Path(path)
    payload = checkpoint.load(path / "checkpoint.pt" if path.is_dir() else path, target)
    config = cast(dict[str, Any], payload["config"])
    trained = _trained(payload)
    task = (task if task is not None else _rebuild(config, path)).to(target)
    chain = resolve(cast(str, config["objective"]))
    critics = rebuild(task, chain, config.get("critics"), critic)
    adversaries = {name: Adversary(c.to(target), chain) for name, c in critics.items()}
    try:
        task.load_state_dict(trained["task"])
        for name, adversary in adversaries.items():
            adversary.load_state_dict(trained["adversaries"][name])
    except RuntimeError as error:
        raise ValueError(
            f"task: its weights are not those of {path}: {str(error).splitlines()[-1].strip()}"
        ) from None
    ema_model = (
        _rebuild(config, path).to(target)
        if trained["ema_model"] is not None and config["parts"] is not None
        else task
    )
    if trained["ema_model"] is not None:
        ema_model.load_state_dict(trained["ema_model"])
    return Run(task, adversaries, ema_model, config)


def _trained(payload: dict[str, Any]) -> dict[str, Any]:
    """The weights in a saved run, or in a checkpoint of one that was still training."""
    if "trained" in payload:
        return cast(dict[str, Any], payload["trained"])
    state = cast(dict[str, Any], payload["trainer"])
    averages = [entry[1] for entry in state["callbacks"] if entry[0] == "EMA"]
    return {**state, "ema_model": averages[0]["module"] if averages else None}


def _rebuild(config: dict[str, Any], path: Path) -> Task:
    if config["parts"] is None:
        raise ValueError(
            f"task: {path} holds modules of your own; build the task again and pass it as task="
        )
    build = cast(Any, registry.tasks()[config["task"]])
    return cast(Task, build.from_config(config["parts"]))
