"""Command line: `fit`, `describe`, `cite`, `list`, `sample` and `lab` from a shell."""

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from advlearn.shell_words import file_name, key_values, paths, refuse_empty

app = typer.Typer(
    help="Adversarial learning for PyTorch.", no_args_is_help=True, pretty_exceptions_enable=False
)


OUT = "Folder of the run; default runs/TASK-OBJECTIVE-DATA."


def _names(incomplete: str) -> list[str]:
    """Complete the names that `describe` accepts."""
    from advlearn import kinds

    names = {spelling for item in kinds.items() for spelling in (item.name, *item.aliases)}
    return sorted(name for name in names if name.startswith(incomplete))


def _objectives(incomplete: str) -> list[str]:
    """Complete the names of objectives and regularizers."""
    from advlearn import kinds

    items = (item for item in kinds.items() if item.kind in ("objective", "regularizer"))
    names = {spelling for item in items for spelling in (item.name, *item.aliases)}
    return sorted(name for name in names if name.startswith(incomplete))


def _methods(incomplete: str) -> list[str]:
    """Complete the names of methods and tasks."""
    from advlearn import kinds

    items = (item for item in kinds.items() if item.kind in ("method", "task"))
    names = {spelling for item in items for spelling in (item.name, *item.aliases)}
    return sorted(name for name in names if name.startswith(incomplete))


def _games(incomplete: str) -> list[str]:
    """Complete the names of games."""
    from advlearn.core import registry

    return [name for name in registry.games() if name.startswith(incomplete)]


def _fields(incomplete: str) -> list[str]:
    """Complete the fields of methods."""
    from advlearn import catalogue

    names = (name.replace("_", "-") for name in catalogue.fields())
    return [name for name in names if name.startswith(incomplete)]


def _kinds(incomplete: str) -> list[str]:
    """Complete the kinds of names."""
    from advlearn import kinds

    return [kind for kind in kinds.KINDS if kind.startswith(incomplete)]


def _data_names(incomplete: str) -> list[str]:
    """Complete the names of data sets."""
    from advlearn.data import names

    return [name for name in names() if name.startswith(incomplete)]


@app.command()
def fit(
    task: Annotated[
        str,
        typer.Argument(
            help="A method or a task, optionally with options: dann, 'generate(latent=16)'.",
            autocompletion=_methods,
        ),
    ] = "generate",
    objective: Annotated[
        str | None,
        typer.Option(help="A spec, such as 'hinge + r1'.", autocompletion=_objectives),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A name or a folder of images; adaptation: 'source->target'; unpaired: 'a <-> b'; "
            "few labels: 'mnist:100'; imitation: demonstrations, such as cartpole.",
            autocompletion=_data_names,
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of the learner; imitation: of the environment.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples in a batch.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    critic_lr: Annotated[float | None, typer.Option(help="Learning rate of the critics.")] = None,
    critic_steps: Annotated[
        int | None, typer.Option(help="Critic steps for each step of the learner.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam, rmsprop or sgd.")] = None,
    adversarial_weight: Annotated[
        float | None, typer.Option(help="Weight of the adversaries in the learner's loss.")
    ] = None,
    game: Annotated[
        str | None,
        typer.Option(
            help="Move critics and learner together: extragradient, optimistic, 'lookahead(k=5)'.",
            autocompletion=_games,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the task, key=value; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the whole run.")] = 0,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda; imitation: auto is cpu.")
    ] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, tf32 or bf16.")] = "fp32",
    compile: Annotated[bool, typer.Option(help="Compile the losses, penalties included.")] = False,
    capture: Annotated[bool, typer.Option(help="On CUDA, replay steps as CUDA graphs.")] = True,
    out: Annotated[str | None, typer.Option(help=OUT, metavar="PATH", autocompletion=paths)] = None,
    resume_with: Annotated[
        list[str] | None,
        typer.Option(help="New lr, critic_lr, batch_size or steps of a resumed run, key=value."),
    ] = None,
    warm_start: Annotated[
        Path | None, typer.Option(help="Folder of another run; a new run starts from its weights.")
    ] = None,
    save_every: Annotated[
        int | None,
        typer.Option(help="Steps between checkpoints; imitation: of each environment."),
    ] = None,
    picture_every: Annotated[int | None, typer.Option(help="Steps between pictures.")] = None,
    env: Annotated[
        str | None,
        typer.Option(help="imitation: environment id; default: that of the demonstrations."),
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option(help="imitation: ppo, a2c, trpo, sac, td3, dqn or tqc; default ppo."),
    ] = None,
    critic_inputs: Annotated[
        str | None,
        typer.Option(help="imitation: state-action, state, state-next or state-action-next."),
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(
            help="imitation: own, positive, log, logit, fairl or clipped; default: the method's."
        ),
    ] = None,
    absorbing: Annotated[
        bool, typer.Option(help="imitation: continue ended episodes in an absorbing state.")
    ] = False,
    expert_subsample: Annotated[
        int | None, typer.Option(help="imitation: keep every n-th transition of each episode.")
    ] = None,
    critic_every: Annotated[
        int | None,
        typer.Option(help="imitation, off-policy: environment steps between critic updates."),
    ] = None,
    critic_replay_size: Annotated[
        int | None,
        typer.Option(
            help="imitation: the policy's newest transitions that the critic learns from."
        ),
    ] = None,
    ent_coef: Annotated[
        float | None, typer.Option(help="imitation: weight of the policy's entropy.")
    ] = None,
    bc_steps: Annotated[
        int | None, typer.Option(help="imitation: initial steps of behaviour cloning.")
    ] = None,
) -> None:
    """Train a method or a task. The same command with the same folder resumes a stopped run."""
    from advlearn import catalogue

    imitation_options = {
        "env": env,
        "algorithm": algorithm,
        "critic_inputs": critic_inputs,
        "reward": reward,
        "absorbing": absorbing or None,
        "expert_subsample": expert_subsample,
        "critic_every": critic_every,
        "critic_replay_size": critic_replay_size,
        "ent_coef": ent_coef,
        "bc_steps": bc_steps,
    }
    settings = {"steps": steps, "batch_size": batch_size, "lr": lr, "critic_lr": critic_lr}
    settings |= {"critic_steps": critic_steps, "optimizer": optimizer}
    settings |= {"adversarial_weight": adversarial_weight, "game": game}
    settings |= {"save_every": save_every, "picture_every": picture_every}
    named = "-".join(part for part in (task, objective, data) if part)
    folder = Path("runs", file_name(named)) if out is None else Path(out)
    with _one_line_errors(folder):
        refuse_empty(task=task, objective=objective, data=data, out=out, env=env, game=game)
        imitation = catalogue.request(task).method.task == catalogue.IMITATION
        if _given(imitation_options) and not imitation:
            names = ", ".join(_given(imitation_options))
            raise ValueError(f"{names}: only for methods of imitation, got {task!r}")
        from advlearn.fitting import fit as call

        options = {**_given(settings), **_given(imitation_options), **key_values(set_ or [])}
        run: Any = call(
            task,
            objective,
            data,
            seed=seed,
            device=device,
            precision=cast(Any, precision),
            compile=compile,
            capture=capture,
            out=folder,
            resume_with=key_values(resume_with, "resume-with") if resume_with else None,
            warm_start=warm_start,
            **options,
        )
        _report(run, data, folder)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are not None; the others take the method's defaults."""
    return {name: value for name, value in options.items() if value is not None}


def _report(run: Any, data: str | None, folder: Path) -> None:
    """Print the measurements of a run."""
    from advlearn.report import report
    from advlearn.run import Run

    if isinstance(run, Run):
        report(run, run.config["settings"]["data"] if data is None else data)
        return
    from advlearn.imitation import report as report_of_imitation

    report_of_imitation(run, folder)


@app.command()
def describe(
    name: Annotated[str, typer.Argument(help="A name or a spec.", autocompletion=_names)],
) -> None:
    """Describe a method, task, objective, network, data set, metric or environment."""
    from advlearn.description import describe as call

    with _one_line_errors(None):
        typer.echo(call(name))


@app.command()
def cite(
    name: Annotated[str, typer.Argument(help="A name or a spec.", autocompletion=_names)],
) -> None:
    """Print the papers of a method or a spec as BibTeX entries."""
    from advlearn.description import cite as call

    with _one_line_errors(None):
        typer.echo(call(name))


@app.command(name="list")
def list_(
    for_: Annotated[
        str | None,
        typer.Option("--for", help="Only methods of this field.", autocompletion=_fields),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only names of this kind.", autocompletion=_kinds)
    ] = None,
) -> None:
    """List every name with one line: methods by field, tasks, objectives, networks, data."""
    from advlearn.listing import listing

    with _one_line_errors(None):
        typer.echo(listing(for_, kind))


@app.command()
def sample(
    path: Annotated[
        str,
        typer.Argument(help="A run's folder or file.", metavar="PATH", autocompletion=paths),
    ],
    n: Annotated[int, typer.Option(help="Number of samples.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    picture: Annotated[
        str, typer.Option(help="PNG file to write.", metavar="PATH", autocompletion=paths)
    ] = "samples.png",
) -> None:
    """Draw samples from a saved run and write them to an image."""
    from advlearn.run import load
    from advlearn.training.samples import save_image_grid

    with _one_line_errors(None):
        refuse_empty(path=path, picture=picture)
        save_image_grid(load(path).sample(n, seed=seed), picture)
        typer.echo(f"{n} samples: {picture}")


@app.command()
def lab(port: int = 0, browser: bool = True) -> None:
    """Train small games in the browser; port 0 takes a free one. Install advlearn[lab]."""
    from advlearn.lab.serving import serve

    with _one_line_errors(None):
        serve(port, browser=browser)


class _one_line_errors:
    """Print user errors as one line, and on Ctrl-C explain how to resume."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            saved = self.folder is not None and (self.folder / "checkpoint.pt").exists()
            hint = (
                f"; the same command resumes from {self.folder}"
                if saved
                else " before the first checkpoint"
            )
            typer.echo(f"stopped{hint}", err=True)
            sys.exit(130)
        if isinstance(error, _user_errors()):
            typer.echo(
                f"advlearn: {' '.join(str(error).split()) or type(error).__name__}", err=True
            )
            sys.exit(1)


def _user_errors() -> tuple[type[BaseException], ...]:
    """Return the errors that a user can fix: arguments, files, missing packages, environments."""
    from advlearn.core.finite import NonFiniteError

    kinds = (ValueError, TypeError, OSError, ImportError, AssertionError, NonFiniteError)
    # An error of an environment implies that gymnasium has been imported.
    gymnasium: Any = sys.modules.get("gymnasium")
    return kinds if gymnasium is None else (*kinds, gymnasium.error.Error)
