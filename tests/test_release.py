"""Test that the files of a release agree with each other."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

from advlearn.core.version import VERSION

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Names on conda-forge that differ from those of the package index.
ON_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def workflow(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def recipe() -> dict[str, Any]:
    text = (ROOT / "packaging" / "conda" / "meta.yaml").read_text()
    (version,) = re.findall(r'{% set version = "(.*)" %}', text)
    text = re.sub(r"^{%.*%}$", "", text, flags=re.MULTILINE)
    text = text.replace("{{ version }}", version).replace("{{ PYTHON }}", "python")
    return yaml.safe_load(text)


def test_all_files_have_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == VERSION
    assert str(citation["version"]) == VERSION
    assert recipe()["package"]["version"] == VERSION


def test_the_conda_recipe_requires_what_the_package_requires() -> None:
    wanted = {f"python {PROJECT['requires-python']}"}
    for text in PROJECT["dependencies"]:
        need = Requirement(text)
        wanted.add(f"{ON_CONDA.get(need.name, need.name)} {need.specifier}")
    assert set(recipe()["requirements"]["run"]) == wanted


def test_every_python_version_that_the_package_names_is_tested() -> None:
    named = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: Python :: 3." in c}
    assert named == set(workflow("ci")["jobs"]["checks"]["strategy"]["matrix"]["python"])


def test_only_the_publishing_job_may_identify_itself() -> None:
    jobs = workflow("release")["jobs"]
    assert [name for name in jobs if "id-token" in jobs[name].get("permissions", {})] == ["publish"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["environment"] == "pypi"
