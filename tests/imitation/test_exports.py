"""The public names of `advlearn.imitation` and its sub-packages."""

import importlib
import inspect

import pytest

from tests.script_server import ScriptServer

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

PACKAGES = ("", ".demonstrations", ".on_device", ".rewards", ".sb3")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_name_exists_and_is_documented(package: str) -> None:
    module = importlib.import_module(f"advlearn.imitation{package}")
    assert module.__all__ and set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        value = getattr(module, name)
        assert not inspect.ismodule(value), f"{name} is hidden by the module of the same name"
        assert inspect.getdoc(value)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    module = importlib.import_module(f"advlearn.imitation{package}")
    with pytest.raises(AttributeError, match="has no attribute 'imitation_learning'"):
        _ = module.imitation_learning


def test_importing_the_packages_does_not_import_stable_baselines3(
    torch_only: ScriptServer,
) -> None:
    names = ", ".join(f"advlearn.imitation{package}" for package in PACKAGES)
    code = f"import sys, {names}; print('stable_baselines3' in sys.modules)"
    done = torch_only.python("-c", code)
    assert done.stdout.strip() == "False", done.stderr
