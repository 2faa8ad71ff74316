"""The custom resource that puts a core into its thing group."""

from typing import Any

import pytest

from custom_resources.handler import handler
from tests.stacks.custom_resources.support import Answers, Stubs, event

MEMBERSHIP = {"ThingName": "Demo_Core", "ThingGroupName": "Demo_Group"}
BY_NAME = {"thingName": "Demo_Core", "thingGroupName": "Demo_Group"}


def membership(cloudformation: Answers, request: str, **more: Any) -> Any:
    properties = {"ResourceProperties": MEMBERSHIP}
    return event(cloudformation, "ThingGroupMembership", request, **properties, **more)


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_thing_joins_its_group(stubs: Stubs, cloudformation: Answers, request_type: str) -> None:
    stubs.iot.add_response("add_thing_to_thing_group", {}, BY_NAME)
    handler(membership(cloudformation, request_type), None)
    (answer,) = cloudformation.received
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "Demo_Group/Demo_Core")


def test_deleted_membership_takes_the_thing_out(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.iot.add_response("remove_thing_from_thing_group", {}, BY_NAME)
    handler(membership(cloudformation, "Delete", PhysicalResourceId="mine"), None)
    (answer,) = cloudformation.received
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "mine")


def test_thing_that_is_gone_has_left_its_group(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.iot.add_client_error(
        "remove_thing_from_thing_group", "ResourceNotFoundException", http_status_code=404
    )
    handler(membership(cloudformation, "Delete"), None)
    assert cloudformation.received[0]["Status"] == "SUCCESS"


def test_membership_that_cannot_be_ended_fails_with_its_reason(
    stubs: Stubs, cloudformation: Answers
) -> None:
    stubs.iot.add_client_error("remove_thing_from_thing_group", "ThrottlingException", "slowly")
    handler(membership(cloudformation, "Delete"), None)
    (answer,) = cloudformation.received
    assert answer["Status"] == "FAILED"
    assert "slowly" in answer["Reason"]
