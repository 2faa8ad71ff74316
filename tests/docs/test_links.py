"""Links between the pages lead somewhere, and each page can be found from the README."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.docs.messages import without_blocks
from tests.stacks.synthesis import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
ROOT_PAGES = {"README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"}
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return [link for link in LINK.findall(text) if "://" not in link]


@cache
def anchors(page: Path) -> Counter[str]:
    """The ids of a page's headings. GitHub adds a number to the second of two equal ones."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in found)
    return Counter(heading.strip().replace(" ", "-") for heading in plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchors(target)[anchor] == 1, f"{page.name}: {link}"


def test_each_page_is_in_the_readme() -> None:
    linked = {Path(link.partition("#")[0]).name for link in links(ROOT / "README.md")}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= linked
    assert {"CONTRIBUTING.md", "CHANGELOG.md"} <= linked


def test_pages_of_the_root_are_checked() -> None:
    assert {page.name for page in PAGES} >= ROOT_PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_prose_fits_in_a_terminal(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", without_blocks(page.read_text(encoding="utf-8")))
    long = [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")]
    assert long == []
