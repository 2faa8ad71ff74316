"""Files and names of the code that the pages for contributors mention are there."""

from __future__ import annotations

import re

import pytest

from stacks.core.nucleus_configuration import NUCLEUS_VERSION
from tests.docs.messages import without_blocks
from tests.stacks.synthesis import ROOT

INFERENCE = ROOT / "edge_functions" / "dlr_inference" / "inference"
PLACES = (ROOT, INFERENCE, INFERENCE.parent)
CODE_FOLDERS = ("edge_functions", "stacks", "local_core", "mli", "models", "tests")

EXAMPLES = {
    *("profiles/fruit.json", "profiles/fruit.txt", "sources/color.py"),
    *("vision/decoders/lines.py", "lines"),
    *("COUNT", "costCenter", "minimumBoxSide", "MINIMUM_BOX_SIDE"),
}
"""What a walk-through adds, and is therefore not there."""

MADE_WHEN_IT_RUNS = {"config.json", "journal.jsonl", "unsent.jsonl"}


PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/security.md",
    "docs/ci.md",
)


@pytest.mark.parametrize("page", PAGES)
def test_files_are_there(page: str) -> None:
    quoted = re.findall(r"`([\w./-]+\.(?:py|json|txt|sha256|sh|yml))`", (ROOT / page).read_text())
    assert quoted
    known = {path.name for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*.*")}
    known |= {path.name for path in ROOT.iterdir()} | MADE_WHEN_IT_RUNS
    for path in set(quoted) - EXAMPLES:
        found = any((place / path).exists() for place in PLACES)
        assert found or ("/" not in path and path in known), path


def test_release_of_the_nucleus_is_the_one_of_its_configuration() -> None:
    text = (ROOT / "docs" / "provisioning.md").read_text(encoding="utf-8")
    assert re.findall(r"greengrass-([\d.]+)\.zip", text) == [NUCLEUS_VERSION]


def test_names_of_a_walk_through_are_the_code_s() -> None:
    text = without_blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    names = set(re.findall(r"`(_?[A-Za-z][A-Za-z_]{4,})`", text)) - EXAMPLES
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in CODE_FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    )
    assert len(names) > 20
    assert {name for name in names if not re.search(rf"\b{name}\b", code)} == set()
