"""Catalogue of methods: rows by name, their tasks, objectives and papers.

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
    """The parsed first argument of `fit`.

    Args:
        method: The row of the method; the default row if only a task is named.
        options: Options of the task: those of the row, then those in the string.
        terms: Spec of the regularizers added with ``+``; empty for none.
    """

    method: Method
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    terms: str = ""

    def chain(self, objective: Spec | None = None) -> Chain:
        """Build the objective with its regularizers and the defaults of the method.

        Args:
            objective: Replaces the method's objective; None keeps it.

        Raises:
            ValueError: If a name is unknown, or is the name of a method.
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
    modules, _ = plugins.files(registry.METHODS)
    rows = {file.__name__.rpartition(".")[2]: tuple[Method, ...](file.METHODS) for file in modules}
    spellings = [s for group in rows.values() for row in group for s in (row.name, *row.aliases)]
    repeated = sorted({s for s in spellings if spellings.count(s) > 1})
    if repeated:
        raise ValueError(f"methods: expected one row for each name, got two for {repeated[0]!r}")
    return rows


def methods() -> dict[str, Method]:
    """Return every method by name, including registered ones.

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

    Case is ignored; hyphens and underscores are ignored unless two names differ only in them.
    """
    rows = methods().values()
    lowered = name.strip().lower()
    for row in rows:
        if lowered in (row.name.lower(), *(alias.lower() for alias in row.aliases)):
            return row
    matches = [r for r in rows if naming.key(lowered) in map(naming.key, (r.name, *r.aliases))]
    return matches[0] if len(matches) == 1 else None


def default_method(task: str) -> Method:
    """Return the first row of a task, or a row with nsgan for a task without rows."""
    rows = (row for row in methods().values() if row.task == task)
    default = Method(task, task=task, objective="nsgan", summary="")
    return next(rows, default)


def request(text: str, objective: Spec | None = None) -> Request:
    """Read the first argument of `fit`.

    Args:
        text: A method or a task, with options in brackets and regularizers after ``+``:
            ``"dann"``, ``"cdan+e(adversarial_weight=0.5)"``, ``"wgan-gp + r1"``.
        objective: Replaces the method's objective. With it, a task named without a method does not
            take the options of its default row.

    Returns:
        The row, the options and the added terms.

    Raises:
        ValueError: If the name is unknown; the message suggests near names of every kind.

    Example:
        >>> parsed = request("cdan+e(adversarial_weight=0.5) + r1")
        >>> parsed.method.name, parsed.options["adversarial_weight"], parsed.terms
        ('cdan+e', 0.5, 'r1')
    """
    try:
        pieces = split_terms(text)
        # The longest name first: both "cdan+e" and "cdan" are methods.
        for n in range(len(pieces), 0, -1):
            head, bracket, inside = "+".join(pieces[:n]).strip().partition("(")
            method = find(head)
            row = method or _row_of_task(head)
            brackets = parse(f"options({inside}") if bracket else []
            if row is not None and len(brackets) < 2:
                given = brackets[0].arguments if brackets else {}
                terms = " + ".join(piece.strip() for piece in pieces[n:])
                keep = method is not None or objective is None
                return Request(row, {**(row.options if keep else {}), **given}, terms)
    except ValueError as error:
        raise ValueError(str(error).replace("objective: ", "task: ", 1)) from None
    head = pieces[0].partition("(")[0].strip()
    if registry.canonical("objective", head).lower() in registry.entries():
        raise ValueError(
            f"task: expected a task or a method, got the objective {head!r}; "
            f"use fit('generate', objective={text.strip()!r})"
        )
    head = text.partition("(")[0].strip()
    raise ValueError(f"task: {unknown(head, [*methods(), *task_names()])}")


def _row_of_task(name: str) -> Method | None:
    known = {naming.key(task): task for task in task_names()}
    task = known.get(naming.key(registry.canonical("task", name.strip())))
    return None if task is None else default_method(task)


def task_names() -> list[str]:
    """Return the names of all tasks, imitation included."""
    return [*registry.tasks(), IMITATION]


def unknown(name: str, known: list[str]) -> str:
    """Return the message for an unknown name, with at most five near names.

    Args:
        name: The unknown name.
        known: The names that exist.
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
        ValueError: If an option is unknown or refused; the message names it.
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
    """Raise a ValueError unless the method's task has all of the options.

    Args:
        method: The row.
        options: The options by name.
        others: Keywords that are not options of the task; the message may suggest one.

    Raises:
        ValueError: If an option is unknown; the message names the first one.
    """
    known = [*task_options(method.task), *method.options]
    objective = parse(method.objective)[0].name
    objective_keywords = keywords(registry.lookup(objective).make)
    for name, value in options.items():
        if name in known:
            continue
        hint = near(name, [*known, *others])
        if name in objective_keywords:
            hint = f'write objective="{objective}({name}={value!r})"'
        raise ValueError(f"{name}: {method.task} has no such option; {hint}")


def near(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """Return a hint: the options that resemble a misspelled one, or all options."""
    return naming.suggestion(name, known, otherwise=f"options: {', '.join(known) or 'none'}")


def paper_of(method: Method) -> Reference | None:
    """Return the paper of a method; that of its objective where the row gives none."""
    if method.paper is not None:
        return method.paper
    return registry.lookup(parse(method.objective)[0].name).reference
