"""The command line: the same calls, from a shell."""

import inspect
import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

# Named here too, since completion must not import stable-baselines3.
_METHODS = ("gail", "vail", "airl", "vairl", "wail", "fairl", "amp", "gmmil", "otil")

app = typer.Typer(
    help="Adversarial learning for PyTorch.", no_args_is_help=True, pretty_exceptions_enable=False
)


def _names(incomplete: str) -> list[str]:
    """Completion of objective names, methods of imitation included."""
    from advlearn.core import registry

    names = {*_METHODS, *(e.name for e in registry.entries().values())}
    return sorted(name for name in names if name.startswith(incomplete))


def _tasks(incomplete: str) -> list[str]:
    """Completion of task names."""
    from advlearn.core import registry

    return [name for name in (*registry.tasks(), "imitate") if name.startswith(incomplete)]


def _data_names(incomplete: str) -> list[str]:
    """Completion of data names."""
    from advlearn.data import names

    return [name for name in names() if name.startswith(incomplete)]


@app.command()
def fit(
    task: Annotated[
        str,
        typer.Argument(
            help="A task, with keywords if you like: 'generate(conditional=True)'.",
            autocompletion=_tasks,
        ),
    ] = "generate",
    objective: Annotated[
        str | None,
        typer.Option(
            help="A spec; see `advlearn list`. Default nsgan; imitate: gail + r1(weight=1).",
            autocompletion=_names,
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            help="A name or a folder of images; adapt: 'mnist->usps'; classify: 'mnist:100'; debias: 'adult'.",
            autocompletion=_data_names,
        ),
    ] = "digits",
    steps: Annotated[int, typer.Option(help="Player steps.")] = 5000,
    batch_size: Annotated[int | None, typer.Option(help="Samples in a batch.")] = None,
    lr: Annotated[
        float | None, typer.Option(help="Adam's learning rate; default: the objective's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Controls the whole run.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda; imitate: auto is cpu.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32, tf32 or bf16.")] = "fp32",
    compile: Annotated[bool, typer.Option(help="Compile the losses, penalties included.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; default runs/TASK-OBJECTIVE-DATA.")
    ] = None,
    demos: Annotated[
        str | None,
        typer.Option(help="imitate: an npz file, a name such as 'cartpole', minari:ID or hf:NAME."),
    ] = None,
    env: Annotated[
        str | None, typer.Option(help="imitate: environment id; default: the demonstrations'.")
    ] = None,
    algorithm: Annotated[
        str | None, typer.Option(help="imitate: ppo, a2c, trpo, sac, td3, dqn or tqc; default ppo.")
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(help="imitate: state-action, state, state-next or state-action-next."),
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(
            help="imitate: own, positive, log, logit, fairl or clipped; default: the method's."
        ),
    ] = None,
    absorbing: Annotated[
        bool, typer.Option(help="imitate: ended episodes go on in an absorbing state.")
    ] = False,
    every: Annotated[
        int | None, typer.Option(help="imitate: keep every so-manieth pair of an episode.")
    ] = None,
    updates: Annotated[
        int | None,
        typer.Option(
            help="imitate: critic steps a rollout; off-policy, steps between two of them."
        ),
    ] = None,
    critic_replay_size: Annotated[
        int | None,
        typer.Option(help="imitate: the policy's newest transitions that the critic learns from."),
    ] = None,
    ent_coef: Annotated[
        float | None, typer.Option(help="imitate: weight of the policy's entropy.")
    ] = None,
    bc_steps: Annotated[
        int | None, typer.Option(help="imitate: steps of behaviour cloning to begin with.")
    ] = None,
) -> None:
    """Train. The same command with the same folder goes on where a run was stopped."""
    theirs = {
        "demos": demos,
        "env": env,
        "algorithm": algorithm,
        "critic_inputs": inputs,
        "reward": reward,
    }
    theirs |= {
        "absorbing": absorbing or None,
        "expert_subsample": every,
        "updates": updates,
        "critic_replay_size": critic_replay_size,
    }
    theirs |= {"ent_coef": ent_coef, "bc_steps": bc_steps}
    if task == "imitate":
        shared = {
            "batch_size": batch_size,
            "lr": lr,
            "device": None if device == "auto" else device,
        }
        others = {
            "data": None if data == "digits" else data,
            "precision": None if precision == "fp32" else precision,
        }
        others |= {"compile": compile or None}
        _imitate(
            objective,
            out,
            {"steps": steps, "seed": seed, **_typed(shared | theirs)},
            _typed(others),
        )
        return
    from advlearn.fitting import fit as call
    from advlearn.report import report

    objective = objective or "nsgan"
    folder = out if out is not None else Path("runs") / _file_name(f"{task}-{objective}-{data}")
    with _one_line_errors(folder):
        if _typed(theirs):
            raise ValueError(
                f"{', '.join(_typed(theirs))}: for the task imitate alone, got {task!r}"
            )
        run = call(
            task,
            objective,
            data,
            steps=steps,
            batch_size=batch_size,
            lr=lr,
            seed=seed,
            device=device,
            precision=cast(Any, precision),
            compile=compile,
            out=folder,
        )
        report(run, data)


def _typed(options: dict[str, Any]) -> dict[str, Any]:
    """Without what was not typed: that is the function's own default."""
    return {name: value for name, value in options.items() if value is not None}


def _imitate(
    objective: str | None, out: Path | None, typed: dict[str, Any], others: dict[str, Any]
) -> None:
    demos = typed.pop("demos", None)
    said = [objective] if objective else []
    folder = out or Path("runs") / _file_name(
        "-".join(["imitate", *said, typed.get("env") or Path(demos or "").stem])
    )
    with _one_line_errors(folder):
        if others:
            raise ValueError(f"{', '.join(others)}: not for the task imitate, whose data are demos")
        if demos is None:
            raise ValueError(
                "demos: expected an npz file, a name, minari:ID or hf:NAME for the task imitate, got None"
            )
        try:
            from advlearn.imitation import imitate, report
        except ImportError as error:
            raise ImportError(
                f'task: imitate needs more: pip install "advlearn[rl]" ({error})'
            ) from None

        run = imitate(demos, *said, out=folder, **typed)
        report(run, folder)


@app.command()
def describe(
    objective: Annotated[str, typer.Argument(help="A spec.", autocompletion=_names)],
) -> None:
    """Print what a spec or a method of imitation stands for: expansion, formula, reference, defaults."""
    from advlearn.core.grammar import describe as call
    from advlearn.core.naming import UnknownNameError

    with _one_line_errors(None):
        try:
            said = call(objective)
        except UnknownNameError as error:
            try:
                from advlearn.imitation.specification import specify
            except ImportError:
                raise error from None
            asked = specify(objective)
            said = f"{objective} = {asked.chain!r}\nReward: {asked.reward}"
        typer.echo(said)


@app.command(name="list")
def list_() -> None:
    """List tasks, networks, objectives, regularizers, aliases, what imitation adds, and data sets."""
    from rich.console import Console
    from rich.table import Table

    from advlearn.core import registry
    from advlearn.data import names
    from advlearn.nets import architectures

    table = Table("kind", "name", "what, or where it is from")
    for name, task in registry.tasks().items():
        table.add_row("task", name, _first_line(task))
    for name, architecture in architectures().items():
        table.add_row("nets", name, architecture.summary)
    for entry in sorted(registry.entries().values(), key=lambda e: (e.kind, e.name)):
        table.add_row(entry.kind, entry.name, f"{entry.reference}")
    for row in _of_imitation():
        table.add_row(*row)
    for name in names():
        table.add_row("data", name, "")
    Console().print(table)


def _of_imitation() -> list[tuple[str, str, str]]:
    """Rows of the task imitate, its methods and its forms of the reward."""
    try:
        from advlearn.imitation import REWARD_SHAPES, imitate
        from advlearn.imitation import methods as rows
    except ImportError:
        return [("task", "imitate", 'needs more: pip install "advlearn[rl]"')]
    methods = [
        ("method", n, f"{p.authors}, {p.equation}") for n, m in rows().items() if (p := m.paper)
    ]
    return [
        ("task", "imitate", _first_line(imitate)),
        *methods,
        *(("reward", k, _first_line(f)) for k, f in REWARD_SHAPES.items()),
    ]


def _first_line(described: object) -> str:
    return (inspect.getdoc(described) or "").partition("\n")[0]


@app.command()
def sample(
    path: Annotated[Path, typer.Argument(help="A run's folder or file.")],
    n: Annotated[int, typer.Option(help="How many.")] = 64,
    seed: Annotated[int, typer.Option(help="Seeds the draw.")] = 0,
    picture: Annotated[Path, typer.Option(help="The PNG to write.")] = Path("samples.png"),
) -> None:
    """Draw samples of a saved run into a picture."""
    from advlearn.run import load
    from advlearn.training.samples import save_image_grid

    with _one_line_errors(None):
        save_image_grid(load(path).sample(n, seed=seed), picture)
        typer.echo(f"{n} samples: {picture}")


class _one_line_errors:
    """Turn what a user can mend into one line, and Ctrl-C into the way to go on."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            kept = self.folder is not None and (self.folder / "checkpoint.pt").exists()
            way = (
                f"; the same command goes on from {self.folder}"
                if kept
                else " before the first checkpoint"
            )
            typer.echo(f"stopped{way}", err=True)
            sys.exit(130)
        if isinstance(error, _mendable()):
            typer.echo(
                f"advlearn: {' '.join(str(error).split()) or type(error).__name__}", err=True
            )
            sys.exit(1)


def _mendable() -> tuple[type[BaseException], ...]:
    """What a user can mend: an argument, a file, a missing package, what gymnasium or stable-baselines3 refuses."""
    from advlearn.core.finite import NonFiniteError

    kinds = (ValueError, TypeError, OSError, ImportError, AssertionError, NonFiniteError)
    gymnasium: Any = sys.modules.get("gymnasium")  # whoever has made an environment has imported it
    return kinds if gymnasium is None else (*kinds, gymnasium.error.Error)


def _file_name(text: str) -> str:
    """The text with everything but letters, digits and dots as single hyphens."""
    import re

    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
