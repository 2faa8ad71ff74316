"""Thing groups as targets of deployments: which cores get them, and what becomes of the group."""

from __future__ import annotations

import json
import urllib.request
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


def _orders(device: Device) -> list[str]:
    """The ids of what a core is to carry out."""
    url = f"{device.cloud.endpoint}/_core/2/things/{device.thing}"
    with urllib.request.urlopen(url) as reply:
        return [order["deploymentId"] for order in json.load(reply)]


def _member(device: Device, group: str, change: str = "add_thing_to_thing_group") -> None:
    iot = device.cloud.client("iot")
    getattr(iot, change)(thingGroupName=group.partition("/")[2], thingName=device.thing)


def _deployed(cloud: LocalCloud, target: str) -> str:
    made: str = cloud.client("greengrassv2").create_deployment(targetArn=target)["deploymentId"]
    return made


def test_core_gets_the_latest_deployment_of_each_of_its_targets_the_oldest_first(
    cloud: LocalCloud, device: Device, group: str
) -> None:
    another = cloud.client("iot").create_thing_group(thingGroupName=f"{uuid.uuid4().hex}")
    _member(device, group)
    _member(device, another["thingGroupArn"])
    _deployed(cloud, group)
    own = _deployed(cloud, device.thing_arn)
    groups = _deployed(cloud, group)
    others = _deployed(cloud, another["thingGroupArn"])
    assert _orders(device) == [own, groups, others]


def test_only_members_get_a_groups_deployment(
    cloud: LocalCloud, device: Device, group: str
) -> None:
    made = _deployed(cloud, group)
    assert _orders(device) == []
    _member(device, group)
    assert _orders(device) == [made]
    assert _orders(Device.registered(cloud)) == []
    _member(device, group, "remove_thing_from_thing_group")
    assert _orders(device) == []


def test_deployment_that_was_cancelled_reaches_no_core(
    cloud: LocalCloud, device: Device, group: str
) -> None:
    made = _deployed(cloud, group)
    cloud.client("greengrassv2").cancel_deployment(deploymentId=made)
    _member(device, group)
    assert _orders(device) == []


def test_deployment_of_a_deleted_group_reaches_no_core(
    cloud: LocalCloud, device: Device, group: str
) -> None:
    _deployed(cloud, group)
    _member(device, group)
    cloud.client("iot").delete_thing_group(thingGroupName=group.partition("/")[2])
    assert _orders(device) == []


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
    assert _orders(device) == [made]
    stacks.delete(stack)
    iot = cloud.client("iot")
    assert iot.list_things_in_thing_group(thingGroupName=stack)["things"] == [device.thing]
    assert _orders(device) == []
