"""Cite the papers of methods, specs and runs."""

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from advlearn import catalogue, kinds
from advlearn.core import grammar, naming, registry
from advlearn.core.arguments import checked
from advlearn.core.chain import Chain
from advlearn.core.described import Described, Reference
from advlearn.core.grammar import Spec
from advlearn.core.method import Method
from advlearn.description import request_of, unknown


@checked
def cite(name: Any) -> str:
    """Cite the papers of a method, a spec or a run.

    Args:
        name: A name or a spec, as for `describe`; an object; a run that `fit` returned, or its
            folder; a run of imitation. The papers of a run are those of its method, objective,
            regularizers, networks and game rule; of imitation, those of its algorithm too.

    Returns:
        A BibTeX entry for each paper, the method's first.

    Raises:
        ValueError: If the name is unknown, its object has no paper, or a folder has no run of
            `fit`.

    Example:
        >>> print(cite("wgan-gp").splitlines()[0])
        @misc{gulrajani2017improved,
    """
    papers: dict[str, Reference] = {}
    for paper in _papers(name):
        papers.setdefault(paper.url, paper)
    if not papers:
        raise ValueError(f"name: expected something with a paper, got {name!r}")
    return "\n\n".join(_entry(paper) for paper in papers.values())


def _papers(name: Any) -> list[Reference]:
    """Collect the papers of a name, a spec, an object or a run."""
    config = cast(dict[str, Any] | None, getattr(name, "config", None))
    if isinstance(config, dict):
        return _of_run(config)
    if (cited_parts := getattr(name, "cited_parts", None)) is not None:
        return _of_parts(cited_parts())
    if isinstance(name, Path):
        return _of_run(_config(name))
    # A name that is known is that name, also where a file is called so.
    if isinstance(name, str) and Path(name).exists() and not kinds.find(name):
        return _of_run(_config(Path(name)))
    if not isinstance(name, str):
        return _of_chain(name)
    request = request_of(name)
    if request is not None:
        return [*_of_row(request.method), *_of_chain(request.chain())]
    row = catalogue.find(name)
    if row is not None:
        return [*_of_row(row), *_of_chain(row.objective)]
    items = kinds.find(name)
    if items and not _is_spec(name):
        modules = (inspect.getmodule(item.target) for item in items if item.kind == "game")
        found = (getattr(module, "REFERENCE", None) for module in modules)
        return [paper for paper in found if paper is not None]
    try:
        return _of_chain(name)
    except naming.UnknownNameError as error:
        raise ValueError(f"name: {unknown(error.name)}") from None


def _config(folder: Path) -> dict[str, Any]:
    """Return the configuration of a saved run."""
    from advlearn.training import checkpoint

    config = checkpoint.load(folder).get("config")
    if not isinstance(config, dict) or "parts" not in config:
        raise ValueError(f"name: expected a name or a saved run of fit, got {str(folder)!r}")
    return cast(dict[str, Any], config)


def _of_run(config: dict[str, Any]) -> list[Reference]:
    """Collect the papers of the parts of a run of `fit`."""
    row = catalogue.find(config.get("method") or "")
    network = config["parts"].get("architecture") or ""
    game = config["settings"].get("game") or ""
    used = [i for i in kinds.items() if (i.kind, i.name) == ("network", network)]
    found = [getattr(item.target, "reference", None) for item in used]
    return [
        *_of_row(row),
        *_of_chain(cast(str, config["objective"])),
        *[paper for paper in found if paper is not None],
        *(_papers(game.partition("(")[0]) if isinstance(game, str) and game else []),
    ]


def _of_parts(parts: Sequence[Method | Chain | Reference]) -> list[Reference]:
    """Collect the papers of the parts of a run of imitation."""
    found: list[Reference] = []
    for part in parts:
        if isinstance(part, Reference):
            found.append(part)
        else:
            found += _of_row(part) if isinstance(part, Method) else _of_chain(part)
    return found


def _is_spec(name: str) -> bool:
    """Return whether a name is that of an objective or a regularizer."""
    return registry.canonical("objective", name).lower() in registry.entries()


def _of_row(row: Method | None) -> list[Reference]:
    paper = None if row is None else catalogue.paper_of(row)
    return [] if paper is None else [paper]


def _of_chain(spec: Spec) -> list[Reference]:
    chain = Chain.of(spec) if not isinstance(spec, str) else grammar.resolve(spec)
    parts: list[Described] = [] if chain.objective is None else [chain.objective]
    entries = {e.make: e for e in registry.entries().values()}
    used = [entries.get(type(part)) for part in (*parts, *chain.regularizers)]
    references = [entry.reference for entry in used if entry is not None]
    return [reference for reference in references if reference is not None]


def _entry(paper: Reference) -> str:
    authors, _, year = paper.authors.rpartition(" ")
    first = re.sub(r"\W", "", authors.split()[0].lower())
    word = re.sub(r"\W", "", paper.title.split()[0].lower())
    return "\n".join(
        [
            f"@misc{{{first}{year}{word},",
            f"  title = {{{paper.title}}},",
            f"  author = {{{authors.replace(' et al.', ' and others')}}},",
            f"  year = {{{year}}},",
            f"  url = {{{paper.url}}},",
            f"  note = {{{paper.equation}}},",
            "}",
        ]
    )
