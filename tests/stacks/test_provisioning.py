"""Fleet provisioning in the template of a fleet: what a claim may do, and what it brings about."""

import json
from pathlib import Path
from typing import Any

import pytest

from stacks import names
from stacks.core.iot_policies import MAX_POLICY_CHARACTERS
from stacks.fleet.provisioning_template import MAX_BODY_CHARACTERS
from tests.stacks.configurations import CONFIGURATIONS
from tests.stacks.configurations import template as configuration
from tests.stacks.synthesis import named, only, resolved, templates_of

STACK = "DlrInferenceFleet-shop-floor"
ARN = "arn:aws:iot:ap-southeast-2:123456789012"
LONGEST = "a" * 64
REQUESTS = [
    "$aws/certificates/create-from-csr/json",
    "$aws/provisioning-templates/shop-floor/provision/json",
]


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return configuration("v2-fleet", STACK)


@pytest.fixture(scope="module")
def body(template: dict[str, Any]) -> dict[str, Any]:
    text = resolved(only(template, "AWS::IoT::ProvisioningTemplate"))["TemplateBody"]
    found: dict[str, Any] = json.loads(text)
    return found


def of_core(value: Any, name: str) -> Any:
    """Return a value of the body as AWS IoT has it for a core of this name."""
    if isinstance(value, list):
        return [of_core(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    if value == {"Ref": "CoreName"}:
        return name
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return separator.join(of_core(part, name) for part in parts)
    return {key: of_core(item, name) for key, item in value.items()}


def policies_of(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        kind: of_core(resource["Properties"]["PolicyDocument"], name)
        for kind, resource in body["Resources"].items()
        if resource["Type"] == "AWS::IoT::Policy"
    }


def without(policies: dict[str, Any], topic: str) -> dict[str, Any]:
    """The policies as they would be if the core could not publish on ``topic``."""
    for document in policies.values():
        for statement in document["Statement"]:
            resources = statement["Resource"]
            if isinstance(resources, list):
                statement["Resource"] = [one for one in resources if not one.endswith(topic)]
    return policies


def test_core_that_comes_has_the_policies_of_a_core_of_a_list(
    template: dict[str, Any], body: dict[str, Any]
) -> None:
    text = resolved(template["Outputs"]["CorePolicies"]["Value"])
    listed = json.loads(text.replace(names.CORE_PLACEHOLDER, "press-7"))
    live = "topic/mli/preview/press-7"
    assert without(policies_of(body, "press-7"), live) == listed


def test_core_that_comes_may_publish_what_settings_ask_for_later(tmp_path: Path) -> None:
    """Its policies do not change any more, but the settings may: feedback, live pictures."""
    values = {**CONFIGURATIONS["v2-fleet"], "feedback": "false"}
    found = templates_of(tmp_path, values)[STACK]
    text = resolved(only(found, "AWS::IoT::ProvisioningTemplate"))["TemplateBody"]
    assert "topic/feedback/message/prediction" in text
    assert "topic/mli/preview/" in text


def test_policies_and_body_are_within_aws_s_limits(
    template: dict[str, Any], body: dict[str, Any]
) -> None:
    for document in policies_of(body, LONGEST).values():
        assert len(json.dumps(document, separators=(",", ":"))) <= MAX_POLICY_CHARACTERS
    text = json.dumps(body, separators=(",", ":"))
    assert len(text.replace("shop-floor", LONGEST)) <= MAX_BODY_CHARACTERS


def test_thing_is_named_after_the_core_and_joins_the_fleet(body: dict[str, Any]) -> None:
    thing = body["Resources"]["thing"]
    assert of_core(thing["Properties"]["ThingName"], "press-7") == names.thing_name("press-7")
    assert thing["Properties"]["ThingGroups"] == ["shop-floor"]


def test_existing_thing_fails(body: dict[str, Any]) -> None:
    thing = body["Resources"]["thing"]
    assert set(thing["OverrideSettings"].values()) == {"FAIL"}
    assert thing["Properties"]["AttributePayload"] == {
        "createdWithCertificate": {"Ref": "AWS::IoT::Certificate::Id"}
    }


def test_claim_may_ask_for_a_certificate_and_its_core_and_nothing_else(
    template: dict[str, Any],
) -> None:
    policy = resolved(only(template, "AWS::IoT::Policy"))
    assert policy["PolicyName"] == "shop-floor_ClaimPolicy"
    replies = [f"{topic}/{verdict}" for topic in REQUESTS for verdict in ("accepted", "rejected")]
    allowed = {one["Action"][0]: one["Resource"] for one in policy["PolicyDocument"]["Statement"]}
    assert allowed == {
        "iot:Connect": [f"{ARN}:client/????????-????-????-????-????????????"],
        "iot:Publish": [f"{ARN}:topic/{topic}" for topic in REQUESTS],
        "iot:Receive": [f"{ARN}:topic/{topic}" for topic in replies],
        "iot:Subscribe": [f"{ARN}:topicfilter/{topic}" for topic in replies],
    }


def test_role_of_the_template_changes_no_existing_thing(template: dict[str, Any]) -> None:
    role = named(template, "ProvisioningRole")
    assert role is not None
    actions = {
        action
        for statement in role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }
    writes = {one for one in actions if not one.startswith(("iot:Describe", "iot:Get", "iot:List"))}
    assert writes == {
        "iot:AddThingToThingGroup",
        "iot:AttachPolicy",
        "iot:AttachPrincipalPolicy",
        "iot:AttachThingPrincipal",
        "iot:CreatePolicy",
        "iot:CreateThing",
        "iot:UpdateCertificate",
    }


def test_hook_is_for_this_template_only(template: dict[str, Any]) -> None:
    permission = resolved(only(template, "AWS::Lambda::Permission"))
    assert permission["Principal"] == "iot.amazonaws.com"
    assert permission["SourceAccount"] == "123456789012"
    assert permission["SourceArn"] == f"{ARN}:provisioningtemplate/shop-floor"


@pytest.mark.parametrize("length", [1, 35, 36, 37, 64])
def test_name_of_a_template_fits(length: int) -> None:
    name = names.provisioning_template_name("a" * length)
    assert len(name) <= 36
    assert (name == "a" * length) == (length <= 36)


def test_templates_of_fleets_that_begin_alike_are_different() -> None:
    found = {names.provisioning_template_name("a" * 60 + end) for end in "bcd"}
    assert len(found) == 3
