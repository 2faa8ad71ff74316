"""Thing groups as targets of deployments: which cores get them, and what becomes of the group."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud
from tests.cloud.support import Device, Stacks, recipe
from tests.cloud.v2_templates import component_version, deployment


@pytest.fixture
def group(cloud: LocalCloud) -> str:
    """The ARN of a thing group, whose name has a colon, as it may."""
    made = cloud.client("iot").create_thing_group(thingGroupName=f"a:{uuid.uuid4().hex[:8]}")
    return str(made["thingGroupArn"])


def _jobs(device: Device) -> list[dict[str, Any]]:
    """The jobs that a core is to carry out, the next one first."""
    data = device.cloud.client("iot-jobs-data")
    pending = data.get_pending_job_executions(thingName=device.thing)
    return [*pending["inProgressJobs"], *pending["queuedJobs"]]


def _deployments(device: Device) -> list[str]:
    """The ids of the deployments in these jobs."""
    data = device.cloud.client("iot-jobs-data")
    executions = [
        data.describe_job_execution(jobId=job["jobId"], thingName=device.thing)["execution"]
        for job in _jobs(device)
    ]
    return [json.loads(one["jobDocument"])["deploymentId"] for one in executions]


def _member(device: Device, group: str, change: str = "add_thing_to_thing_group") -> None:
    iot = device.cloud.client("iot")
    getattr(iot, change)(thingGroupName=group.partition("/")[2], thingName=device.thing)


def _deployed(cloud: LocalCloud, target: str) -> str:
    made: str = cloud.client("greengrassv2").create_deployment(targetArn=target)["deploymentId"]
    return made


def test_core_gets_the_latest_deployment_of_each_of_its_groups_the_oldest_first(
    cloud: LocalCloud, device: Device, group: str
) -> None:
    another = cloud.client("iot").create_thing_group(thingGroupName=f"{uuid.uuid4().hex}")
    _member(device, group)
    _member(device, another["thingGroupArn"])
    _deployed(cloud, group)
    _deployed(cloud, device.thing_arn)
    groups = _deployed(cloud, group)
    others = _deployed(cloud, another["thingGroupArn"])
    assert _deployments(device) == [groups, others]


def test_job_document_says_what_the_deployment_says(
    cloud: LocalCloud, device: Device, group: str, name: str
) -> None:
    greengrass = cloud.client("greengrassv2")
    text = json.dumps(recipe(name, "1.0.0")).encode()
    greengrass.create_component_version(inlineRecipe=text)
    made = greengrass.create_deployment(
        targetArn=group,
        components={name: {"componentVersion": "1.0.0"}},
        deploymentPolicies={"failureHandlingPolicy": "DO_NOTHING"},
    )
    job = cloud.client("iot").describe_job(jobId=made["iotJobId"])["job"]
    assert (job["targets"], job["targetSelection"]) == ([group], "CONTINUOUS")
    document = json.loads(cloud.client("iot").get_job_document(jobId=made["iotJobId"])["document"])
    target = group.split(":", 5)[5]
    assert document["configurationArn"].endswith(f":configuration:{target}:1")
    assert document["components"] == {name: {"version": "1.0.0"}}
    assert document["failureHandlingPolicy"] == "DO_NOTHING"


def test_job_has_the_limits_of_its_deployment(cloud: LocalCloud, group: str) -> None:
    limits = {
        "timeoutConfig": {"inProgressTimeoutInMinutes": 60},
        "jobExecutionsRolloutConfig": {"maximumPerMinute": 7},
        "abortConfig": {
            "criteriaList": [
                {
                    "action": "CANCEL",
                    "failureType": "FAILED",
                    "minNumberOfExecutedThings": 3,
                    "thresholdPercentage": 50.0,
                }
            ]
        },
    }
    made = cloud.client("greengrassv2").create_deployment(
        targetArn=group, iotJobConfiguration=limits
    )
    job = cloud.client("iot").describe_job(jobId=made["iotJobId"])["job"]
    assert {name: job[name] for name in limits} == limits


def test_new_deployment_to_a_group_cancels_the_job_before_even_if_it_was_begun(
    cloud: LocalCloud, device: Device, group: str
) -> None:
    _member(device, group)
    _deployed(cloud, group)
    [job] = _jobs(device)
    data = cloud.client("iot-jobs-data")
    data.update_job_execution(jobId=job["jobId"], thingName=device.thing, status="IN_PROGRESS")
    made = _deployed(cloud, group)
    assert _deployments(device) == [made]
    assert cloud.client("iot").describe_job(jobId=job["jobId"])["job"]["status"] == "CANCELED"


def test_deleted_deployment_takes_its_job_with_it(cloud: LocalCloud, group: str) -> None:
    greengrass = cloud.client("greengrassv2")
    made = greengrass.create_deployment(targetArn=group)
    greengrass.cancel_deployment(deploymentId=made["deploymentId"])
    greengrass.delete_deployment(deploymentId=made["deploymentId"])
    with pytest.raises(ClientError, match="cannot be found"):
        cloud.client("iot").describe_job(jobId=made["iotJobId"])


def test_only_members_get_a_groups_deployment(
    cloud: LocalCloud, device: Device, group: str
) -> None:
    made = _deployed(cloud, group)
    assert _deployments(device) == []
    _member(device, group)
    assert _deployments(device) == [made]
    assert _deployments(Device.registered(cloud)) == []
    _member(device, group, "remove_thing_from_thing_group")
    assert _deployments(device) == []


def test_deployment_that_was_cancelled_reaches_no_core(
    cloud: LocalCloud, device: Device, group: str
) -> None:
    made = _deployed(cloud, group)
    cloud.client("greengrassv2").cancel_deployment(deploymentId=made)
    _member(device, group)
    assert _deployments(device) == []


def test_deployment_to_a_group_that_is_not_there_is_refused(cloud: LocalCloud) -> None:
    with pytest.raises(ClientError, match=r"ResourceNotFoundException.*thinggroup/none does not"):
        _deployed(cloud, "arn:aws:iot:us-east-1:000000000000:thinggroup/none")


def test_group_of_a_template_is_deployed_to_and_outlives_its_stack(
    cloud: LocalCloud, stacks: Stacks, stack: str, artifact: str, name: str, device: Device
) -> None:
    group: dict[str, Any] = {
        "Type": "AWS::IoT::ThingGroup",
        "Properties": {"ThingGroupName": stack},
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
    }
    target = {"Fn::GetAtt": ["G", "Arn"]}
    resources = {
        "C": component_version(recipe(name, "1.0.0", artifact)),
        "G": group,
        "D": deployment(device, name=name, TargetArn=target),
    }
    stacks.deploy(stack, resources)
    made = stacks.resource(stack, "D")
    found = cloud.client("greengrassv2").get_deployment(deploymentId=made)
    arn = f"arn:aws:iot:us-east-1:000000000000:thinggroup/{stack}"
    assert (found["targetArn"], found["deploymentStatus"]) == (arn, "ACTIVE")
    _member(device, arn)
    assert _deployments(device) == [made]
    stacks.delete(stack)
    iot = cloud.client("iot")
    assert iot.list_things_in_thing_group(thingGroupName=stack)["things"] == [device.thing]
    assert _deployments(device) == []


def test_groups_below_a_group_are_listed_and_no_others(cloud: LocalCloud) -> None:
    iot, stem = cloud.client("iot"), uuid.uuid4().hex[:8]
    iot.create_thing_group(thingGroupName=stem)
    for name, parent in (("a", stem), ("b", stem), ("a-1", f"{stem}-a")):
        iot.create_thing_group(thingGroupName=f"{stem}-{name}", parentGroupName=parent)

    def listed(**request: Any) -> list[str]:
        found = iot.list_thing_groups(**request)["thingGroups"]
        return sorted(one["groupName"].removeprefix(stem) for one in found)

    assert listed(parentGroup=stem, recursive=False) == ["-a", "-b"]
    assert listed(parentGroup=stem) == ["-a", "-a-1", "-b"]
    assert listed(namePrefixFilter=f"{stem}-a") == ["-a", "-a-1"]
    assert listed(namePrefixFilter=stem, recursive=False) == [""]
    assert {"", "-a", "-b", "-a-1"} <= set(listed())
    with pytest.raises(ClientError, match="does not exist"):
        listed(parentGroup=f"{stem}-c")
