"""The corrections that are printed beside faults within JSON: each can be copied as it is."""

import json
from pathlib import Path

import pytest

from inference import schema
from stacks.generations import read_settings
from tests.stacks.synthesis import context

SNS = "arn:aws:sns:us-east-1:123456789012:alerts"


def read(folder: Path, **values: object) -> None:
    read_settings(context(folder, **values))


@pytest.mark.parametrize(
    ("key", "given", "part", "example"),
    [
        ("actions", [{"name": "a b", "target": SNS}], "actions.0.name", '"name": "person"'),
        ("actions", [{"name": "a", "minScore": 2, "target": SNS}], "actions.0.minScore", "0.8"),
        ("rollout", {"maximumPerMinute": 0}, "rollout.maximumPerMinute", "50"),
        ("rollout", {"canary": 5}, "rollout.canary", '{"waitInMinutes": 60}'),
    ],
)
def test_examples_within_json_are_json(
    tmp_path: Path, key: str, given: object, part: str, example: str
) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        read(tmp_path, **{key: json.dumps(given)})
    (found,) = [fault.example for fault in caught.value.faults if fault.key == part]
    text, _, where = found.partition(" in ")
    assert text.endswith(example) and where == f"-c {key}=…"
    json.loads("{" + text + "}")


@pytest.mark.parametrize(
    ("key", "text", "rule"),
    [
        ("actions", "{}", "must be a list of 1 to 100 actions"),
        ("rollout", "[]", "must be an object"),
        ("feedbackConfiguration", "[]", "must be an object of configurations by id"),
    ],
)
def test_json_of_another_kind_is_not_taken_for_a_path(
    tmp_path: Path, key: str, text: str, rule: str
) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        read(tmp_path, **{key: text})
    assert rule in [fault.rule for fault in caught.value.faults if fault.key == key]


def test_example_of_a_component_is_the_whole_option(tmp_path: Path) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        read(tmp_path, components="com.org.LogShipper=new")
    (fault,) = caught.value.faults
    assert fault.example == "-c components=com.org.LogShipper=2.3.9"
    read(tmp_path, components=fault.example.removeprefix("-c components="))
