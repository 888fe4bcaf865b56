"""Describe and cite methods, tasks, objectives, networks, data sets and metrics."""

import inspect
import re
import textwrap
from typing import Any, cast

from advlearn import catalogue, kinds
from advlearn.core import grammar, naming
from advlearn.core.arguments import checked
from advlearn.core.chain import FALLBACK
from advlearn.core.grammar import Spec
from advlearn.core.method import Method
from advlearn.kinds import Item
from advlearn.terminal_math import plain

WIDTH = 98
SAMPLES = "a folder of images (a subfolder for each class, if any), x, or (x, y)"
# What `fit(data=...)` takes for each task.
YOUR_DATA = {
    "generate": SAMPLES,
    "ac_gan": SAMPLES,
    "disentangle": SAMPLES,
    "laplacian_pyramid": SAMPLES,
    "representation": SAMPLES,
    "domain_adaptation": "'my/source->my/target' (folders of images), or ((x, y), x_target)",
    "fairness": "(x, y, {'sex': sex})",
    "semi_supervised": "'my/folder:100' (100 labels), or (x, y) with y = -1 without a label",
    "unpaired_translation": "'my/photos <-> my/paintings' (folders of images), or (a, b)",
    "paired_translation": "(x, y)",
    "cross_modal": "(features, vectors)",
    "retrieval": "(queries, numbers of relevant documents)",
    "imitation": "demonstrations by name or file; env='ID' or your own environment to train in",
}


@checked
def describe(name: Spec) -> str:
    """Describe a name of any kind, or a spec.

    Args:
        name: A method, a task, an objective, a regularizer, a game, a network, a data set, a
            metric, an environment, a reward of imitation; a spec such as ``"hinge + r1"`` or
            ``"dann + r1"``; or an objective or regularizer as an object.

    Returns:
        Several lines of text, with formulas in Unicode. If a name has several kinds, the text
        describes each.

    Raises:
        ValueError: If the name is unknown; the message suggests near names of every kind.

    Example:
        >>> print(describe("dann").splitlines()[0])
        dann: a method of adaptation
    """
    if not isinstance(name, str):
        return _of_spec(name)
    items = kinds.find(name)
    if items:
        return "\n\n".join(_of_item(item) for item in items)
    row = request_of(name)
    if row is not None:
        head = _of_method(row.method)
        return f"{head}\n\nWith {name}:\n{_of_spec(row.chain())}"
    return _of_spec(name)


def unknown(name: str) -> str:
    """Return the message for an unknown name, with near names of every kind."""
    known = [spelling for item in kinds.items() for spelling in (item.name, *item.aliases)]
    return catalogue.unknown(name, known)


def request_of(text: str) -> catalogue.Request | None:
    """Parse a method or a task with options or added terms; None for any other spec."""
    head = text.partition("(")[0].partition("+")[0]
    try:
        request = catalogue.request(text)
    except ValueError:
        if catalogue.find(head) is not None:
            raise
        return None
    return None if request.method.task == catalogue.IMITATION else request


def _of_spec(spec: Spec) -> str:
    try:
        return plain(grammar.describe(spec))
    except naming.UnknownNameError as error:
        raise ValueError(f"name: {unknown(error.name)}") from None


def _of_item(item: Item) -> str:
    lines = [f"{item.name}: {_article(item)}", ""]
    if item.kind == "method":
        return _of_method(item.target)
    if item.kind == "task":
        lines += [*_task_lines(item), *_also_called(item)]
    elif item.kind in ("objective", "regularizer"):
        lines += [_of_spec(item.name), *_also_called(item)]
    elif item.kind == "network" and isinstance(item.target, tuple):
        architecture = cast(Any, item.target)
        generator = architecture.generator
        lines += [
            item.summary,
            f"Generator: {_name(generator)}. Critic: {_name(architecture.critic)}.",
        ]
        sides = f"{_ranges(architecture.sides)} pixels per side"
        sides = "any size from 8 pixels; series and volumes" if architecture.any_size else sides
        lines += [f"Images: {sides}.", ""]
        lines += [f"Use: advlearn.fit('generate', architecture={item.name!r})", ""]
        lines += [_doc(generator), *_also_called(item)]
    elif item.kind == "data":
        facts = {"Shape": "shape", "Classes": "classes", "Origin": "origin", "Licence": "licence"}
        values = {title: getattr(item.target, name, None) for title, name in facts.items()}
        lines += [item.summary, *[f"{t}: {v}" for t, v in values.items() if v is not None]]
        lines += ["", f"Use: advlearn.data.load({item.name!r})"]
    elif item.kind == "game":
        lines += [_doc(item.target), *_also_called(item), "", *_uses_of_game(item)]
    else:
        lines += [_doc(item.target), *_also_called(item)]
    return "\n".join(lines).rstrip()


def _uses_of_game(item: Item) -> list[str]:
    """Show how to train by a rule with `fit`, in a shell and in a loop."""
    settings = ", ".join(
        f"{name} = {p.default!r}"
        for name, p in inspect.signature(item.target).parameters.items()
        if p.default is not p.empty
    )
    return [
        *([f"Settings: {settings}"] if settings else []),
        f"Python: advlearn.fit('wgan-gp', data='digits', game={item.name!r})",
        f"Shell: advlearn fit wgan-gp --data digits --game {item.name}",
        f"Your loop: game = advlearn.games.{item.target.__name__}(adversary, optimizer)",
    ]


def _also_called(item: Item) -> list[str]:
    return ["", f"Also called: {', '.join(item.aliases)}"] if item.aliases else []


def _article(item: Item) -> str:
    kind = {"data": "a data set", "reward": "a reward of imitation"}.get(item.kind)
    return kind or f"{'an' if item.kind[0] in 'aeiou' else 'a'} {item.kind}"


def _name(builder: Any) -> str:
    return getattr(builder, "__name__", type(builder).__name__)


def _ranges(sides: tuple[int, ...]) -> str:
    return ", ".join(map(str, sides)) if len(sides) < 8 else f"{sides[0]} to {sides[-1]}"


def _of_method(row: Method) -> str:
    """Describe a row of the catalogue, then its objective with its formulas."""
    paper, defaults = catalogue.paper_of(row), catalogue.Request(row).chain().defaults
    facts = {
        "Paper": str(paper) if paper else "",
        "Task": row.task,
        "Options": ", ".join(f"{name}={value!r}" for name, value in row.options.items()),
        "Objective": row.objective,
        "Networks": row.networks,
        "Settings": str(defaults.over(FALLBACK)),
        "Example data": row.data or "",
        "Your data": YOUR_DATA.get(row.task, ""),
        "Deviations": row.deviations,
        "Also called": ", ".join(row.aliases),
        "Python": f"advlearn.fit({row.name!r}, data={row.data!r})",
        "Shell": f'advlearn fit "{row.name}" --data "{row.data}"',
    }
    lines = [f"{row.name}: a method of {catalogue.field_of(row).replace('_', '-')}"]
    lines += [row.summary, ""]
    for title, value in facts.items():
        if value:
            lines += textwrap.wrap(f"{title}: {plain(value)}", WIDTH, subsequent_indent="    ")
    return "\n".join([*lines, "", _of_spec(row.objective)])


def _task_lines(item: Item) -> list[str]:
    """Describe a task with all its options and the methods that train it."""
    rows = [row.name for row in catalogue.methods().values() if row.task == item.name]
    methods = textwrap.wrap(
        f"Methods: {', '.join(rows) or 'none'}", WIDTH, subsequent_indent="    "
    )
    if item.name == catalogue.IMITATION:
        return [item.summary, *methods, "", *_imitation_options()]
    documented = {**_arguments(item.target), **_arguments(item.target.from_data)}
    options = [
        _option(name, option.default, option.doc or documented.get(name, ""))
        for name, option in catalogue.task_options(item.name).items()
    ]
    body = _doc(item.target).partition("Args:")[0].rstrip()
    if item.name in YOUR_DATA:
        methods += textwrap.wrap(
            f"Your data: {YOUR_DATA[item.name]}", WIDTH, subsequent_indent="    "
        )
    return [body, "", *methods, "", "Options:", *[line for lines in options for line in lines]]


def _imitation_options() -> list[str]:
    try:
        from advlearn.imitation import imitate
    except ImportError:
        return ['Options: pip install "advlearn[rl]" to list them']
    documented = _arguments(imitate)
    parameters = inspect.signature(imitate).parameters.values()
    options = [_option(p.name, p.default, documented.get(p.name, "")) for p in parameters]
    return ["Options:", *[line for lines in options for line in lines]]


def _option(name: str, default: Any, text: str) -> list[str]:
    line = name if default is inspect.Parameter.empty else f"{name} = {default!r}"
    line += f": {plain(text)}" if text else ""
    return textwrap.wrap(line, WIDTH, initial_indent="    ", subsequent_indent="      ")


def _arguments(thing: Any) -> dict[str, str]:
    """Return the description of each argument in a docstring."""
    doc = inspect.getdoc(thing) or ""
    section = re.search(r"\nArgs:\n((?:[ ]{4}.*\n?|\n)+)", doc)
    if section is None:
        return {}
    entries = re.split(r"\n(?=    \w+:)", "\n" + section[1].rstrip())
    pairs = (entry.strip().partition(":") for entry in entries if entry.strip())
    return {name: " ".join(text.split()) for name, _, text in pairs}


def _doc(thing: Any) -> str:
    """Return a docstring up to its example, formatted for a terminal."""
    return plain(re.split(r"\n\s*Example", inspect.getdoc(thing) or "")[0].rstrip())
