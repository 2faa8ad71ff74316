"""The custom resource that refuses a deployment which would remove others' components."""

from typing import Any

import pytest

from custom_resources.handler import handler
from tests.stacks.custom_resources.support import Answers, Stubs, add_status, event

TARGET = "arn:aws:iot:eu-west-1:123456789012:thinggroup/Demo_Group"
KEPT = {"TargetArn": TARGET, "Components": ["DlrInference.Demo"], "MayDrop": "false"}


def kept(
    stubs: Stubs,
    cloudformation: Answers,
    deployed: dict[str, str] | None,
    *,
    status: str = "ACTIVE",
    **more: Any,
) -> dict[str, Any]:
    """Ask whether a deployment may follow one with the components ``deployed``."""
    listed = [] if deployed is None else [{"deploymentId": "d", "deploymentStatus": status}]
    stubs.greengrassv2.add_response(
        "list_deployments",
        {"deployments": listed},
        {"targetArn": TARGET, "historyFilter": "LATEST_ONLY"},
    )
    if deployed is not None:
        components = {name: {"componentVersion": version} for name, version in deployed.items()}
        stubs.greengrassv2.add_response(
            "get_deployment", {"components": components}, {"deploymentId": "d"}
        )
    properties = {"ResourceProperties": KEPT}
    handler(event(cloudformation, "KeptComponents", "Update", **{**properties, **more}), None)
    return cloudformation.received[-1]


@pytest.mark.parametrize("deployed", [None, {}, {"DlrInference.Demo": "1.2.0"}])
def test_deployment_that_removes_nothing_of_others_is_allowed(
    stubs: Stubs, cloudformation: Answers, deployed: dict[str, str] | None
) -> None:
    answer = kept(stubs, cloudformation, deployed)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", TARGET)


@pytest.mark.parametrize("status", ["ACTIVE", "COMPLETED", "CANCELED"])
def test_components_of_others_are_named_with_what_keeps_them(
    stubs: Stubs, cloudformation: Answers, status: str
) -> None:
    """Also after a rollout that was aborted: it has reached some cores."""
    add_status(stubs, "UPDATE_IN_PROGRESS")
    others = {"com.org.B": "2.0.0", "com.org.A": "1.0.0"}
    answer = kept(stubs, cloudformation, {"DlrInference.Demo": "1.2.0", **others}, status=status)
    assert answer["Status"] == "FAILED"
    assert (
        "cores of Demo_Group would lose com.org.A, com.org.B, which somebody else deployed: keep "
        "them with -c components=com.org.A=1.0.0,com.org.B=2.0.0, or let them be removed with "
        "-c dropComponents=true"
    ) in answer["Reason"]


def test_a_deployment_whose_successor_was_deleted_is_none(
    stubs: Stubs, cloudformation: Answers
) -> None:
    """As after the deletion of a fleet whose group had a deployment of others before."""
    listed = {"deployments": [{"deploymentId": "d", "deploymentStatus": "INACTIVE"}]}
    request = {"targetArn": TARGET, "historyFilter": "LATEST_ONLY"}
    stubs.greengrassv2.add_response("list_deployments", listed, request)
    handler(event(cloudformation, "KeptComponents", "Update", ResourceProperties=KEPT), None)
    assert cloudformation.received[-1]["Status"] == "SUCCESS"


def test_rollback_is_not_refused(stubs: Stubs, cloudformation: Answers) -> None:
    """The stack would end in UPDATE_ROLLBACK_FAILED."""
    add_status(stubs, "UPDATE_ROLLBACK_IN_PROGRESS")
    deployed = {"DlrInference.Demo": "1.2.0", "com.org.A": "1.0.0"}
    assert kept(stubs, cloudformation, deployed)["Status"] == "SUCCESS"


GROUPS = {**KEPT, "ThingGroups": ["shop-floor", "shop-floor-canary"]}


def without_canary(
    stubs: Stubs, cloudformation: Answers, things: list[str], status: str | None = None
) -> dict[str, Any]:
    """Ask whether a fleet may lose its canary, which has these ``things``."""
    stubs.iot.add_response(
        "list_things_in_thing_group", {"things": things}, {"thingGroupName": "shop-floor-canary"}
    )
    if status is not None:
        add_status(stubs, status)
    else:
        stubs.greengrassv2.add_response("list_deployments", {"deployments": []})
    request = event(
        cloudformation,
        "KeptComponents",
        "Update",
        ResourceProperties={**KEPT, "ThingGroups": ["shop-floor"]},
        OldResourceProperties=GROUPS,
    )
    handler(request, None)
    return cloudformation.received[-1]


def test_canary_with_cores_is_not_deleted(stubs: Stubs, cloudformation: Answers) -> None:
    """CloudFormation deletes the group when the update is complete: no failure stops it then."""
    answer = without_canary(stubs, cloudformation, ["press-8_Core"], "UPDATE_IN_PROGRESS")
    assert answer["Status"] == "FAILED"
    kept = "shop-floor-canary would be deleted and still has 1 cores (press-8_Core), which"
    assert kept in answer["Reason"]


def test_empty_canary_may_go(stubs: Stubs, cloudformation: Answers) -> None:
    assert without_canary(stubs, cloudformation, [])["Status"] == "SUCCESS"


def test_rollback_of_a_canary_is_not_refused(stubs: Stubs, cloudformation: Answers) -> None:
    status = "UPDATE_ROLLBACK_IN_PROGRESS"
    answer = without_canary(stubs, cloudformation, ["press-8_Core"], status)
    assert answer["Status"] == "SUCCESS"


def test_component_that_the_stack_itself_deployed_may_go(
    stubs: Stubs, cloudformation: Answers
) -> None:
    """It was taken out of the context, or the update that added it is rolled back."""
    old = {**KEPT, "Components": ["DlrInference.Demo", "com.org.A"]}
    answer = kept(
        stubs,
        cloudformation,
        {"DlrInference.Demo": "1.2.0", "com.org.A": "1.0.0"},
        OldResourceProperties=old,
    )
    assert answer["Status"] == "SUCCESS"


def test_whoever_lets_components_go_is_not_asked(cloudformation: Answers) -> None:
    properties = {**KEPT, "MayDrop": "true"}
    handler(event(cloudformation, "KeptComponents", ResourceProperties=properties), None)
    assert cloudformation.received[-1]["Status"] == "SUCCESS"
