"""Write the type stubs of the lazy packages: `make stubs`, or `python .ci/lazy_stubs.py`.

A lazy package exposes its classes through ``__getattr__``, which type checkers and editors cannot
follow. Its ``__init__.pyi`` lists them. Only files that git tracks count.
"""

import importlib
import inspect
import subprocess
from pathlib import Path

PACKAGES = ("core", "games", "objectives", "regularizers", "tasks")
HEADER = "# Written by `make stubs`; do not edit."
LIMIT = 100


def tracked(root: Path) -> set[Path]:
    """Return the files under a folder that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    )
    return {root / name for name in listed.stdout.split("\0") if name}


def stub(package: str, files: set[Path]) -> str:
    """Return the stub of a lazy package.

    Args:
        package: Full name of the package.
        files: The files whose classes are listed.
    """
    module = importlib.import_module(package)
    listed: list[tuple[str, bool, str]] = []
    for name, where in module._where().items():
        source = inspect.getsourcefile(importlib.import_module(where))
        if source is not None and Path(source) in files:
            listed.append((where, not name.isupper(), name))
    imports = [statement(where, name) for where, _, name in sorted(listed)]
    doc = (module.__doc__ or "").partition("\n")[0]
    return "\n".join([HEADER, f'"""{doc}"""', "", *imports, ""])


def statement(where: str, name: str) -> str:
    """Return the import of one name, formatted as ruff formats it."""
    line = f"from {where} import {name} as {name}"
    return line if len(line) <= LIMIT else f"from {where} import (\n    {name} as {name},\n)"


def stubs() -> dict[Path, str]:
    """Return the text of each stub by its path."""
    root = Path(importlib.import_module("advlearn").__file__ or "").parent
    files = tracked(root)
    return {root / name / "__init__.pyi": stub(f"advlearn.{name}", files) for name in PACKAGES}


if __name__ == "__main__":
    for path, text in stubs().items():
        path.write_text(text, encoding="utf-8")
