"""The custom resource that refuses a deployment which would remove others' components."""

from typing import Any

import pytest

from custom_resources.handler import handler
from tests.stacks.custom_resources.support import Answers, Stubs, add_status, event

TARGET = "arn:aws:iot:eu-west-1:123456789012:thinggroup/Demo_Group"
KEPT = {"TargetArn": TARGET, "Components": ["DlrInference.Demo"], "MayDrop": "false"}


def kept(
    stubs: Stubs, cloudformation: Answers, deployed: dict[str, str] | None, **more: Any
) -> dict[str, Any]:
    """Ask whether a deployment may follow one with the components ``deployed``."""
    listed = [] if deployed is None else [{"deploymentId": "d", "deploymentStatus": "ACTIVE"}]
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


def test_components_of_others_are_named_with_what_keeps_them(
    stubs: Stubs, cloudformation: Answers
) -> None:
    add_status(stubs, "UPDATE_IN_PROGRESS")
    others = {"com.org.B": "2.0.0", "com.org.A": "1.0.0"}
    answer = kept(stubs, cloudformation, {"DlrInference.Demo": "1.2.0", **others})
    assert answer["Status"] == "FAILED"
    assert (
        "cores of Demo_Group would lose com.org.A, com.org.B, which somebody else deployed: keep "
        "them with -c components=com.org.A=1.0.0,com.org.B=2.0.0, or let them go with "
        "-c dropComponents=true"
    ) in answer["Reason"]


def test_rollback_is_not_refused(stubs: Stubs, cloudformation: Answers) -> None:
    """The stack would end in UPDATE_ROLLBACK_FAILED."""
    add_status(stubs, "UPDATE_ROLLBACK_IN_PROGRESS")
    deployed = {"DlrInference.Demo": "1.2.0", "com.org.A": "1.0.0"}
    assert kept(stubs, cloudformation, deployed)["Status"] == "SUCCESS"


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
