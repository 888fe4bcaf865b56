"""List links of the built site without a target, anchors and pictures included.

python .ci/site/dead_links.py build/site
"""

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import final
from urllib.parse import unquote, urlsplit


@final
class Page(HTMLParser):
    """Collect the links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the attributes that name or point to a place."""
        for name, value in attrs:
            if not value:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            if name in ("href", "src"):
                self.links.add(value)


@cache
def read(path: Path) -> Page:
    """Return the links and the anchors of a file."""
    return Page(path.read_text())


def dead(folder: Path) -> list[str]:
    """Return "page: link" for each link into the site that has no target."""
    found = []
    for path in sorted(folder.rglob("*.html")):
        # The page for missing addresses is shown at any address; its links start at the root.
        if path.name != "404.html":
            broken = [link for link in read(path).links if not reachable(path, link)]
            found += [f"{path.relative_to(folder)}: {link}" for link in sorted(broken)]
    return found


def reachable(page: Path, link: str) -> bool:
    """Return whether a link points out of the site or to a file and an anchor that exist."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or link == "#":
        return True
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return False
    anchor = unquote(parts.fragment)
    # `__tabbed`, `__codelineno` and the like are made by scripts of the theme.
    if not anchor or target.suffix != ".html" or anchor.startswith("__"):
        return True
    return anchor in read(target).anchors


if __name__ == "__main__":
    lines = dead(Path(sys.argv[1]).resolve())
    print(*lines, sep="\n", end="\n" if lines else "")
    sys.exit(bool(lines))
