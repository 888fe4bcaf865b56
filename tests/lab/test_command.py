"""Test `advlearn lab` from a shell, and that the extra is optional."""

from tests.script_server import ScriptServer

WITHOUT = """
import sys
sys.modules["starlette"] = None
from advlearn.cli import app
app(["lab", "--no-browser"])
"""
IMPORTS = """
import sys
import advlearn, advlearn.cli, advlearn.lab
assert not {"starlette", "uvicorn", "websockets"} & set(sys.modules)
"""


def test_without_the_extra_one_line_says_how_to_install_it(torch_only: ScriptServer) -> None:
    done = torch_only.python("-c", WITHOUT)
    assert done.returncode == 1
    line = "advlearn: lab: expected the package starlette, got none; pip install 'advlearn[lab]'"
    assert done.stderr.strip() == line


def test_the_library_imports_no_server(torch_only: ScriptServer) -> None:
    done = torch_only.python("-c", IMPORTS)
    assert done.returncode == 0, done.stderr
