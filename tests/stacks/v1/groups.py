"""Synthesis of groups, and what AWS would receive."""

from pathlib import Path
from typing import Any

from aws_cdk.assertions import Template

from stacks.context.settings import Settings
from stacks.generations import read_settings
from stacks.v1.group_stack import GreengrassGroupStack
from tests.stacks.synthesis import context, new_app, only, resolved

GREENGRASS = "arn:aws:greengrass:ap-southeast-2"
CONNECTOR = f"{GREENGRASS}::/connectors/MLFeedback/versions/1"


def group_settings(folder: Path, **values: object) -> Settings:
    """Settings of a V1 core without faults, but for ``values``; None removes a key."""
    bucket = {"modelS3Uri": "s3://greengrass-models/ssd/model.tar.gz"}
    return read_settings(context(folder, **{"greengrassVersion": 1, **bucket, **values}))


def group_stack(folder: Path, **values: object) -> GreengrassGroupStack:
    """The stack of a V1 core with this context, not validated."""
    settings = group_settings(folder, **values)
    return GreengrassGroupStack(new_app(folder / "cdk.out"), settings=settings)


def group_template(folder: Path, **values: object) -> dict[str, Any]:
    """The template of a V1 core with this context."""
    return dict(Template.from_stack(group_stack(folder, **values)).to_json())


def version_of(template: dict[str, Any], kind: str) -> dict[str, Any]:
    """The properties of the one version of a definition, as the service gets them."""
    properties: dict[str, Any] = resolved(only(template, f"AWS::Greengrass::{kind}Version"))
    return properties


def the_function(template: dict[str, Any]) -> dict[str, Any]:
    """The group's one function."""
    (function,) = version_of(template, "FunctionDefinition")["Functions"]
    found: dict[str, Any] = function
    return found


def the_resource(template: dict[str, Any]) -> dict[str, Any]:
    """The group's one resource."""
    (resource,) = version_of(template, "ResourceDefinition")["Resources"]
    found: dict[str, Any] = resource
    return found


def output(template: dict[str, Any], name: str) -> str:
    """An output's value once the stack is deployed; a group version has the ARN that AWS gives."""
    text: str = resolved(_selected(template["Outputs"][name]["Value"]))
    return text


def _selected(value: Any) -> Any:
    if isinstance(value, list):
        return [_selected(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::Select"}:
        index, parts = value["Fn::Select"]
        separator, reference = parts["Fn::Split"]
        assert resolved(reference) == "<GroupVersion>"
        arn = f"{GREENGRASS}:123456789012:/greengrass/groups/<Group.Id>/versions/<version id>"
        return arn.split(separator)[index]
    return {key: _selected(item) for key, item in value.items()}
