"""The custom resource that lets a fleet be deployed again after a failed first deployment."""

import pytest

from custom_resources.handler import handler
from tests.stacks.custom_resources.support import Answers, Stubs, add_status, event

STACK = "stack"


def asked_to(request: str, cloudformation: Answers) -> str:
    """Make a request; return the status of the answer."""
    properties = {"Stack": STACK}
    handler(event(cloudformation, "FleetProtection", request, ResourceProperties=properties), None)
    return str(cloudformation.received[-1]["Status"])


def test_protection_is_lifted_when_the_creation_is_undone(
    stubs: Stubs, cloudformation: Answers
) -> None:
    assert asked_to("Create", cloudformation) == "SUCCESS"
    add_status(stubs, "ROLLBACK_IN_PROGRESS")
    stubs.cloudformation.add_response(
        "update_termination_protection",
        {},
        {"StackName": STACK, "EnableTerminationProtection": False},
    )
    assert asked_to("Delete", cloudformation) == "SUCCESS"


@pytest.mark.parametrize(
    "status",
    [
        "DELETE_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    ],
)
def test_protection_of_a_fleet_that_was_complete_stays(
    stubs: Stubs, cloudformation: Answers, status: str
) -> None:
    add_status(stubs, status)
    assert asked_to("Delete", cloudformation) == "SUCCESS"
