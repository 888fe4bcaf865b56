"""The catalogue of methods: rows by name, their tasks, objectives and papers.

A file in ``advlearn/methods`` with a tuple ``METHODS`` is found; there is no list to edit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast, final

from advlearn.core import naming, plugins, registry
from advlearn.core.chain import Chain
from advlearn.core.configuration import Option
from advlearn.core.described import Reference, keywords
from advlearn.core.grammar import Spec, parse, resolve, split_terms
from advlearn.core.method import Method
from advlearn.core.task import Task

IMITATION = "imitation"
"""Name of the task that learns a policy; it is trained by `advlearn.imitation.imitate`."""


@final
@dataclass(frozen=True, slots=True)
class Request:
    """What the first argument of `fit` asks for.

    Args:
        method: The row; the default row of a task that is named without a method.
        options: Options of the task: those of the row, then those in the string.
        terms: Spec of the regularizers added with ``+``; empty for none.
    """

    method: Method
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    terms: str = ""

    def chain(self, objective: Spec | None = None) -> Chain:
        """Build the objective with its regularizers and the defaults of the method.

        Args:
            objective: Takes the place of the method's objective; None keeps it.

        Raises:
            ValueError: If a name is unknown; the line says where it is the name of a method.
        """
        try:
            chain = resolve(self.method.objective if objective is None else objective)
            added = resolve(self.terms) if self.terms else Chain()
        except naming.UnknownNameError as error:
            row = find(error.name)
            if row is None:
                raise
            raise ValueError(
                f"objective: expected an objective, got {error.name!r}, a method of {row.task}; "
                f"use fit({error.name!r})"
            ) from None
        return replace(chain + added, defaults=self.method.defaults.over(chain.defaults))


@cache
def fields() -> dict[str, tuple[Method, ...]]:
    """Return the rows of each field, by the name of the field's file.

    Raises:
        ValueError: If two rows have the same name.
    """
    found, _ = plugins.files(registry.METHODS)
    rows = {file.__name__.rpartition(".")[2]: tuple[Method, ...](file.METHODS) for file in found}
    spellings = [s for group in rows.values() for row in group for s in (row.name, *row.aliases)]
    twice = sorted({s for s in spellings if spellings.count(s) > 1})
    if twice:
        raise ValueError(f"methods: expected one row for each name, got two for {twice[0]!r}")
    return rows


def methods() -> dict[str, Method]:
    """Return every method by its name, those registered from outside included.

    Example:
        >>> methods()["cdan+e"].task
        'domain_adaptation'
    """
    fields()  # refuses two rows with one name
    return registry.methods()


def field_of(method: Method) -> str:
    """Return the field of a method: the name of its file, or its task for a registered one."""
    return next((name for name, rows in fields().items() if method in rows), method.task)


def find(name: str) -> Method | None:
    """Return the method with a name or alias, or None.

    Case does not count; hyphens and underscores count only where two names differ in nothing else.
    """
    rows = methods().values()
    spelled = name.strip().lower()
    for row in rows:
        if spelled in (row.name.lower(), *(alias.lower() for alias in row.aliases)):
            return row
    alike = [r for r in rows if naming.key(spelled) in map(naming.key, (r.name, *r.aliases))]
    return alike[0] if len(alike) == 1 else None


def default_method(task: str) -> Method:
    """Return the first row of a task, or a row of nsgan for a task without rows."""
    rows = (row for row in methods().values() if row.task == task)
    plain = Method(task, task=task, objective="nsgan", summary="")
    return next(rows, plain)


def request(text: str, objective: Spec | None = None) -> Request:
    """Read the first argument of `fit`.

    Args:
        text: A method or a task, with options in brackets and regularizers after ``+``:
            ``"dann"``, ``"cdan+e(adversarial_weight=0.5)"``, ``"wgan-gp + r1"``.
        objective: The objective that takes the place of the method's; with one, a task named
            without a method keeps the task's own options.

    Returns:
        The row, the options and the added terms.

    Raises:
        ValueError: If the name is unknown; the line suggests near ones of every kind.

    Example:
        >>> asked = request("cdan+e(adversarial_weight=0.5) + r1")
        >>> asked.method.name, asked.options["adversarial_weight"], asked.terms
        ('cdan+e', 0.5, 'r1')
    """
    try:
        pieces = split_terms(text)
        # The longest name first: "cdan+e" is a method, and so is "cdan".
        for n in range(len(pieces), 0, -1):
            head, bracket, inside = "+".join(pieces[:n]).strip().partition("(")
            named = find(head)
            row = named or _row_of_task(head)
            brackets = parse(f"options({inside}") if bracket else []
            if row is not None and len(brackets) < 2:
                given = brackets[0].arguments if brackets else {}
                terms = " + ".join(piece.strip() for piece in pieces[n:])
                own = row.options if named is not None or objective is None else {}
                return Request(row, {**own, **given}, terms)
    except ValueError as error:
        raise ValueError(str(error).replace("objective: ", "task: ", 1)) from None
    head = text.partition("(")[0].strip()
    if registry.canonical("objective", head).lower() in registry.entries():
        raise ValueError(
            f"task: expected a task or a method, got the objective {head!r}; "
            f"use fit('generate', objective={head!r})"
        )
    raise ValueError(f"task: {unknown(head, [*methods(), *task_names()])}")


def _row_of_task(name: str) -> Method | None:
    known = {naming.key(task): task for task in task_names()}
    task = known.get(naming.key(registry.canonical("task", name.strip())))
    return None if task is None else default_method(task)


def task_names() -> list[str]:
    """Return the names of all tasks, imitation included."""
    return [*registry.tasks(), IMITATION]


def unknown(name: str, known: list[str]) -> str:
    """Write the message for an unknown name: at most five near ones.

    Args:
        name: The name that was given.
        known: The names it could have been.
    """
    hint = naming.suggestion(name.lower(), known, otherwise="see `advlearn list`", count=5)
    return f"unknown name {name!r}; {hint}"


def task_options(task: str) -> dict[str, Option]:
    """Return the options of a task: the keywords with which it is built from data."""
    cls = cast(Any, registry.tasks()[task])
    return cls.options()


def build_task(method: Method, options: Mapping[str, Any], data: Any) -> Task:
    """Build the task of a method with networks sized from the data.

    Args:
        method: The row.
        options: Options of the task, those of the row included.
        data: Data that the task's `load_data` returned.

    Raises:
        ValueError: If an option is unknown or refused; the line names it.
    """
    try:
        return cast(Task, cast(Any, registry.tasks()[method.task]).from_data(data, **options))
    except ValueError as error:
        if "architecture" in method.options and str(error).startswith("architecture:"):
            raise ValueError(
                f"{error}; architecture=None chooses networks by the data's shape"
            ) from None
        raise


def check_options(method: Method, options: Mapping[str, Any], others: list[str]) -> None:
    """Raise one line unless all options are options of the method's task.

    Args:
        method: The row.
        options: The options by name.
        others: Names that are not options and are suggested for a misspelled one.

    Raises:
        ValueError: The first unknown option.
    """
    known = [*task_options(method.task), *method.options]
    objective = parse(method.objective)[0].name
    of_objective = keywords(registry.lookup(objective).make)
    for name, value in options.items():
        if name in known:
            continue
        hint = near(name, [*known, *others])
        if name in of_objective:
            hint = f'write objective="{objective}({name}={value!r})"'
        raise ValueError(f"{name}: {method.task} has no such option; {hint}")


def near(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """Write which options a misspelled one could be."""
    return naming.suggestion(name, known, otherwise=f"options: {', '.join(known) or 'none'}")


def paper_of(method: Method) -> Reference | None:
    """Return the paper of a method; that of its objective where the row gives none."""
    if method.paper is not None:
        return method.paper
    return registry.lookup(parse(method.objective)[0].name).reference
