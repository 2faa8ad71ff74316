"""What AWS IoT creates for a device that comes with a claim: the body of a provisioning template.

https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
"""

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk

from stacks import names
from stacks.names import CORE_NAME_PARAMETER, CORE_PLACEHOLDER

MAX_BODY_CHARACTERS = 10_240
"""Largest body that AWS IoT accepts."""

_CERTIFICATE = "AWS::IoT::Certificate::Id"
_CREATED_WITH = "createdWithCertificate"
_FAIL = {"AttributePayload": "FAIL", "ThingGroups": "FAIL", "ThingTypeName": "FAIL"}


def template_body(
    stack: cdk.Stack, *, group_name: str, policies: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the body: thing, membership in the group, active certificate, policies of a core.

    ``policies`` have :data:`stacks.names.CORE_PLACEHOLDER` for the core's name. They are part of
    the body, so that AWS IoT creates them for each core, and a hash of the document becomes a
    policy's name. One policy for all cores would need ``iot:Connection.Thing.ThingName``. That has
    no value for the further connections of a classic nucleus (``<thing>#2``), and the topics have
    the core's name, not its thing's.

    An existing thing always fails: no setting but FAIL, and one attribute differs for every
    certificate. The hook refuses it before; this is for two devices that come at the same moment.
    """
    resources: dict[str, Any] = {
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateId": {"Ref": _CERTIFICATE}, "Status": "Active"},
        },
        "thing": {
            "Type": "AWS::IoT::Thing",
            "OverrideSettings": _FAIL,
            "Properties": {
                "ThingName": _of_core(names.thing_name(CORE_PLACEHOLDER)),
                "ThingGroups": [group_name],
                "AttributePayload": {_CREATED_WITH: {"Ref": _CERTIFICATE}},
            },
        },
    }
    body = {
        "Parameters": {CORE_NAME_PARAMETER: {"Type": "String"}, _CERTIFICATE: {"Type": "String"}},
        "Resources": resources,
    }
    for kind, document in policies.items():
        resources[kind] = {
            "Type": "AWS::IoT::Policy",
            "Properties": {"PolicyDocument": _of_core(stack.resolve(document))},
        }
    # The body is a text for CloudFormation, which substitutes its own variables in it.
    return cdk.Fn.sub(json.dumps(body, separators=(",", ":")))


def _of_core(value: Any) -> Any:
    """Return a resolved policy with variables of CloudFormation for its functions.

    A text with the name of a core becomes a function of AWS IoT, in the only form that its guide
    has an example of.
    """
    if isinstance(value, list):
        return [_of_core(item) for item in value]
    if isinstance(value, str):
        first, *others = value.split(CORE_PLACEHOLDER)
        if not others:
            return value
        parts: list[Any] = [first]
        for text in others:
            parts += [{"Ref": CORE_NAME_PARAMETER}, text]
        return {"Fn::Join": ["", [part for part in parts if part != ""]]}
    if "Fn::GetAtt" in value:
        return "${{{}.{}}}".format(*value["Fn::GetAtt"])
    if "Fn::Sub" in value:
        return _of_core(value["Fn::Sub"])
    return {key: _of_core(item) for key, item in value.items()}
