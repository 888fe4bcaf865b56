"""Change links between files of the repository into links between pages of the site."""

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(\]\()(?!https?://|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def from_root(markdown: str, source: str, root_pages: Mapping[str, str]) -> str:
    """Change the links of a page.

    Args:
        markdown: The page.
        source: Its path in the repository.
        root_pages: Pages of the repository's root to their names in the site.
    """
    page = root_pages.get(source, source.removeprefix("docs/"))

    def changed(match: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(source).parent / match[2])
        place = in_site(target, root_pages)
        relative = os.path.relpath(place, PurePosixPath(page).parent)
        return f"{match[1]}{relative}{match[3] or ''})"

    return LINK.sub(changed, markdown)


def in_site(target: str, root_pages: Mapping[str, str]) -> str:
    """Return where the site has a file of the repository.

    Example:
        >>> in_site("examples/own_loop.py", {})
        'examples/own_loop.md'
    """
    if target in root_pages:
        return root_pages[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    if target.startswith("examples/") and target.endswith(".py"):
        return f"{target[:-3]}.md"
    if target.startswith("notebooks/") and target.endswith(".ipynb"):
        return f"{target[:-6]}.md"
    if target == "benchmarks/results":
        return "benchmarks.md"
    if target.startswith("benchmarks/results/"):
        return target.removeprefix("benchmarks/")
    return target
