"""Command line: `fit`, `describe`, `cite`, `list`, `demos`, `sample`, `page`, `lab` and others."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from advlearn import shell_completion, shell_sharing
from advlearn.shell_errors import one_line_errors
from advlearn.shell_words import file_name, key_values, paths, refuse_empty, seeds_of, task_options

app = typer.Typer(
    help="Adversarial learning for PyTorch.", no_args_is_help=True, pretty_exceptions_enable=False
)

OUT = "Folder of the run; default runs/TASK-OBJECTIVE-DATA."


@app.command()
def fit(
    task: Annotated[
        str,
        typer.Argument(
            help="A method or a task, optionally with options: dann, 'generate(latent=16)'.",
            autocompletion=shell_completion.methods,
        ),
    ] = "generate",
    objective: Annotated[
        str | None,
        typer.Option(
            help="A spec, such as 'hinge + r1'.", autocompletion=shell_completion.objectives
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A name or a folder of images; adaptation: 'source->target'; unpaired: 'a <-> b'; "
            "few labels: 'mnist:100'; imitation: demonstrations, such as cartpole.",
            autocompletion=shell_completion.data_names,
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
            autocompletion=shell_completion.games,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the task, key=value; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the whole run.")] = 0,
    seeds: Annotated[
        str | None,
        typer.Option(help="Seeds of several runs, such as 0-15 or 0,3,8; folders OUT/seed-N."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda; imitation: auto is cpu.")
    ] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, tf32 or bf16.")] = "fp32",
    compile: Annotated[bool, typer.Option(help="Compile the losses, penalties included.")] = False,
    capture: Annotated[bool, typer.Option(help="On CUDA, replay steps as CUDA graphs.")] = True,
    accumulate: Annotated[int, typer.Option(help="Parts of a batch, to save memory.")] = 1,
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
    evaluate: Annotated[
        int | None, typer.Option(help="Steps between evaluations on a held-out part of the data.")
    ] = None,
    keep: Annotated[str, typer.Option(help="last, or best: the best model evaluated.")] = "last",
    page: Annotated[
        bool, typer.Option(help="Write run.html, one file that plays the run, at the end.")
    ] = False,
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
    settings |= {"save_every": save_every, "picture_every": picture_every, "evaluate": evaluate}
    settings |= {"keep": None if keep == "last" else keep}
    named = "-".join(part for part in (task, objective, data) if part)
    folder = Path("runs", file_name(named)) if out is None else Path(out)
    with one_line_errors(folder):
        refuse_empty(task=task, objective=objective, data=data, out=out, env=env, game=game)
        imitation = catalogue.request(task).method.task == catalogue.IMITATION
        if _given(imitation_options) and not imitation:
            names = ", ".join(_given(imitation_options))
            raise ValueError(f"{names}: only for methods of imitation, got {task!r}")
        from advlearn.fitting import fit as call

        options = {**_given(settings), **_given(imitation_options), **task_options(set_ or [])}
        run: Any = call(
            task,
            objective,
            data,
            seed=seed,
            seeds=None if seeds is None else seeds_of(seeds),
            device=device,
            precision=cast(Any, precision),
            compile=compile,
            capture=capture,
            accumulate=accumulate,
            out=folder,
            resume_with=key_values(resume_with, "resume-with") if resume_with else None,
            warm_start=warm_start,
            page=page,
            **options,
        )
        for own in run if isinstance(run, list) else [run]:
            _report(own, data, own.out if isinstance(run, list) else folder)


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
    name: Annotated[
        str, typer.Argument(help="A name or a spec.", autocompletion=shell_completion.names)
    ],
) -> None:
    """Describe a method, task, objective, network, data set, metric or environment."""
    from advlearn.description import describe as call

    with one_line_errors(None):
        typer.echo(call(name))


@app.command()
def cite(
    name: Annotated[
        str,
        typer.Argument(
            help="A name, a spec, or the folder of a run.", autocompletion=shell_completion.names
        ),
    ],
) -> None:
    """Print the papers of a method, a spec or a run as BibTeX entries."""
    from advlearn.citation import cite as call

    with one_line_errors(None):
        typer.echo(call(name))


@app.command(name="list")
def list_(
    for_: Annotated[
        str | None,
        typer.Option(
            "--for", help="Only methods of this field.", autocompletion=shell_completion.fields
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="Only names of this kind.", autocompletion=shell_completion.kinds),
    ] = None,
) -> None:
    """List every name with one line: methods by field, tasks, objectives, networks, data."""
    from advlearn.listing import listing

    with one_line_errors(None):
        typer.echo(listing(for_, kind))


@app.command()
def demos(
    path: Annotated[
        str,
        typer.Argument(
            help="A file, minari:ID, hf:NAME or a name.", metavar="FILE", autocompletion=paths
        ),
    ],
) -> None:
    """Describe demonstrations: episodes, ends, ranges of observations and actions."""
    with one_line_errors(None):
        refuse_empty(path=path)
        try:
            from advlearn.imitation import inspect_demonstrations, load_demonstrations
        except ImportError as error:
            raise ImportError(
                f'demos: imitation needs further packages: pip install "advlearn[rl]" ({error})'
            ) from None
        typer.echo(inspect_demonstrations(load_demonstrations(path)))


@app.command()
def sample(
    path: Annotated[
        str,
        typer.Argument(help="A run's folder or file.", metavar="PATH", autocompletion=paths),
    ],
    n: Annotated[int, typer.Option(help="Number of samples.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    class_: Annotated[
        list[str] | None,
        typer.Option("--class", help="A class by name or number; repeatable; default: all."),
    ] = None,
    truncation: Annotated[
        float | None,
        typer.Option(help="Truncation level: lower is less diverse; default: none."),
    ] = None,
    picture: Annotated[
        str, typer.Option(help="PNG file to write.", metavar="PATH", autocompletion=paths)
    ] = "samples.png",
    out: Annotated[
        str | None,
        typer.Option(
            help="Instead of one picture: a folder of PNG files, or a file that ends in .npz.",
            metavar="PATH",
            autocompletion=paths,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
) -> None:
    """Draw samples from a saved run, by class and truncation, and write them to files."""
    from advlearn.plots.drawn_samples import draw
    from advlearn.run import load

    with one_line_errors(None):
        refuse_empty(path=path, picture=picture, out=out)
        drawn = draw(load(path, device=device), n, seed, class_ or (), truncation)
        written = drawn.write_picture(picture) if out is None else drawn.write(out)
        typer.echo(f"{n} samples: {written}")


@app.command()
def lab(port: int = 0, browser: bool = True) -> None:
    """Train small games in the browser; port 0 takes a free one. It needs the extra `lab`."""
    from advlearn.lab.serving import serve

    with one_line_errors(None):
        serve(port, browser=browser)


shell_sharing.add_to(app)
