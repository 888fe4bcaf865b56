"""The result of `fit`: a trained task that samples, predicts, reports its health and is saved."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast, final

import torch
from torch import Tensor

from advlearn import hub
from advlearn.core import registry, saving
from advlearn.core.adversary import Adversary
from advlearn.core.allocations import TooLargeError, bound_of, bounded_allocations
from advlearn.core.arguments import Count, NonNegative, Seed, checked
from advlearn.core.files import RefusedFileError
from advlearn.core.health import Health
from advlearn.core.protocols import Predicts, Samples, Truncates
from advlearn.core.settings import Critic
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer
from advlearn.data.to_tensor import samples
from advlearn.saved_run import CUSTOM, adversaries_of, rebuild, trained_of
from advlearn.training import checkpoint, rng, structure
from advlearn.training import device as devices
from advlearn.training.evaluation import Evaluation
from advlearn.training.previous_file import newest


@checked
@final
class Run:
    """A task with its adversaries after training.

    Args:
        task: The task as trained.
        adversaries: Its adversaries, by name.
        ema_model: The task with averaged weights, used for samples and predictions; `task` if no
            average is kept.
        config: Plain values from which `load` builds the same run.
        trainer: The trainer, or None in a run that was loaded.
        out: Folder of the run's files, or None.

    Example:
        >>> import tempfile, advlearn
        >>> out = tempfile.mkdtemp()
        >>> run = advlearn.fit("gan", data="ring", steps=2, callbacks=(), out=f"{out}/run")
        >>> run.page(f"{out}/run.html").stat().st_size < 5_000_000
        True
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

    def __repr__(self) -> str:
        step = None if self.trainer is None else self.trainer.step
        data = self.config.get("settings", {}).get("data")
        out = None if self.out is None else str(self.out)
        return f"Run(method={self.config.get('method')!r}, {data=}, {step=}, {out=})"

    @checked
    def sample(
        self,
        n: Count,
        labels: Tensor | None = None,
        *,
        seed: Seed | None = None,
        truncation: NonNegative | None = None,
    ) -> Tensor:
        """Draw samples of the generator.

        Args:
            n: Number of samples.
            labels: Classes (n,) for a conditional task; drawn evenly if None.
            seed: Seed of this draw; None draws from the global generator.
            truncation: Truncation level: a lower value gives higher fidelity and less diversity.
                None disables truncation.

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
                    f"truncation: expected None, {registry.task_name(type(self.task))} "
                    "does not truncate"
                )
            draw = partial(draw, truncation=truncation)
        if seed is None:
            return draw(n, labels)
        with rng.isolated(seed):
            return draw(n, labels)

    def predict(self, x: Any) -> Tensor:
        """Compute the model's outputs for samples.

        Args:
            x: Samples (N, ...), a tensor or an array, as the task's model takes them; images of
                dtype uint8 are scaled to [-1, 1] and made channel-first.

        Returns:
            Class logits (N, K), one logit (N,) or a number (N,), on the task's device.

        Raises:
            TypeError: If the task does not predict.
        """
        if not isinstance(self.ema_model, Predicts):
            raise TypeError(
                f"predict: expected a task that predicts, got {type(self.task).__name__}"
            )
        x = torch.as_tensor(x)
        x = samples(x) if x.dtype == torch.uint8 else x.to(torch.float32)
        return self.ema_model.predict(x)

    @property
    def evaluations(self) -> list[tuple[int, dict[str, float]]]:
        """Steps and results of the evaluations of `fit(evaluate=)`; empty for a loaded run."""
        callbacks = () if self.trainer is None else self.trainer.callbacks
        return [row for c in callbacks if isinstance(c, Evaluation) for row in c.results]

    def health(self) -> dict[str, Health]:
        """Return the verdict on each adversary's last batch.

        It is empty for a loaded run, and for a call of `fit` that returned a complete run.
        """
        named = {} if self.trainer is None else self.adversaries
        return {name: a.health() for name, a in named.items() if a.last_losses}

    @checked
    def page(self, path: str | Path) -> Path:
        """Write one HTML file that plays the run: curves, samples over steps, verdicts, recipe.

        The file has at most 5 MB and loads nothing from a network. Pictures, points and curves that
        do not fit are thinned out, and the page states how.

        Args:
            path: The file.

        Returns:
            The file.

        Raises:
            ValueError: The run has no folder, whose files the page shows.
            OSError: The file cannot be written.
        """
        from advlearn.run_page import page_of_folder

        if self.out is None:
            raise ValueError(
                "page: expected a run with a folder, got one without; pass out='runs/mine' to "
                "fit, or load the folder"
            )
        return page_of_folder(self.out, path)

    @checked
    def push(
        self, target: str | Path, *, licence: str | None = None, private: bool = False
    ) -> Path | str:
        """Write the run with a model card to a folder, or upload both to the Hugging Face Hub.

        The folder gets ``checkpoint.pt``, which `advlearn.load` reads, ``README.md`` with task,
        data, objective, metrics, health, limits and citation, and, for a run with a folder,
        ``run.html`` and the last picture.

        Args:
            target: A new folder, or ``"hub:owner/name"``, which needs ``advlearn[hub]`` and the
                access that ``hf auth login`` stores.
            licence: Name of the licence for the card, such as ``"mit"``.
            private: Whether a new repository is private.

        Returns:
            The folder, or the web address of the repository.

        Raises:
            ValueError: The folder holds a training, or the address has another form.
            OSError: The files cannot be written or uploaded.
        """
        from advlearn.sharing import push

        return push(self, target, licence=licence, private=private)

    @checked
    def export(self, path: str | Path, part: str | None = None) -> Path:
        """Write a network of the run as a program that runs without advlearn.

        A generator maps noise, and labels if it has classes or vectors, to samples; a predictor
        maps samples to outputs. The number of rows is free. Noise that a generator such as
        StyleGAN's draws itself is fixed, as by ``decode(z, noise=0)``. The program is compared with
        the network on a second batch size before it is written.

        Args:
            path: A file that ends in ``.pt2``, for `torch.export.load`, or in ``.onnx``, which
                needs ``advlearn[export]``. The weights are inside the file.
            part: ``"sample"``, ``"predict"``, ``"encode"`` or ``"to_a"``, the translation back;
                None: the first of these that the task has.

        Returns:
            The file.

        Raises:
            TypeError: The task has neither a generator nor a predictor.
            ValueError: The file ends otherwise, there is no such part, or it cannot be exported.
            ImportError: ONNX is not installed.
        """
        from advlearn.exporting import export

        return export(self.ema_model, path, part)

    @checked
    def save(self, path: str | Path) -> Path:
        """Write the run to one file, atomically.

        Args:
            path: The file.

        Returns:
            The file.

        Raises:
            OSError: If it cannot be written; an older file is kept.
        """
        trained = {"task": self.task.state_dict(), "ema_model": self.ema_model.state_dict()}
        adversaries = {name: a.state_dict() for name, a in self.adversaries.items()}
        return checkpoint.save(
            path, {"config": self.config, "trained": {**trained, "adversaries": adversaries}}
        )


@checked
def load(
    path: str | Path,
    *,
    task: Task | None = None,
    critic: Critic | None = None,
    objects: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> Run:
    """Load a run that `Run.save` or `fit` wrote.

    Args:
        path: The file, the folder of a run that holds ``checkpoint.pt``, or ``"hub:owner/name"``,
            with an optional ``"@revision"``, for a run on the Hugging Face Hub. Only the run's
            file is downloaded; it holds tensors and plain values, and no code.
        task: A task with the architecture of the saved one; required if it holds your own modules.
        critic: Critics with the architecture of the saved ones; required if you passed modules to
            `fit` that are not from `advlearn.nets`.
        objects: Your own objectives, regularizers, tasks and networks, by the names that the run
            was trained with, if they are not registered.
        device: ``"cpu"``, ``"cuda"`` or ``"auto"``.

    Returns:
        The run.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is damaged, is not a run, or needs `task`, `critic` or `objects`.
        OSError: If the file cannot be downloaded.
        ImportError: If the client of the Hub is not installed.
    """
    if hub.is_address(path):
        path = hub.download(str(path))
    with registry.using(objects or {}):
        return _load(path, task, critic, device)


def _load(path: str | Path, task: Task | None, critic: Critic | None, device: str) -> Run:
    target = devices.pick(device)
    path = Path(path)
    file = newest(path / checkpoint.NAME) if path.is_dir() else path
    payload = checkpoint.load(path, target)
    structure.check(payload, {"config": structure.RECIPE}, path)
    config = cast(dict[str, Any], payload["config"])
    trained = trained_of(payload, path)
    average = None
    with structure.refusing(path):
        try:
            # Its networks cannot be much larger than the weights that the file holds.
            with bounded_allocations(bound_of(file)):
                task = (task if task is not None else rebuild(config, path)).to(target)
                if trained["ema_model"] is not None and config["parts"] is not None:
                    average = rebuild(config, path).to(target)
                adversaries = adversaries_of(config, task, critic, path, target)
        except TooLargeError:
            raise RefusedFileError(
                "checkpoint: expected a recipe of networks whose weights are in the file, got "
                f"larger networks in {path}; restore a copy of the file"
            ) from None
        folder = path if path.is_dir() else None
        run = Run(task, adversaries, task if average is None else average, config, out=folder)
        _restore(run, trained, path)
    return run


def _restore(run: Run, trained: dict[str, Any], path: Path) -> None:
    """Load the weights of a saved run."""
    try:
        run.task.load_state_dict(trained["task"])
        for name, adversary in run.adversaries.items():
            state = trained["adversaries"][name]
            if run.config["settings"].get("optimizer") == CUSTOM:
                state = saving.without_optimizer(state)
            adversary.load_state_dict(state)
        if trained["ema_model"] is not None:
            run.ema_model.load_state_dict(trained["ema_model"])
    except RuntimeError as error:
        raise ValueError(
            f"task: expected the architecture of {path}, got other weights: "
            f"{str(error).splitlines()[-1].strip()}"
        ) from None
