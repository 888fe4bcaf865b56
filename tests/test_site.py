"""Test that the documentation site has every public name, example and page."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import advlearn
from advlearn import kinds

ROOT = Path(__file__).parents[1]
pytest.importorskip("latex2mathml", reason="the site needs the extra docs")


@pytest.fixture(scope="module")
def site() -> Any:
    """Import the generator of the site's pages by the name of each module."""
    folder = str(ROOT / ".ci" / "site")
    sys.path.insert(0, folder)
    before = set(sys.modules)

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield module
    sys.path.remove(folder)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
            del sys.modules[name]


def test_the_reference_has_every_public_name(site: Any) -> None:
    pages = "\n".join(site("reference_pages").pages().values())
    for package in ("advlearn", "advlearn.core", "advlearn.data", "advlearn.nets"):
        module = importlib.import_module(package)
        missing = [n for n in module.__all__ if f"heading: {n}\n" not in pages + "\n"]
        assert not [n for n in missing if f"### {n}\n" not in pages], package
    for item in kinds.items():
        if item.kind == "task" or (item.kind == "regularizer" and hasattr(item.target, "make")):
            made = getattr(item.target, "make", item.target)
            if isinstance(made, type) and made.__module__.startswith("advlearn."):
                assert f"heading: {made.__name__}\n" in pages, item.name


def test_the_tables_have_everything_with_a_name(site: Any) -> None:
    tables = "".join(site("choose_pages").pages().values())
    assert not [item.name for item in kinds.items() if f"| `{item.name}` |" not in tables]


def test_every_example_and_result_has_a_place(site: Any) -> None:
    examples = site("example_pages").pages()
    files = sorted((ROOT / "examples").glob("[!_]*.py"))
    assert {f"examples/{path.stem}.md" for path in files} <= examples.keys()
    results = site("result_pages").pages()
    kept = (ROOT / "benchmarks" / "results").glob("*.json")
    assert {f"results/{path.name}" for path in kept} <= results.keys()


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    assert not [p.name for p in (ROOT / "docs").glob("*.md") if f" {p.name}\n" not in text]


def test_links_of_the_repository_point_into_the_site(site: Any) -> None:
    change = site("links").from_root
    root = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
    text = "[a](docs/heads.md#x) [b](examples/own_loop.py) [c](https://x.org/y) [d](#z)"
    expected = "[a](heads.md#x) [b](examples/own_loop.md) [c](https://x.org/y) [d](#z)"
    assert change(text, "README.md", root) == expected
    text = "[a](../benchmarks/results/gpu.json) [b](../CONTRIBUTING.md)"
    assert change(text, "docs/heads.md", root) == "[a](results/gpu.json) [b](contributing.md)"


def test_formulas_become_mathml(site: Any) -> None:
    text = site("rest_markup").as_markdown(
        "See :math:`x_1`.\n\n.. math:: a = b,\n    c = d\n\nEnd."
    )
    assert text.startswith("See $x_1$.\n\n$$a = b, c = d$$\n")
    assert text.rstrip().endswith("End.")
    html = site("formulas").as_mathml('<span class="arithmatex">\\(x &lt; 1\\)</span>')
    assert html.startswith("<math") and "&#x0003C;" in html and "arithmatex" not in html


def test_every_formula_of_a_docstring_can_be_written(site: Any) -> None:
    convert = site("formulas").convert
    for item in kinds.items():
        made = getattr(item.target, "make", item.target)
        text = site("rest_markup").as_markdown(getattr(made, "__doc__", None) or "")
        for formula in text.split("$$")[1::2]:
            assert convert(formula).startswith("<math"), item.name
    assert advlearn.__doc__
