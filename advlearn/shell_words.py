"""Words of the command line: completion of paths, and refusal of empty words."""

import ast
import os
import re
from typing import Any


def paths(incomplete: str) -> list[str]:
    """Complete paths.

    Args:
        incomplete: The start of a path.
    """
    folder, start = os.path.split(incomplete)
    place = folder if folder else "."
    if not os.path.isdir(place):
        return []
    names = sorted(name for name in os.listdir(place) if name.startswith(start))
    return [os.path.join(folder, name) for name in names]


def refuse_empty(**words: str | None) -> None:
    """Raise on an empty word, such as an unset variable of the shell.

    Args:
        **words: The words by the name of their argument; None for those that are not given.

    Raises:
        ValueError: If a word is empty.

    Example:
        >>> refuse_empty(data="digits", out=None)
        >>> refuse_empty(out="")
        Traceback (most recent call last):
        ValueError: out: expected a path, got ''; write '.' for this folder
    """
    # Late, since the command line starts faster without numpy.
    from advlearn.core.checks import check_path, check_text

    for name, word in words.items():
        if word is not None:
            check = check_path if name in ("out", "path", "picture") else check_text
            check(name, word)


_OF_COMMAND = {
    "capture", "compile", "data", "device", "objective", "out", "page", "precision", "resume_with",
    "seed", "seeds", "task", "warm_start",
}  # fmt: skip


def key_values(pairs: list[str], option: str = "set") -> dict[str, Any]:
    """Parse options of the form key=value; a value that is not a literal is a string."""
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ValueError(f"{option}: expected key=value, such as latent=16, got {pair!r}")
        try:
            options[name.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            options[name.strip()] = value.strip()
    return options


def task_options(pairs: list[str]) -> dict[str, Any]:
    """Parse the options of ``--set``, which are not those that the command passes itself."""
    options = key_values(pairs)
    for name in options.keys() & _OF_COMMAND:
        raise ValueError(
            f"set: expected an option of the task, got {name}; pass it to the command without --set"
        )
    return options


def seeds_of(text: str) -> list[int]:
    """Parse several seeds: numbers and ranges, joined by commas.

    Args:
        text: The word.

    Raises:
        ValueError: If it is of another form.

    Example:
        >>> seeds_of("0-3,8")
        [0, 1, 2, 3, 8]
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if not first <= last < first + 10_000:
            raise ValueError(
                f"seeds: expected numbers and ranges, such as 0-15 or 0,3,8, got {text!r}"
            )
        found += range(first, last + 1)
    return found


def file_name(text: str) -> str:
    """Replace each run of characters other than letters, digits and dots by one hyphen."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
