"""AWS::GreengrassV2::ComponentVersion and Deployment by our own handlers, and their API."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request

import pytest
import yaml
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud
from tests.cloud.support import (
    Device,
    StackError,
    Stacks,
    desired,
    publish_health,
    recipe,
    report_deployment,
)
from tests.cloud.v2_templates import component_version, deployment


def test_component_version_by_our_handler_is_created_replaced_and_deleted(
    cloud: LocalCloud, stacks: Stacks, stack: str, artifact: str, name: str
) -> None:
    greengrass = cloud.client("greengrassv2")
    attributes = {
        key: {"Fn::GetAtt": ["C", key]} for key in ("Arn", "ComponentName", "ComponentVersion")
    }
    stacks.deploy(stack, {"C": component_version(recipe(name, "1.0.0", artifact))}, attributes)
    arn = f"arn:aws:greengrass:us-east-1:000000000000:components:{name}:versions:1.0.0"
    expected = {"Arn": arn, "ComponentName": name, "ComponentVersion": "1.0.0"}
    assert stacks.outputs(stack) == expected
    assert greengrass.describe_component(arn=arn)["status"]["componentState"] == "DEPLOYABLE"

    stacks.deploy(stack, {"C": component_version(recipe(name, "1.0.1", artifact))}, attributes)
    [version] = greengrass.list_component_versions(arn=arn.partition(":versions")[0])[
        "componentVersions"
    ]
    assert version["componentVersion"] == "1.0.1"
    stacks.delete(stack)
    names = [c["componentName"] for c in greengrass.list_components()["components"]]
    assert name not in names


def test_component_version_that_is_retained_outlives_its_stack(
    cloud: LocalCloud, stacks: Stacks, stack: str, artifact: str, name: str
) -> None:
    keep = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    for version in ("1.0.0", "2.0.0"):
        stacks.deploy(stack, {"C": component_version(recipe(name, version, artifact), **keep)})
    stacks.delete(stack)
    arn = f"arn:aws:greengrass:us-east-1:000000000000:components:{name}"
    found = cloud.client("greengrassv2").list_component_versions(arn=arn)["componentVersions"]
    assert [item["componentVersion"] for item in found] == ["2.0.0", "1.0.0"]


def test_recipe_comes_back_with_the_digests_of_its_artifacts(
    cloud: LocalCloud, artifact: str, name: str
) -> None:
    greengrass = cloud.client("greengrassv2")
    text = yaml.safe_dump(recipe(name, "1.0.0", artifact)).encode()
    arn = greengrass.create_component_version(inlineRecipe=text)["arn"]
    for form, parse in (("JSON", json.loads), ("YAML", yaml.safe_load)):
        reply = greengrass.get_component(arn=arn, recipeOutputFormat=form)
        [found] = parse(reply["recipe"])["Manifests"][0]["Artifacts"]
        digest = base64.b64encode(hashlib.sha256(b"the code").digest()).decode()
        assert (found["Digest"], found["Algorithm"]) == (digest, "SHA-256")
    link = greengrass.get_component_version_artifact(
        arn=arn, artifactName=artifact.partition("://")[2]
    )["preSignedUrl"]
    with urllib.request.urlopen(link) as reply:
        assert reply.read() == b"the code"


def test_deployment_by_our_handler_is_created_superseded_and_deleted(
    cloud: LocalCloud, stacks: Stacks, stack: str, artifact: str, name: str, device: Device
) -> None:
    greengrass = cloud.client("greengrassv2")
    component = component_version(recipe(name, "1.0.0", artifact))
    stacks.deploy(stack, {"C": component, "D": deployment(device, name=name)})
    first = stacks.resource(stack, "D")
    found = greengrass.get_deployment(deploymentId=first)
    assert found["components"][name]["componentVersion"] == "1.0.0"
    assert found["components"][name]["configurationUpdate"] == {
        "reset": [""],
        "merge": '{"threshold": 0.7}',
    }
    assert found["deploymentPolicies"]["componentUpdatePolicy"]["timeoutInSeconds"] == 60
    assert (found["deploymentStatus"], found["revisionId"]) == ("ACTIVE", "1")

    kept = {"UpdateReplacePolicy": "Retain"}
    again = deployment(device, name=name, DeploymentName="again") | kept
    stacks.deploy(stack, {"C": component, "D": again})
    second = stacks.resource(stack, "D")
    listed = greengrass.list_deployments(targetArn=device.thing_arn, historyFilter="ALL")
    states = {
        d["deploymentId"]: (d["deploymentStatus"], d["isLatestForTarget"], d["revisionId"])
        for d in listed["deployments"]
    }
    assert states == {second: ("ACTIVE", True, "2"), first: ("INACTIVE", False, "1")}
    [latest] = greengrass.list_deployments(targetArn=device.thing_arn)["deployments"]
    assert latest["deploymentId"] == second

    stacks.delete(stack)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        greengrass.get_deployment(deploymentId=second)


def test_failed_update_leaves_the_old_deployment_as_the_latest(
    cloud: LocalCloud, stacks: Stacks, stack: str, artifact: str, name: str, device: Device
) -> None:
    resources = {
        "C": component_version(recipe(name, "1.0.0", artifact)),
        "D": deployment(device, name=name),
    }
    stacks.deploy(stack, resources)
    first = stacks.resource(stack, "D")
    resources["D"] = deployment(device, name=name, DeploymentName="again")
    bad = component_version(recipe(f"{name}.bad", "1", artifact), DependsOn="D")
    with pytest.raises(StackError, match=r"must be x\.y\.z"):
        stacks.deploy(stack, {**resources, "Bad": bad})
    assert stacks.status(stack) == "UPDATE_ROLLBACK_COMPLETE"
    [latest] = cloud.client("greengrassv2").list_deployments(targetArn=device.thing_arn)[
        "deployments"
    ]
    assert latest["deploymentId"] == first == stacks.resource(stack, "D")


def test_cancelled_deployment_cannot_be_cancelled_again(cloud: LocalCloud, device: Device) -> None:
    greengrass = cloud.client("greengrassv2")
    made = greengrass.create_deployment(targetArn=device.thing_arn)["deploymentId"]
    with pytest.raises(ClientError, match="cancel it first"):
        greengrass.delete_deployment(deploymentId=made)
    greengrass.cancel_deployment(deploymentId=made)
    assert greengrass.get_deployment(deploymentId=made)["deploymentStatus"] == "CANCELED"
    with pytest.raises(ClientError, match="ConflictException"):
        greengrass.cancel_deployment(deploymentId=made)
    greengrass.delete_deployment(deploymentId=made)


def test_candidates_are_resolved_to_the_highest_version_in_range(
    cloud: LocalCloud, name: str
) -> None:
    greengrass = cloud.client("greengrassv2")
    for version in ("1.0.0", "1.9.0", "1.10.0", "2.0.0"):
        text = json.dumps(recipe(name, version)).encode()
        greengrass.create_component_version(inlineRecipe=text)
    service = "aws.greengrass.TokenExchangeService"
    candidates = [
        {"componentName": name, "versionRequirements": {"a": "^1.0.0", "b": ">=1.1.0"}},
        {"componentName": service, "versionRequirements": {name: ">=2.0.0 <3.0.0"}},
    ]
    platform = {"attributes": {"os": "linux", "architecture": "amd64"}}
    found = greengrass.resolve_component_candidates(
        platform=platform, componentCandidates=candidates
    )["resolvedComponentVersions"]
    assert [item["componentVersion"] for item in found] == ["1.10.0", "2.0.3"]
    assert json.loads(found[0]["recipe"])["ComponentName"] == name
    assert ":aws:components:" in found[1]["arn"]
    missing = [{"componentName": name, "versionRequirements": {"a": "^3.0.0"}}]
    with pytest.raises(ClientError, match="No applicable version found"):
        greengrass.resolve_component_candidates(platform=platform, componentCandidates=missing)


def test_deployment_may_name_any_version_of_a_component_of_aws(
    cloud: LocalCloud, device: Device
) -> None:
    greengrass = cloud.client("greengrassv2")
    components = {
        "aws.greengrass.LogManager": {"componentVersion": "2.3.9"},
        "aws.greengrass.Nucleus": {"componentVersion": "2.12.0"},
    }
    greengrass.create_deployment(targetArn=device.thing_arn, components=components)
    candidates = [
        {"componentName": name, "versionRequirements": {"thing/a": one["componentVersion"]}}
        for name, one in components.items()
    ]
    platform = {"attributes": {"os": "linux"}}
    found = greengrass.resolve_component_candidates(
        platform=platform, componentCandidates=candidates
    )["resolvedComponentVersions"]
    assert {one["componentName"]: one["componentVersion"] for one in found} == {
        name: one["componentVersion"] for name, one in components.items()
    }
    excluding = {"thing/a": "2.3.9", "thinggroup/b": "2.3.8"}
    wanted = [{"componentName": "aws.greengrass.LogManager", "versionRequirements": excluding}]
    with pytest.raises(ClientError, match="No applicable version found"):
        greengrass.resolve_component_candidates(platform=platform, componentCandidates=wanted)


def test_core_that_reports_is_seen_by_the_api(cloud: LocalCloud, device: Device) -> None:
    greengrass = cloud.client("greengrassv2")
    with pytest.raises(ClientError, match="has never reported"):
        greengrass.get_core_device(coreDeviceThingName=device.thing)
    made = greengrass.create_deployment(targetArn=device.thing_arn, deploymentName="first")
    publish_health(cloud, device.thing, {"ggcVersion": "2.6.0"})
    report_deployment(cloud, device.thing, "IN_PROGRESS")
    [effective] = greengrass.list_effective_deployments(coreDeviceThingName=device.thing)[
        "effectiveDeployments"
    ]
    assert effective["deploymentId"] == made["deploymentId"]
    assert effective["coreDeviceExecutionStatus"] == "IN_PROGRESS"

    components = [
        {"componentName": "a", "version": "1.0.0", "status": "RUNNING"},
        {"componentName": "b", "version": "1.0.0", "status": "BROKEN", "isRoot": False},
    ]
    content = {"overallDeviceStatus": "UNHEALTHY", "components": components}
    publish_health(cloud, device.thing, content)
    report_deployment(cloud, device.thing, "SUCCEEDED")
    found = greengrass.get_core_device(coreDeviceThingName=device.thing)
    assert (found["status"], found["coreVersion"]) == ("UNHEALTHY", "2.6.0")
    listed = [d["coreDeviceThingName"] for d in greengrass.list_core_devices()["coreDevices"]]
    assert device.thing in listed
    roots, everything = (
        greengrass.list_installed_components(
            coreDeviceThingName=device.thing, topologyFilter=topology
        )["installedComponents"]
        for topology in ("ROOT", "ALL")
    )
    assert [c["componentName"] for c in roots] == ["a"]
    assert [c["lifecycleState"] for c in everything] == ["RUNNING", "BROKEN"]
    status = greengrass.get_deployment(deploymentId=made["deploymentId"])["deploymentStatus"]
    assert status == "COMPLETED"


def test_partial_health_message_changes_the_components_that_it_names(
    cloud: LocalCloud, device: Device
) -> None:
    a, b = ({"componentName": n, "version": "1.0.0", "status": "RUNNING"} for n in ("a", "b"))
    publish_health(cloud, device.thing, {"components": [a, b]})
    partial = {"messageType": "PARTIAL", "components": [{**b, "status": "ERRORED"}]}
    publish_health(cloud, device.thing, partial)
    found = cloud.client("greengrassv2").list_installed_components(coreDeviceThingName=device.thing)
    states = {c["componentName"]: c["lifecycleState"] for c in found["installedComponents"]}
    assert states == {"a": "RUNNING", "b": "ERRORED"}


def test_health_message_of_a_thing_that_is_gone_is_ignored(
    cloud: LocalCloud, device: Device
) -> None:
    greengrass, iot = cloud.client("greengrassv2"), cloud.client("iot")
    iot.create_thing(thingName=f"{device.thing}-gone")
    iot.delete_thing(thingName=f"{device.thing}-gone")
    publish_health(cloud, f"{device.thing}-gone", {"ggcVersion": "2.6.0"})
    publish_health(cloud, device.thing, {"ggcVersion": "2.6.0"})
    assert greengrass.get_core_device(coreDeviceThingName=device.thing)["coreVersion"] == "2.6.0"
    with pytest.raises(greengrass.exceptions.ResourceNotFoundException):
        greengrass.get_core_device(coreDeviceThingName=f"{device.thing}-gone")


def test_health_message_that_is_malformed_is_ignored(cloud: LocalCloud, device: Device) -> None:
    publish_health(cloud, device.thing, {"components": []})
    for bad in ({"componentName": "a", "version": "1.0.0", "status": "ASLEEP"}, {}, "a"):
        publish_health(cloud, device.thing, {"components": [bad]})
    found = cloud.client("greengrassv2").list_installed_components(coreDeviceThingName=device.thing)
    assert found["installedComponents"] == []


def test_deployment_to_a_thing_stands_in_its_shadow(
    cloud: LocalCloud, device: Device, name: str
) -> None:
    greengrass = cloud.client("greengrassv2")
    text = json.dumps(recipe(name, "1.0.0")).encode()
    greengrass.create_component_version(inlineRecipe=text)
    update = {"reset": [""], "merge": '{"threshold": 0.7}'}
    made = greengrass.create_deployment(
        targetArn=device.thing_arn,
        deploymentName="first",
        components={name: {"componentVersion": "1.0.0", "configurationUpdate": update}},
    )["deploymentId"]
    document = json.loads(desired(cloud, device.thing)["fleetConfig"])
    assert document.pop("creationTimestamp") > 0
    assert document == {
        "deploymentId": made,
        "configurationArn": (
            f"arn:aws:greengrass:us-east-1:000000000000:configuration:thing/{device.thing}:1"
        ),
        "deploymentName": "first",
        "components": {
            name: {
                "version": "1.0.0",
                "configurationUpdate": {"reset": [""], "merge": {"threshold": 0.7}},
            }
        },
        "failureHandlingPolicy": "ROLLBACK",
        "componentUpdatePolicy": {"timeout": 60, "action": "NOTIFY_COMPONENTS"},
        "configurationValidationPolicy": {"timeout": 60},
    }
    greengrass.cancel_deployment(deploymentId=made)
    assert desired(cloud, device.thing)["desiredStatus"] == "CANCELED"
    greengrass.delete_deployment(deploymentId=made)
    assert desired(cloud, device.thing) == {}


def test_deployment_to_a_thing_is_refused_if_its_document_is_too_large(
    cloud: LocalCloud, device: Device, name: str
) -> None:
    greengrass = cloud.client("greengrassv2")
    text = json.dumps(recipe(name, "1.0.0")).encode()
    greengrass.create_component_version(inlineRecipe=text)
    update = {"merge": json.dumps({"words": "a" * 7_168})}
    with pytest.raises(ClientError, match="more than the 7168 of a deployment to a thing"):
        greengrass.create_deployment(
            targetArn=device.thing_arn,
            components={name: {"componentVersion": "1.0.0", "configurationUpdate": update}},
        )
    assert greengrass.list_deployments(targetArn=device.thing_arn)["deployments"] == []
