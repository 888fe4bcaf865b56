"""Check that `advlearn.nets` exports every network and that its folders have no import circle."""

import ast
import inspect
from pathlib import Path

import pytest

from advlearn import nets
from advlearn.nets.architecture import networks

ROOT = Path(nets.__file__).parent
BELOW = {"blocks": {"network"}, "adapters": {"network", "mlp"}}


def test_every_network_is_exported():
    assert set(networks()) <= set(nets.__all__)


@pytest.mark.parametrize("name", nets.__all__)
def test_every_exported_name_resolves(name):
    assert inspect.isclass(getattr(nets, name)) or callable(getattr(nets, name))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'StyleGAN9'"):
        nets.StyleGAN9  # noqa: B018


def test_importing_the_package_imports_no_network(torch_only):
    code = "import sys, advlearn.nets; print([m for m in sys.modules if 'nets.families' in m])"
    result = torch_only.python("-c", code)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("folder", BELOW)
def test_a_folder_imports_only_from_folders_below_it(folder):
    for path in (ROOT / folder).glob("*.py"):
        modules = [
            (node.module or "").split(".")[2]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("advlearn.nets.")
        ]
        assert set(modules) <= BELOW[folder] | {folder}, path.name


def test_families_do_not_import_the_networks_that_are_sized_from_the_data():
    for path in (ROOT / "families").glob("*.py"):
        text = path.read_text()
        assert not [m for m in ("sizing", "encoder", "autoencoder") if f"nets.{m} import" in text]
