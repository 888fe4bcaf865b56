"""Words of the command line: completion of paths, and refusal of empty words."""

import os


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
