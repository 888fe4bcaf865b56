"""The pages' links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text())
    assert not [link for link in linked if not (page.parent / link).exists()]


def test_every_result_is_told_of() -> None:
    """A results file that no page mentions is one nobody finds."""
    told = (ROOT / "docs" / "measured.md").read_text() + (ROOT / "README.md").read_text()
    benchmarks = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))
    results = (ROOT / "benchmarks" / "results").glob("*.json")
    assert not [p.name for p in results if p.name not in told and p.name not in benchmarks]
