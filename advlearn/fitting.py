"""One call: names in, a trained run out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from advlearn.core import distributed, registry
from advlearn.core.adversary import Adversary
from advlearn.core.callback import Callback
from advlearn.core.chain import FALLBACK, Chain
from advlearn.core.grammar import Spec, Term, parse, resolve
from advlearn.core.protocols import BeforeAfter, Embeds, LoadsData, Samples
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer
from advlearn.critics.build import Critics, critic_configs
from advlearn.critics.build import build as build_critics
from advlearn.data import ArrayDataset, StreamedDataset, batches
from advlearn.data import load as load_data
from advlearn.plots.before_after_plot import BeforeAfterPlot
from advlearn.plots.embedding import Embeddings
from advlearn.plots.latent_plots import LatentPlots, latent_plots
from advlearn.run import Run
from advlearn.training import checkpoint, launch, rng
from advlearn.training import device as devices
from advlearn.training.checkpoint import Checkpoint
from advlearn.training.device import Precision
from advlearn.training.ema import EMA
from advlearn.training.progress import Progress
from advlearn.training.progressive_growing import ProgressiveGrowing, grows
from advlearn.training.samples import SampleGrid
from advlearn.training.tensorboard import TensorBoard

PICTURED = 64


def fit(
    task: str | Task = "generate",
    objective: Spec = "nsgan",
    data: Any = "digits",
    *,
    steps: int = 5000,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "fp32",
    compile: bool = False,
    out: str | Path | None = None,
    callbacks: Sequence[Callback] | None = None,
    critic: Critics | None = None,
) -> Run:
    """Train a task's player against its critics.

    Args:
        task: A task's name, with keywords if you like: ``"generate(conditional=True)"``; or a
            `Task` of your modules.
        objective: A spec such as ``"wgan-gp"`` or ``"hinge + spectral_norm"``, or an object.
        data: Whatever `advlearn.data.load` takes: a name, an array or tensor, (x, y), a Dataset, a
            DataLoader, a folder of images.
        steps: Player steps.
        batch_size: Samples in a batch, over all processes; None: 64, or all of a smaller data set.
        lr: Adam's learning rate of players and critics; None: the objective's.
        seed: Controls the whole run; the global generators are left untouched.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        precision: ``"fp32"``, ``"tf32"`` or ``"bf16"``; penalties stay in full precision.
        compile: Compile the critic's and the player's losses, penalties included.
        out: Folder for checkpoint, pictures and TensorBoard log. The same call with the same folder
            goes on where a run was stopped or killed. None writes nothing.
        callbacks: Added to those that `out` brings; None also shows progress. Players and critics
            that grow get `ProgressiveGrowing` unless it is among them.
        critic: Your critic: a module, a function from `advlearn.critics.Inputs` to a module, or a
            mapping from the name of a critic to either; None proposes networks.

    Returns:
        The trained run.

    Raises:
        ValueError: If an argument is refused; one line names it, before any training.
        NonFiniteError: If a loss stopped being finite.

    Example:
        >>> run = fit(data="digits", objective="hinge", steps=3, callbacks=())
        >>> run.sample(4).shape
        torch.Size([4, 1, 8, 8])
    """
    chain = resolve(objective)
    chain.required_objective()
    with (
        launch.launched(device) as target,
        rng.isolated(seed),
        devices.precision(precision, target),
    ):
        source = _open(task, data)
        game = (_named_task(task, source) if isinstance(task, str) else task).to(target)
        refused = game.check_compatibility(chain.required_objective())
        if refused is not None:
            raise ValueError(
                f"objective: {registry.snake(type(game).__name__)} cannot use {chain.objective!r}: {refused}"
            )
        chain = game.adapt_objective(chain)
        critics = {n: c.to(target) for n, c in build_critics(game, chain, critic).items()}
        adversaries = {n: Adversary(c, chain, lr=lr, compile=compile) for n, c in critics.items()}
        size = (
            batch_size
            or (source.batch_size if isinstance(source, StreamedDataset) else None)
            or min(64, len(source))
        )
        stream = batches(
            source,
            size,
            seed=seed,
            device=target,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
        )
        config = _config(
            game, chain, batch_size=size, lr=lr, seed=seed, data=source.name, count=len(source)
        )
        if critic is not None:
            config["critics"] = critic_configs(critics)
        average = EMA(cast(float, chain.defaults.over(FALLBACK).ema))
        folder = None if out is None else Path(out)
        theirs: Sequence[Callback] = (Progress(),) if callbacks is None else callbacks
        watchers = [average, *_growing(theirs, game, adversaries), *theirs]
        watchers += [] if folder is None else _writers(folder, config, average, game, source)
        trainer = Trainer(game, adversaries, stream, steps=steps, lr=lr, callbacks=watchers)
        if folder is not None and (folder / checkpoint.NAME).exists():
            _resume(folder, trainer, config)
        trainer.run()
        return Run(game, adversaries, average.module, config, trainer, folder)


def _open(task: str | Task, data: Any) -> Any:
    """The data as the task takes it: by its own door where it has one."""
    cls = _named(task)[0] if isinstance(task, str) else type(task)
    return cls.load_data(data) if isinstance(cls, LoadsData) else load_data(data)


def _named(spec: str) -> tuple[type[Task], Term]:
    terms = parse(spec)
    known = registry.tasks()
    if len(terms) != 1 or terms[0].name not in known:
        raise ValueError(f"task: {registry.unknown('name', spec, sorted(known))}")
    return known[terms[0].name], terms[0]


def _named_task(spec: str, source: Any) -> Task:
    cls, term = _named(spec)
    cls.check_options(term.arguments)
    return cast(Task, cast(Any, cls).from_data(source, **term.arguments))


def _config(task: Task, chain: Chain, **settings: Any) -> dict[str, Any]:
    names = {cls: name for name, cls in registry.tasks().items()}
    return {
        "task": names.get(type(task)),
        "parts": task.config(),
        "objective": repr(chain),
        "settings": settings,
    }


def _growing(
    given: Sequence[Callback], game: Task, adversaries: dict[str, Adversary]
) -> list[Callback]:
    """The course of networks that grow, unless the caller brought one."""
    brought = any(isinstance(callback, ProgressiveGrowing) for callback in given)
    return (
        [ProgressiveGrowing()]
        if not brought and grows(game) and grows(*adversaries.values())
        else []
    )


def _writers(
    folder: Path, config: dict[str, Any], average: EMA, game: Task, source: Any
) -> list[Callback]:
    """What a run's folder brings; the checkpoint last, since it saves what the others know."""
    real = source.x[:PICTURED] if isinstance(source, ArrayDataset) else None
    # Of pairs it is the target that is made, and so drawn.
    shape = getattr(source, "target_shape", source.shape)
    image = len(shape) == 3 and shape[0] in (1, 3)
    pictures: list[Callback] = []
    if isinstance(game, Samples) and (image or len(shape) == 1):
        pictures.append(
            SampleGrid(
                folder, samples=lambda: cast(Any, average.module).sample(PICTURED), real=real
            )
        )
    if isinstance(game, BeforeAfter) and image and getattr(source, "resident", True):
        pictures.append(
            BeforeAfterPlot(folder, columns=lambda: cast(Any, average.module).before_after(source))
        )
    if isinstance(game, Embeds):
        pictures.append(
            Embeddings(folder, points=lambda: cast(Any, average.module).embedding(source))
        )
    if image:
        pictures.append(
            LatentPlots(folder, latent_plots=lambda: latent_plots(average.module, real))
        )
    return [
        *pictures,
        TensorBoard(folder / "tensorboard", pictures=folder),
        Checkpoint(folder, config=config),
    ]


def _resume(folder: Path, trainer: Trainer, config: dict[str, Any]) -> None:
    """Go on from a checkpoint, unless it is of another run."""
    saved = _flat(cast(dict[str, Any], checkpoint.load(folder)["config"]))
    for key, ours in _flat(config).items():
        if ours != saved.get(key):
            raise ValueError(
                f"out: {folder} holds a run with {key}={saved.get(key)!r}, got {ours!r}; choose another folder"
            )
    checkpoint.resume(folder, trainer)


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in config.items() if k != "settings"}, **config["settings"]}
