"""The custom resources that look something up: endpoints, revisions, an image."""

from typing import Any

import pytest

from custom_resources.handler import handler
from tests.stacks.custom_resources.support import ARN, Answers, Stubs, event


def versions(*numbers: str) -> dict[str, Any]:
    return {"componentVersions": [{"componentVersion": number} for number in numbers]}


def test_endpoints_are_the_account_s_own(stubs: Stubs, cloudformation: Answers) -> None:
    for kind, address in (("iot:Data-ATS", "a-ats.iot"), ("iot:CredentialProvider", "c.cred")):
        stubs.iot.add_response(
            "describe_endpoint", {"endpointAddress": address}, {"endpointType": kind}
        )
    handler(event(cloudformation, "IotEndpoints"), None)
    assert cloudformation.received == [
        {
            "Status": "SUCCESS",
            "Reason": "",
            "PhysicalResourceId": "iot-endpoints",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Resource",
            "Data": {"Data": "a-ats.iot", "Credentials": "c.cred"},
        }
    ]
    assert cloudformation.content_types == [""]


@pytest.mark.parametrize(
    ("existing", "revision"),
    [
        ((), "0"),
        (("99.1.7",), "0"),
        (("12.345.0",), "1"),
        (("12.345.9", "12.345.10", "12.345.2"), "11"),
        (("12.3456.8", "112.345.8"), "0"),
    ],
)
def test_revision_is_the_first_that_is_free_after_the_last(
    stubs: Stubs, cloudformation: Answers, existing: tuple[str, ...], revision: str
) -> None:
    stubs.greengrassv2.add_response("list_component_versions", versions(*existing), {"arn": ARN})
    handler(event(cloudformation, "ComponentRevision"), None)
    (answer,) = cloudformation.received
    assert answer["Data"] == {"Revision": revision}
    assert answer["PhysicalResourceId"] == f"{ARN}:12.345"


def test_every_page_of_versions_is_read(stubs: Stubs, cloudformation: Answers) -> None:
    first = {**versions("12.345.3"), "nextToken": "more"}
    stubs.greengrassv2.add_response("list_component_versions", first, {"arn": ARN})
    stubs.greengrassv2.add_response(
        "list_component_versions", versions("12.345.4"), {"arn": ARN, "nextToken": "more"}
    )
    handler(event(cloudformation, "ComponentRevision"), None)
    assert cloudformation.received[0]["Data"] == {"Revision": "5"}


def test_component_that_does_not_exist_yet_has_no_versions(
    stubs: Stubs, cloudformation: Answers
) -> None:
    stubs.greengrassv2.add_client_error(
        "list_component_versions", "ResourceNotFoundException", http_status_code=404
    )
    handler(event(cloudformation, "ComponentRevision"), None)
    assert cloudformation.received[0]["Data"] == {"Revision": "0"}


def test_image_is_the_one_that_the_public_parameter_names(
    stubs: Stubs, cloudformation: Answers
) -> None:
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    stubs.ssm.add_response(
        "get_parameter", {"Parameter": {"Name": name, "Value": "ami-1"}}, {"Name": name}
    )
    wanted = event(cloudformation, "SimulatorImage", ResourceProperties={"Parameter": name})
    handler(wanted, None)
    (answer,) = cloudformation.received
    assert answer["Data"] == {"ImageId": "ami-1"}
    assert answer["PhysicalResourceId"] == name
