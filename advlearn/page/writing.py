"""Write a page: values as escaped JSON, and the script and style within the file."""

import base64
import hashlib
import html
import json
import re
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from advlearn.core.files import atomic_write
from advlearn.page.content import Content, Page
from advlearn.page.pictures import embedded

LARGEST = 5_000_000
"""Largest size of a page, in bytes."""
_ROOM_FOR_STILLS = 0.4  # the share of the room for pictures that those without a step get


def write_page(content: Content, path: str | Path) -> Path:
    """Write one HTML file that plays a run, of at most 5 MB.

    The file loads nothing: its content policy allows only the script that it holds. Pictures and
    points that do not fit are thinned out, which the page states.

    Args:
        content: What was recorded.
        path: The file, written atomically.

    Returns:
        The file.

    Raises:
        OSError: The file cannot be written.
        ValueError: The content does not fit into 5 MB even without pictures.

    Example:
        >>> import tempfile
        >>> path = write_page(Content("a run", 20), Path(tempfile.mkdtemp()) / "run.html")
        >>> path.read_text().splitlines()[0]
        '<!doctype html>'
    """
    path, page = Path(path), content.page()
    room = LARGEST - len(_document(page)) - 4096
    if room < 0:
        raise ValueError("page: expected curves and a recipe of less than 5 MB, got more")
    if content.pictures or content.stills:
        first = int(_ROOM_FOR_STILLS * room) if content.pictures else room
        numbered = list(enumerate(content.stills))
        stills, notes = embedded(numbered, first)
        page.stills = [(content.stills[k].stem[:80], address) for k, address in stills]
        room -= sum(len(address) + 128 for _, address in stills)
        page.pictures, more = embedded(content.pictures, room - 32 * len(content.pictures))
        page.notes += [*notes, *more]
    text = _document(page)
    with atomic_write(path) as file:
        file.write(text)
    return path


def as_json(value: object) -> str:
    r"""Return JSON that can stand inside a script element of HTML.

    Args:
        value: Plain values.

    Example:
        >>> as_json("</script>")
        '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _document(page: Page) -> bytes:
    """Return the whole file."""
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "TITLE": html.escape(page.title),
        "POLICY": f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        "STYLE": _static("lab", "style.css") + _static("page", "page.css"),
        "DATA": as_json(asdict(page)),
        "SCRIPT": script,
    }
    template = _static("page", "page.html")
    # One pass, so that no value is searched for the names of others.
    text = re.sub(r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], template)
    return text.encode()


def _script() -> str:
    """Return the drawing of the lab and the script of the page as one script."""
    module = re.sub(r"^export ", "", _static("lab", "plane.js"), flags=re.MULTILINE)
    return f'"use strict";\n(() => {{\n{module}\n{_static("page", "page.js")}}})();\n'


def _static(package: str, name: str) -> str:
    return files("advlearn").joinpath(package, "static", name).read_text(encoding="utf-8")
