"""Templates as they were when somebody last reviewed them: a change shows up in review.

``UPDATE_SNAPSHOTS=1 pytest tests/stacks/test_snapshots.py`` updates them.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.configurations import ALL_TEMPLATES, template

SNAPSHOTS = Path(__file__).parent / "snapshots"


def normalised(template: dict[str, Any]) -> str:
    """The template without hashes of the content of files, which change with every edit."""
    resources = {
        name: {key: value for key, value in resource.items() if key != "Metadata"}
        for name, resource in template["Resources"].items()
    }
    text = json.dumps({**template, "Resources": resources}, indent=2, sort_keys=True) + "\n"
    text = re.sub(r"\b[0-9a-f]{64}\b", "<hash>", text)
    text = re.sub(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}", r"\1<hash>", text)
    return re.sub(r'("AskedAt": ")[^"]*', r"\1<time>", text)


@pytest.mark.parametrize(("name", "stack"), ALL_TEMPLATES)
def test_template_is_its_snapshot(name: str, stack: str) -> None:
    file = SNAPSHOTS / f"{name}.json"
    found = normalised(template(name, stack))
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8"), "see this file's docstring"


def test_there_is_no_snapshot_of_something_else() -> None:
    assert {file.stem for file in SNAPSHOTS.iterdir()} == {name for name, _ in ALL_TEMPLATES}
