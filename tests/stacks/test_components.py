"""Components of others: how the context names them, and what protects them."""

import json
from pathlib import Path
from typing import Any

import pytest

from inference import schema
from stacks.context.components import OtherComponent, parse_components
from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import named, only, resolved, template_of
from tests.stacks.test_context_keys import settings

LOGS = OtherComponent("aws.greengrass.LogManager", "2.3.9")
SHIPPER = OtherComponent("com.org.LogShipper", "1.4.0", {"level": "info"})
BOTH = {
    "aws.greengrass.LogManager": "2.3.9",
    "com.org.LogShipper": {"version": "1.4.0", "configuration": {"level": "info"}},
}


def test_components_are_pairs_or_json_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "others.json").write_text(json.dumps(BOTH))
    pairs = "aws.greengrass.LogManager=2.3.9, com.org.LogShipper=1.4.0"
    plain = (LOGS, OtherComponent("com.org.LogShipper", "1.4.0"))
    assert settings(tmp_path, components=pairs).other_components == plain
    for given in (json.dumps(BOTH), BOTH, str(tmp_path / "others.json")):
        assert settings(tmp_path, components=given).other_components == (LOGS, SHIPPER)
    assert settings(tmp_path).other_components == ()


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("a", "must be a version"),
        ("a=latest", "must be a version"),
        ("a=>=1.0.0", "must be a version"),
        ("a b=1.0.0", "must be the name of a component"),
        ("a=01.0.0", "must be a version"),
        ("a=1.0.0-beta..1", "must be a version"),
        ("a=1.0.0,a=1.0.1", "is named twice"),
        ('{"a": "1.0.0", "a": "2.0.0"}', "the key 'a' appears twice"),
        ('{"a": {"version": "1.0.0", "configuration": {"x": NaN}}}', "is NaN or infinite"),
        ('{"a": {"version": "1.0.0", "configuration": {"x": 1e999}}}', "is NaN or infinite"),
        ('{"a": {"version": "1.0.0", "configuration": {"x": "\\ud800"}}}', "half a character"),
        ({"a": {"version": "1.0.0", "configuration": {"x": "\ud800"}}}, "half a character"),
        ("DlrInference.Demo=1.0.0", "is a component of this app"),
        ({"a": {"version": "1.0.0", "config": {}}}, "is neither version nor configuration"),
        ({"a": {"version": "1.0.0", "configuration": "x"}}, "must have an object"),
        ({"a": 1}, "must be a version"),
        ("{", "is not JSON"),
        ('{"a": "1.0.0", "a": "2.0.0"}', "the key 'a' appears twice in an object"),
        (7, "must be name=version"),
    ],
)
def test_other_values_are_refused(value: object, rule: str) -> None:
    with pytest.raises(schema.ConfigurationError) as caught:
        parse_components(value)
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    "version", ["0.0.0", "2.3.9", "1.0.0-beta.1", "1.0.0+2026-11", "1.2.3-a+b"]
)
def test_versions_are_semantic_ones(version: str) -> None:
    (one,) = parse_components(f"a={version}")
    assert one.version == version


def deployed(template: dict[str, Any]) -> dict[str, Any]:
    components: dict[str, Any] = resolved(only(template, "AWS::GreengrassV2::Deployment"))[
        "Components"
    ]
    return components


def test_deployment_names_the_components_of_others_too() -> None:
    components = deployed(configuration("v2-fleet-rollout", "DlrInferenceFleet-shop-floor"))
    assert components.keys() == {"DlrInferenceFleet.shop-floor", *BOTH}
    assert components["aws.greengrass.LogManager"] == {"ComponentVersion": "2.3.9"}
    shipper = components["com.org.LogShipper"]
    assert json.loads(shipper["ConfigurationUpdate"]["Merge"]) == {"level": "info"}
    assert "Reset" not in shipper["ConfigurationUpdate"]


def test_look_up_knows_target_and_names_and_comes_before_the_deployment(tmp_path: Path) -> None:
    template = template_of(tmp_path, components="aws.greengrass.LogManager=2.3.9")
    look_up = resolved(only(template, "Custom::KeptComponents"))
    assert look_up["TargetArn"] == "<Group.Arn>"
    assert look_up["Components"] == ["DlrInference.Demo", "aws.greengrass.LogManager"]
    assert look_up["MayDrop"] == "false"
    deployment = named(template, "Deployment")
    assert deployment is not None
    waited_for = {template["Resources"][name]["Type"] for name in deployment["DependsOn"]}
    assert "Custom::KeptComponents" in waited_for


def test_every_new_deployment_is_looked_up_before(tmp_path: Path) -> None:
    """CloudFormation asks again only when a property has changed."""
    changes: list[dict[str, object]] = [
        {},
        {"topK": "3"},
        {"feedbackBucketName": "samples"},
        {"components": "aws.greengrass.LogManager=2.3.9"},
    ]
    contents = {
        only(template_of(tmp_path / str(number), **change), "Custom::KeptComponents")[
            "SettingsDigest"
        ]
        for number, change in enumerate(changes)
    }
    assert len(contents) == len(changes)
    again = only(template_of(tmp_path / "again"), "Custom::KeptComponents")
    assert again["SettingsDigest"] in contents
    assert resolved(again["ComponentVersion"]) == "<InferenceVersion.ComponentVersion>"


def test_password_of_a_camera_is_not_in_the_look_up(tmp_path: Path) -> None:
    template = template_of(tmp_path, imageSource="rtsp://user:secret@camera/1")
    assert "secret" not in json.dumps(only(template, "Custom::KeptComponents"))


def test_user_can_let_all_go(tmp_path: Path) -> None:
    template = template_of(tmp_path, dropComponents="true")
    assert only(template, "Custom::KeptComponents")["MayDrop"] == "true"


def test_components_of_others_count_in_the_job_document(tmp_path: Path) -> None:
    large = {"com.org.LogShipper": {"version": "1.4.0", "configuration": {"text": "x" * 3_000}}}
    with pytest.raises(schema.ConfigurationError, match="nucleus lite accepts 3,286"):
        template_of(tmp_path, components=large)
