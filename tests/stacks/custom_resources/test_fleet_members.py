"""The custom resource that keeps a fleet's stack while cores need it."""

from typing import Any

from custom_resources.handler import handler
from tests.stacks.custom_resources.support import Answers, Stubs, event


def members(cloudformation: Answers, request: str) -> dict[str, Any]:
    """Ask for the protection of a fleet; return the answer."""
    properties = {"ThingGroupName": "shop-floor", "ClaimPolicyName": "shop-floor_ClaimPolicy"}
    asked = event(cloudformation, "FleetMembers", request, ResourceProperties=properties)
    handler(asked, None)
    return cloudformation.received[-1]


def test_fleet_is_asked_for_its_members_only_at_its_deletion(cloudformation: Answers) -> None:
    answer = members(cloudformation, "Create")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "shop-floor")


def test_fleet_without_cores_is_deleted(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.iot.add_response(
        "list_things_in_thing_group", {"things": []}, {"thingGroupName": "shop-floor"}
    )
    stubs.iot.add_response(
        "list_targets_for_policy", {"targets": []}, {"policyName": "shop-floor_ClaimPolicy"}
    )
    assert members(cloudformation, "Delete")["Status"] == "SUCCESS"
    stubs.iot.add_client_error("list_things_in_thing_group", "ResourceNotFoundException")
    stubs.iot.add_client_error("list_targets_for_policy", "ResourceNotFoundException")
    assert members(cloudformation, "Delete")["Status"] == "SUCCESS"


def test_fleet_with_cores_is_kept_and_some_are_named(stubs: Stubs, cloudformation: Answers) -> None:
    pages = (
        {"things": ["a_Core", "b_Core"], "nextToken": "more"},
        {"things": ["c_Core", "d_Core"]},
    )
    for page in pages:
        stubs.iot.add_response("list_things_in_thing_group", page)
    answer = members(cloudformation, "Delete")
    assert answer["Status"] == "FAILED"
    assert (
        "the fleet shop-floor still has 4 cores (a_Core, b_Core, c_Core, …), which need this "
        "stack: remove them first (docs/fleet.md)"
    ) in answer["Reason"]


def test_fleet_with_claims_is_kept(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.iot.add_response("list_things_in_thing_group", {"things": []})
    stubs.iot.add_response("list_targets_for_policy", {"targets": ["arn:a", "arn:b"]})
    answer = members(cloudformation, "Delete")
    assert answer["Status"] == "FAILED"
    assert (
        "the fleet shop-floor still has 2 claim certificates, with which devices join it: end them "
        "first (mli fleet claim shop-floor --end)"
    ) in answer["Reason"]


def test_fleet_whose_members_cannot_be_listed_is_kept(
    stubs: Stubs, cloudformation: Answers
) -> None:
    stubs.iot.add_client_error("list_things_in_thing_group", "ThrottlingException", "slowly")
    assert "slowly" in members(cloudformation, "Delete")["Reason"]
