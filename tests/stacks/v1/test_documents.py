"""The group's documents, read as the service and as CloudFormation's linter would."""

import gzip
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import botocore
import pytest
from botocore import xform_name
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

from tests.stacks.synthesis import resolved
from tests.stacks.v1.groups import group_stack, group_template, output, version_of

KINDS = ("Connector", "Core", "Function", "Logger", "Resource", "Subscription")
ID = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
"""Ids and names of whatever stands in a definition, by the API's documentation."""


@pytest.fixture(scope="module")
def service() -> ServiceModel:
    data = Path(botocore.__file__).parent / "data" / "greengrass" / "2017-06-07"
    with gzip.open(data / "service-2.json.gz") as file:
        return ServiceModel(json.load(file), "greengrass")


def faults(shape: Shape, value: Any, path: str = "") -> list[str]:
    """What botocore's own validator reports, and wrong values of enumerations, which it ignores."""
    found = [ParamValidator().validate(value, shape).generate_report()] if not path else []
    if shape.type_name == "structure":
        for key, part in value.items():
            found += faults(shape.members[key], part, f"{path}.{key}")
    elif shape.type_name == "list":
        for part in value:
            found += faults(shape.member, part, f"{path}[]")
    elif shape.metadata.get("enum") and value not in shape.metadata["enum"]:
        found.append(f"{path}={value!r} is not one of {shape.metadata['enum']}")
    return [one for one in found if one]


@pytest.mark.parametrize("kind", KINDS)
def test_definition_version_is_one_that_the_service_accepts(
    template: dict[str, Any], service: ServiceModel, kind: str
) -> None:
    shape = service.operation_model(f"Create{kind}DefinitionVersion").input_shape
    assert faults(shape, version_of(template, f"{kind}Definition")) == []


def test_group_version_is_one_that_the_service_accepts(
    template: dict[str, Any], service: ServiceModel
) -> None:
    (version,) = [
        resolved(one["Properties"])
        for one in template["Resources"].values()
        if one["Type"] == "AWS::Greengrass::GroupVersion"
    ]
    shape = service.operation_model("CreateGroupVersion").input_shape
    assert faults(shape, version) == []
    assert version.keys() == shape.members.keys() - {
        "AmznClientToken",
        "DeviceDefinitionVersionArn",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_unique_and_of_the_documented_characters(
    template: dict[str, Any], kind: str
) -> None:
    entries = version_of(template, f"{kind}Definition")[f"{kind}s"]
    ids = [entry["Id"] for entry in entries]
    assert len(set(ids)) == len(ids)
    assert all(ID.fullmatch(text) for text in ids)
    assert all(ID.fullmatch(entry["Name"]) for entry in entries if "Name" in entry)


def test_ids_of_the_longest_core_name_fit(tmp_path: Path) -> None:
    template = group_template(tmp_path, coreName="n" * 64)
    (core,) = version_of(template, "CoreDefinition")["Cores"]
    assert ID.fullmatch(core["Id"])


def test_deploy_command_is_one_that_the_service_accepts(
    template: dict[str, Any], service: ServiceModel
) -> None:
    words = shlex.split(output(template, "CommandToDeployGroup"))
    assert words[:2] == ["aws", "--region"]
    assert words[3:5] == ["greengrass", xform_name("CreateDeployment", "-")]
    request = json.loads(words[words.index("--cli-input-json") + 1])
    shape = service.operation_model("CreateDeployment").input_shape
    assert faults(shape, request) == []


def test_linter_finds_nothing_but_the_shutdown(tmp_path: Path) -> None:
    """W3005 is left out: CDK orders a function after its role by reference and by DependsOn."""
    stack = group_stack(tmp_path)
    root = stack.node.root
    assert isinstance(root, cdk.App)
    folder = root.synth().directory
    linter = Path(sys.executable).with_name("cfn-lint")
    options = ["--format", "json", "--ignore-checks", "W3005", "--regions", "us-east-1", "--"]
    result = subprocess.run(
        [linter, *options, Path(folder) / stack.template_file],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {finding["Rule"]["Id"] for finding in json.loads(result.stdout or "[]")}
    assert found == {"W3696"}, result.stderr
