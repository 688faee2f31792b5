"""What stands beside the code: its links lead somewhere, and what it repeats is the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_a_citation_has_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert (str(citation["version"]), citation["license"]) == (project["version"], project["license"])
    assert {"message", "title", "authors"} <= citation.keys()
    assert "doi" not in citation


def test_the_change_log_has_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^(#+) (.+)$", text, re.M)
    assert headings[:2] == [("#", "Changelog"), ("##", "[Unreleased]")]
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    assert {title for level, title in headings if level == "###"} <= set(kinds)
