"""Documentation that is generated from the code: these tests fail if it differs.

``UPDATE_SNAPSHOTS=1 pytest tests/stacks/test_documents.py`` updates it.
"""

import os
import re
from pathlib import Path

import pytest

from inference import names
from inference.feedback.configuration import STRATEGY_NAMES, FeedbackConfigurations
from stacks.context.table import markdown_table
from tests.stacks import permissions
from tests.stacks.configurations import templates
from tests.stacks.synthesis import ROOT

DOCS = ROOT / "docs"
BEGIN, END = "<!-- generated: {} -->\n", "<!-- end of generated -->\n"


def generated(file: Path, title: str, expected: str) -> str:
    """The part of ``file`` between its marks; updated if the environment asks for it."""
    begin = BEGIN.format(title)
    text = file.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    found, after = rest.split(END, 1)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_text(f"{before}{begin}\n{expected}\n{END}{after}", encoding="utf-8")
        return expected
    return found.strip("\n") + "\n"


def test_table_of_keys_is_the_code_s() -> None:
    expected = markdown_table()
    assert generated(DOCS / "context.md", "context keys", expected) == expected


def test_example_of_feedback_is_valid_and_shows_every_strategy() -> None:
    text = (DOCS / "samples.md").read_text(encoding="utf-8")
    begin = text.index('    {"Unsure":')
    example = FeedbackConfigurations.parse(text[begin : text.index("\n\n", begin)])
    assert [one.id for one in example.all] == ["Unsure", "Some"]
    assert all(f"| `{name}` |" in text for name in STRATEGY_NAMES)


def test_list_of_permissions_is_the_templates() -> None:
    expected = permissions.markdown().rstrip("\n") + "\n"
    assert generated(DOCS / "permissions.md", "permissions", expected) == expected


@pytest.mark.parametrize("part", permissions.DEPLOYER_POLICIES)
def test_table_of_the_deployer_is_its_policy(part: str) -> None:
    expected = permissions.deployer_markdown(part)
    assert generated(DOCS / "permissions.md", part, expected) == expected


def test_no_reason_is_left_of_a_permission_that_is_gone() -> None:
    text = permissions.markdown()
    gone = [actions for actions, reason in permissions.REASONS.items() if reason not in text]
    assert gone == []


@pytest.mark.parametrize("configuration", ["v1", "v2", "v2-simulator", "v2-fleet"])
def test_every_kind_of_resource_is_in_the_list_of_resources(configuration: str) -> None:
    text = (DOCS / "resources.md").read_text(encoding="utf-8")
    found = {
        resource["Type"]
        for template in templates(configuration).values()
        for resource in template["Resources"].values()
    }
    listed = set(re.findall(r"`([A-Za-z0-9]+::[A-Za-z0-9:]+)`", text))
    assert found <= listed


def test_topics_are_the_code_s() -> None:
    text = (DOCS / "topics.md").read_text(encoding="utf-8")
    for topic in (
        names.PREDICTION_TOPIC.format(core_name="<coreName>"),
        names.TELEMETRY_TOPIC.format(core_name="<coreName>"),
        names.PREVIEW_TOPIC.format(core_name="<coreName>"),
        names.FEEDBACK_PREDICTION_TOPIC,
        names.FEEDBACK_STATUS_TOPIC,
    ):
        assert f"`{topic}`" in text
    assert f"{names.MAX_MESSAGE_BYTES:,} bytes" in text
