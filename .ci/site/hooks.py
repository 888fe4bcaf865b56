"""MkDocs calls these functions while it builds the site: they add pages and correct links."""

# ruff: noqa: E402  (MkDocs does not look for modules in the folder of this file)

import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import choose_pages
import example_pages
import formulas
import links
import notebook_pages
import reference_pages
import result_pages

# Files of the repository's root that are pages of the site.
ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "SECURITY.md": "report.md",
}


def on_config(config: MkDocsConfig) -> None:
    """Put the lists of examples and reference pages where the navigation names their folders."""
    sections = {
        "examples/": example_pages.names(),
        "notebooks/": notebook_pages.names(),
        "reference/": reference_pages.names(),
    }
    for entry in config.nav or []:
        for title, target in entry.items():
            if isinstance(target, str) and target in sections:
                entry[title] = sections[target]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the library, its examples and its results."""
    pages: dict[str, str | bytes] = {
        target: links.from_root((links.ROOT / source).read_text(), source, ROOT_PAGES)
        for source, target in ROOT_PAGES.items()
    }
    for module in (choose_pages, example_pages, notebook_pages, reference_pages, result_pages):
        pages |= module.pages()
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to files of the repository to where the site has them."""
    if page.file.generated_by:
        return markdown
    return links.from_root(markdown, f"docs/{page.file.src_uri}", ROOT_PAGES)


def on_page_content(html: str, **_: Any) -> str:
    """Write formulas as MathML, which browsers show without a script."""
    return formulas.as_mathml(html)
