"""Test that the documentation site has every public name, example and page."""

import importlib
import os
import re
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


def test_the_variable_of_a_minimum_is_under_it_in_a_displayed_formula(site: Any) -> None:
    html = site("formulas").as_mathml('<div class="arithmatex">\\[\\min_x y\\]</div>')
    assert "<munder><mo>min</mo><mi>x</mi></munder>" in html


def test_every_formula_of_a_docstring_can_be_written(site: Any) -> None:
    convert = site("formulas").convert
    for item in kinds.items():
        made = getattr(item.target, "make", item.target)
        text = site("rest_markup").as_markdown(getattr(made, "__doc__", None) or "")
        for formula in text.split("$$")[1::2]:
            assert convert(formula).startswith("<math"), item.name
    assert advlearn.__doc__


def test_the_site_has_every_notebook_and_its_file(site: Any) -> None:
    module = site("notebook_pages")
    assert {path.stem for path in module.FOLDER.glob("*.ipynb")} == set(module.NOTEBOOKS)
    for name in module.NOTEBOOKS:
        page = module.pages()[f"notebooks/{name}.md"]
        assert page.startswith("# ") and f"]({name}.ipynb)" in page
        assert all(text in page for text in module.cells(module.FOLDER / f"{name}.ipynb", "code"))


def test_a_page_shows_what_is_kept_of_its_example(site: Any) -> None:
    gallery, pages = site("gallery"), site("example_pages").pages()
    kept = gallery.kept()
    assert not kept.keys() - set(gallery.names())
    for name, entry in kept.items():
        page = pages[f"examples/{name}.md"]
        assert entry["command"] == gallery.command(name) and f"\n{entry['command']}\n" in page
        assert entry["output"] and entry["output"] in page
        if "--picture" in (ROOT / "examples" / f"{name}.py").read_text():
            assert f"](../pictures/gallery/{entry['picture']})" in page
            written = (gallery.FOLDER / entry["picture"]).read_bytes()
            assert written.startswith(b"\x89PNG") and len(written) <= gallery.LARGEST


def test_every_example_has_a_picture_or_output(site: Any) -> None:
    gallery = site("gallery")
    waiting = set(gallery.names()) - gallery.kept().keys()
    assert not waiting, f"run `make gallery`: {sorted(waiting)}"


def test_the_benchmarks_have_a_row_with_a_command_each(site: Any) -> None:
    module = site("result_pages")
    table = module.pages()["benchmarks.md"]
    for path in sorted(module.FOLDER.glob("*.json")):
        assert f"| [{path.stem}](results/{path.name}) |" in table, path.name


# A question of a newcomer, and the page and heading that answer it.
ANSWERS = [
    ("Which GAN should I start with?", "questions.md", "## Which GAN should I start with?"),
    ("How do I train on my own images?", "data.md", "## What can be read"),
    ("How do I adapt to unlabelled data?", "questions.md", "## How do I adapt a classifier"),
    ("How do I make a classifier fair?", "notebooks/fairness.md", "## Without and with an adv"),
    ("How do I learn from few labels?", "questions.md", "## How do I learn from few labels?"),
    ("How do I imitate my expert?", "imitation.md", "## Demonstrations"),
    ("How do I add an adversary to my loop?", "heads.md", "## How do I add a GAN loss to"),
    ("It collapsed. What now?", "health.md", "# Health verdicts and what to do"),
    ("How do I continue a run?", "questions.md", "## How do I resume a run?"),
    ("How do I use several GPUs?", "performance.md", "# Performance on a GPU"),
    ("How do I train on a cluster?", "cluster.md", "# From one GPU to a cluster"),
    ("How do I add my own objective?", "extending.md", "## An objective"),
]


@pytest.mark.parametrize(("question", "page", "heading"), ANSWERS, ids=[a[0] for a in ANSWERS])
def test_an_answer_is_two_clicks_away(site: Any, question: str, page: str, heading: str) -> None:
    texts = _texts(site)
    first = _linked("index.md", texts["index.md"])
    second = {link for near in first & texts.keys() for link in _linked(near, texts[near])}
    assert page in {"index.md"} | first | second, question
    assert f"\n{heading}" in f"\n{texts[page]}", question


def _texts(site: Any) -> dict[str, str]:
    """Return the Markdown of every page, with links as the site has them."""
    change, root = site("links").from_root, site("hooks").ROOT_PAGES
    files = {name: ROOT / name for name in root}
    files |= {f"docs/{path.name}": path for path in (ROOT / "docs").glob("*.md")}
    texts = {
        root.get(name, name.removeprefix("docs/")): change(path.read_text(), name, root)
        for name, path in files.items()
    }
    return texts | {k: v for k, v in site("notebook_pages").pages().items() if isinstance(v, str)}


def _linked(page: str, text: str) -> set[str]:
    """Return the pages to which a page links."""
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)
    return {os.path.normpath(os.path.join(os.path.dirname(page), link)) for link in links}


def test_dead_links_of_a_built_site_are_found(site: Any, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">x</h1> <a href="sub/page.html#here">a</a> <a href="https://x.org">b</a> '
        '<a href="sub/page.html#gone">c</a> <img src="no.png"> <a href="#top">d</a>'
    )
    (tmp_path / "sub" / "page.html").write_text('<p id="here"><a href="../index.html#top">e</a>')
    found = site("dead_links").dead(tmp_path)
    assert found == ["index.html: no.png", "index.html: sub/page.html#gone"]
