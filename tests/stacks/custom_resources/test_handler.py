"""The function behind the custom resources: what it answers CloudFormation, whatever happens."""

import pytest

from custom_resources import answer
from custom_resources.handler import handler
from tests.stacks.custom_resources.support import Answers, Stubs, event
from tests.waiting import replace_time


def test_refusal_fails_the_stack_with_its_reason(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.greengrassv2.add_client_error("list_component_versions", "AccessDeniedException", "no")
    handler(event(cloudformation, "ComponentRevision"), None)
    (answer,) = cloudformation.received
    assert answer["Status"] == "FAILED"
    assert "AccessDeniedException" in answer["Reason"]
    assert answer["PhysicalResourceId"] == "Resource"


def test_other_resource_fails_and_does_not_hang(cloudformation: Answers) -> None:
    handler(event(cloudformation, "Other"), None)
    assert cloudformation.received[0]["Status"] == "FAILED"


def test_deletion_asks_nothing_and_keeps_the_id(cloudformation: Answers) -> None:
    deletion = event(cloudformation, "ComponentRevision", "Delete", PhysicalResourceId="mine")
    handler(deletion, None)
    (answer,) = cloudformation.received
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "mine")


def test_answer_is_tried_again(cloudformation: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_time(monkeypatch, answer, sleep=lambda seconds: None)
    cloudformation.failures = 2
    handler(event(cloudformation, "IotEndpoints", "Delete"), None)
    assert len(cloudformation.received) == 1
    cloudformation.failures = 3
    with pytest.raises(OSError, match="503"):
        handler(event(cloudformation, "IotEndpoints", "Delete"), None)
