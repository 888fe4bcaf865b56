"""Test that the files of a release agree with each other."""

import re
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from itertools import chain
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


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_pin_everything_that_all_extras_install() -> None:
    """Follow the requirements of the installed packages from those of every extra."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonical(line.partition("==")[0]) for line in lines if "==" in line}
    extras = PROJECT["optional-dependencies"].values()
    waiting = [Requirement(t) for t in [*PROJECT["dependencies"], *chain.from_iterable(extras)]]
    seen: set[str] = set()
    while waiting:
        need = waiting.pop()
        if str(need) in seen or need.name == "advlearn":
            continue
        seen.add(str(need))
        assert canonical(need.name) in pinned, need
        with suppress(PackageNotFoundError):
            further = [Requirement(text) for text in requires(need.name) or []]
            waiting += [n for n in further if wanted(n, need.extras)]


def wanted(need: Requirement, extras: set[str]) -> bool:
    """Return whether a package needs another one on this system, with these extras."""
    marker = need.marker
    return marker is None or any(marker.evaluate({"extra": e}) for e in (extras or {""}))


def test_the_workflow_tests_three_systems_and_both_ends_of_the_versions() -> None:
    jobs = workflow("ci")["jobs"]
    assert jobs["checks"]["runs-on"] == "ubuntu-latest"
    systems = jobs["systems"]["strategy"]["matrix"]["system"]
    assert set(systems) == {"macos-latest", "windows-latest"}
    ends = {row["resolution"] for row in jobs["versions"]["strategy"]["matrix"]["include"]}
    assert ends == {"lowest-direct", "highest"}


def test_the_readme_names_every_extra_of_users_and_the_changelog_the_version() -> None:
    readme = (ROOT / "README.md").read_text()
    extras = set(PROJECT["optional-dependencies"]) - {"dev", "docs"}
    assert not [extra for extra in extras if f"| `{extra}` |" not in readme]
    changes = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## \[(.*?)\](.*)$", changes, re.MULTILINE)
    assert sections[0] == ("Unreleased", "")
    assert sections[1][0] == VERSION
    assert re.fullmatch(r" - \d{4}-\d\d-\d\d", sections[1][1])


def test_badges_state_what_the_package_declares() -> None:
    readme = (ROOT / "README.md").read_text()
    versions = sorted(
        (c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: Python :: 3." in c),
        key=lambda version: int(version.partition(".")[2]),
    )
    assert f"![Python {versions[0]} to {versions[-1]}](" in readme
    assert f"![Licence {PROJECT['license']}](" in readme
