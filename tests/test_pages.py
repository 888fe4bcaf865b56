"""Test that every link of the pages has a target and every result is mentioned."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_has_a_target(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text())
    assert not [link for link in linked if not (page.parent / link).exists()]


def test_every_result_is_mentioned_on_a_page() -> None:
    """Readers cannot find a results file that no page mentions."""
    pages = (ROOT / "docs" / "measured.md").read_text() + (ROOT / "README.md").read_text()
    benchmarks = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))
    results = (ROOT / "benchmarks" / "results").glob("*.json")
    assert not [p.name for p in results if p.name not in pages and p.name not in benchmarks]
