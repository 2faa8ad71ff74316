from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local_core.assembly import Assembly, AssemblyError
from local_core.intrinsics import Resolver, UnresolvedError
from local_core.nucleus.recipe import Artifact
from tests.local_core.assemblies import COMPONENT, HASH, VERSION, write_assembly

URI = f"s3://cdk-hnb659fds-assets-000000000000-us-east-1/{HASH}.zip"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_assembly(tmp_path / "cdk.out", merge={"messages": 4})


def test_component_deployment_and_assets_are_read(folder: Path) -> None:
    assembly = Assembly.load(folder)
    (recipe,) = assembly.components
    assert (recipe.name, recipe.version) == (COMPONENT, VERSION)
    assert recipe.manifests[0].artifacts == (Artifact(URI, unarchive=True),)
    assert assembly.assets == {URI: folder / f"asset.{HASH}"}
    assert assembly.deployment().thing_name == "Demo_Core"


def test_deployed_components_carry_their_update_and_leave_out_those_of_aws(folder: Path) -> None:
    (component,) = Assembly.load(folder).deployed_components()
    assert (component.recipe.name, component.recipe.version) == (COMPONENT, VERSION)
    assert (component.reset, component.merge) == (("",), {"messages": 4})


def change(folder: Path, edit: Any) -> None:
    file = folder / "Demo.template.json"
    template = json.loads(file.read_text())
    edit(template["Resources"])
    file.write_text(json.dumps(template))


def test_component_without_a_recipe_is_an_error(folder: Path) -> None:
    change(
        folder,
        lambda resources: resources["Deployment"]["Properties"]["Components"].update(
            {"com.Other": {"ComponentVersion": "9.9.9"}}
        ),
    )
    with pytest.raises(AssemblyError, match=r"no recipe of com\.Other 9\.9\.9"):
        Assembly.load(folder).deployed_components()


def test_assembly_without_a_deployment_is_an_error(folder: Path) -> None:
    change(folder, lambda resources: resources.pop("Deployment"))
    with pytest.raises(AssemblyError, match="expected one deployment, found 0"):
        Assembly.load(folder).deployment()


def test_value_known_only_after_a_deployment_is_named(folder: Path) -> None:
    change(folder, lambda resources: resources["Thing"]["Properties"].pop("ThingName"))
    with pytest.raises(AssemblyError, match=r"GetAtt Thing\.Arn is known only after"):
        Assembly.load(folder)


def test_folder_that_is_no_assembly_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match=str(tmp_path)):
        Assembly.load(tmp_path)


RECIPE = {"ComponentName": "com.A", "ComponentVersion": "1.0.0"}
TEMPLATE: dict[str, Any] = {
    "Parameters": {"Stage": {"Type": "String", "Default": "test"}},
    "Resources": {
        "Thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": "thing-1"}},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {}},
        "Component": {
            "Type": "AWS::GreengrassV2::ComponentVersion",
            "Properties": {"InlineRecipe": json.dumps(RECIPE)},
        },
    },
}


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("plain", "plain"),
        ({"a": [1, {"Ref": "AWS::Region"}]}, {"a": [1, "us-east-1"]}),
        ({"Fn::Join": ["-", ["a", {"Ref": "AWS::AccountId"}]]}, "a-000000000000"),
        ({"Fn::Sub": "${AWS::Partition}/${!Literal}/${Thing}"}, "aws/${Literal}/thing-1"),
        ({"Fn::Sub": ["${Own}.${Stage}", {"Own": {"Ref": "Thing"}}]}, "thing-1.test"),
        ({"Fn::Sub": "${Component.ComponentVersion}"}, "1.0.0"),
        ({"Fn::GetAtt": ["Component", "ComponentName"]}, "com.A"),
        ({"Fn::GetAtt": "Thing.Arn"}, "arn:aws:iot:us-east-1:000000000000:thing/thing-1"),
        ({"Fn::Select": [1, {"Fn::Split": ["/", "a/b/c"]}]}, "b"),
        (
            {"Ref": "Component"},
            "arn:aws:greengrass:us-east-1:000000000000:components:com.A:versions:1.0.0",
        ),
    ],
)
def test_intrinsic_functions(value: Any, result: Any) -> None:
    assert Resolver(TEMPLATE).resolve(value) == result


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"Ref": "Bucket"}, "Ref Bucket"),
        ({"Ref": "Nobody"}, "Ref Nobody"),
        ({"Fn::GetAtt": ["Bucket", "Arn"]}, "GetAtt Bucket.Arn"),
        ({"Fn::ImportValue": "x"}, "Fn::ImportValue is not supported"),
    ],
)
def test_what_cannot_be_resolved_is_named(value: Any, named: str) -> None:
    with pytest.raises(UnresolvedError) as caught:
        Resolver(TEMPLATE).resolve(value)
    assert named in str(caught.value)
